package cli_test

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"

	"github.com/keypin/keypin/internal/cli"
)

// TestALostAnswerMakesNoSecondKey loses the first answer of each change on its way back.
func TestALostAnswerMakesNoSecondKey(t *testing.T) {
	t.Parallel()
	service := startService(t)
	target, err := url.Parse(service.url)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	sent := map[string]int{} // by Idempotency-Key
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) },
		ModifyResponse: func(answer *http.Response) error {
			key := answer.Request.Header.Get("Idempotency-Key")
			if key == "" {
				return nil
			}
			mu.Lock()
			defer mu.Unlock()
			if sent[key]++; sent[key] == 1 {
				panic(http.ErrAbortHandler) // the connection ends without an answer
			}
			return nil
		},
	}
	between := httptest.NewServer(proxy)
	t.Cleanup(between.Close)
	env := []string{"KEYPIN_BASE_URL=" + between.URL, "KEYPIN_TOKEN=" + service.token(t, "--user", "ann@example.com")}
	keypin := func(args ...string) string {
		t.Helper()
		var out, problems bytes.Buffer
		if code := cli.Main(context.Background(), cli.Process{Args: args, Environ: env, Stdout: &out, Stderr: &problems}); code != 0 {
			t.Fatalf("%v ended with %d: %s", args, code, problems.String())
		}
		return out.String()
	}
	if made := keypin("keys", "create", "export", "--scope", "workflows:read"); !plaintext.MatchString(made) {
		t.Errorf("got %q", made)
	}
	if got := keypin("keys", "list", "--status", "all", "--jq", "length"); got != "1\n" {
		t.Errorf("%s keys after a creation", got)
	}
	if made := keypin("keys", "rotate", "export", "--yes"); !plaintext.MatchString(made) {
		t.Errorf("got %q", made)
	}
	if got := keypin("keys", "list", "--status", "all", "--jq", "length"); got != "2\n" {
		t.Errorf("%s keys after a rotation", got)
	}
	if len(sent) != 2 {
		t.Errorf("%d Idempotency-Keys for two changes", len(sent))
	}
	for _, n := range sent {
		if n != 2 {
			t.Errorf("a change was sent %d times under its key", n)
		}
	}
}
