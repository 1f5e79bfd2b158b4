package httpapi

import (
	"net/http"
	"strings"
	"testing"
)

func TestOnlyANameOrAnAddressComesBackOutOfHost(t *testing.T) {
	for host, want := range map[string]string{
		"api.example.com": "api.example.com", "api.example.com:8443": "api.example.com:8443", "localhost": "localhost",
		"127.0.0.1:80": "127.0.0.1:80", "[::1]:80": "[::1]:80", "[2001:db8::1]": "[2001:db8::1]",
		"op_live_0000000000000000000000000009BlC0": "localhost", "op_live_0000000000000000000000000009BlC0.example:80": "localhost",
		"a.b-c.D9.": "a.b-c.D9.", "a..b": "localhost", "-a.b": "localhost", "a-.b": "localhost", ".": "localhost", "a.b:": "localhost", "a:123456": "localhost", "a_b": "localhost",
		strings.Repeat("a", 63): strings.Repeat("a", 63), strings.Repeat("a", 64): "localhost", strings.Repeat("a.", 127): "localhost",
		"": "localhost", "a b": "localhost", "x/../y": "localhost", "a:b": "localhost", "<script>": "localhost",
	} {
		if got := hostOf(&http.Request{Host: host}); got != want {
			t.Errorf("%q: %q, want %q", host, got, want)
		}
	}
}
