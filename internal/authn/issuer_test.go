package authn

import (
	"strings"
	"testing"
	"time"
)

func TestAnIssuerThatIsConfiguredWrongSaysSo(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Issuer)
		want   string // "" = it is right
	}{
		"right":                       {func(*Issuer) {}, ""},
		"with a path and a slash":     {func(i *Issuer) { i.Issuer = "https://a.example.com/x/" }, ""},
		"loopback over http":          {func(i *Issuer) { i.Issuer = "http://127.0.0.1:8080" }, ""},
		"localhost over http":         {func(i *Issuer) { i.Issuer = "http://localhost:8080" }, ""},
		"IPv6 loopback over http":     {func(i *Issuer) { i.Issuer = "http://[::1]:8080" }, ""},
		"keys on loopback":            {func(i *Issuer) { i.JWKSURL = "http://127.0.0.1/keys?x=1" }, ""},
		"http":                        {func(i *Issuer) { i.Issuer = "http://a.example.com" }, "issuer: "},
		"http, looks like loopback":   {func(i *Issuer) { i.Issuer = "http://localhost.example.com" }, "issuer: "},
		"http, looks like an address": {func(i *Issuer) { i.Issuer = "http://127.0.0.1.example.com" }, "issuer: "},
		"empty":                       {func(i *Issuer) { i.Issuer = "" }, "issuer: "},
		"without a scheme":            {func(i *Issuer) { i.Issuer = "a.example.com" }, "issuer: "},
		"without a host":              {func(i *Issuer) { i.Issuer = "https:///x" }, "issuer: "},
		"local":                       {func(i *Issuer) { i.Issuer = LocalIssuerName }, "issuer: "},
		"with a query":                {func(i *Issuer) { i.Issuer = "https://a.example.com?x" }, "issuer: "},
		"with an empty query":         {func(i *Issuer) { i.Issuer = "https://a.example.com?" }, "issuer: "},
		"with an empty fragment":      {func(i *Issuer) { i.Issuer = "https://a.example.com#" }, "issuer: "},
		"with a password":             {func(i *Issuer) { i.Issuer = "https://a:pass@a.example.com" }, "issuer: "},
		"with a control character":    {func(i *Issuer) { i.Issuer = "https://a.example.com\n" }, "issuer: "},
		"kind":                        {func(i *Issuer) { i.Kind = "" }, "kind: "},
		"kind local":                  {func(i *Issuer) { i.Kind = kindLocal }, "kind: "},
		"keys over http":              {func(i *Issuer) { i.JWKSURL = "http://a.example.com/keys" }, "jwks_url: "},
		"keys nowhere":                {func(i *Issuer) { i.JWKSURL = "keys" }, "jwks_url: "},
		"empty audience":              {func(i *Issuer) { i.Audiences = []string{""} }, "audiences: "},
		"empty party":                 {func(i *Issuer) { i.AuthorizedParties = []string{""} }, "authorized_parties: "},
		"party with a slash":          {func(i *Issuer) { i.AuthorizedParties = []string{"https://a.example.com/"} }, "authorized_parties: "},
		"HMAC":                        {func(i *Issuer) { i.Algorithms = []string{"RS256", "HS256"} }, "algorithms: "},
		"none":                        {func(i *Issuer) { i.Algorithms = []string{"none"} }, "algorithms: "},
		"algorithm in lower case":     {func(i *Issuer) { i.Algorithms = []string{"rs256"} }, "algorithms: "},
	} {
		t.Run(name, func(t *testing.T) {
			issuer := clerk()
			c.change(&issuer)
			err := issuer.Validate()
			switch {
			case c.want == "" && err != nil:
				t.Errorf("got %v", err)
			case c.want != "" && (err == nil || !strings.HasPrefix(err.Error(), c.want) || strings.Contains(err.Error(), "\n")):
				t.Errorf("got %v, want one fault of %s", err, c.want)
			case c.want != "" && strings.Contains(err.Error(), "pass"+"@"):
				t.Error("the fault shows the password")
			}
		})
	}
}

func TestAVerifierIsNotMadeOfWrongOptions(t *testing.T) {
	for name, c := range map[string]struct {
		options Options
		want    []string
	}{
		"no issuer":     {Options{}, []string{"issuers: "}},
		"twice":         {Options{Issuers: []Issuer{clerk(), clerk()}}, []string{"issuers[1].issuer: "}},
		"all the wrong": {Options{Issuers: []Issuer{clerk(), {}}}, []string{"issuers[1].issuer: ", "issuers[1].kind: "}},
		"too often":     {Options{Issuers: []Issuer{clerk()}, RefreshEvery: time.Second}, []string{"refresh_every: "}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := New(c.options)
			if err == nil {
				t.Fatal("it was made")
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, want also %s", err, want)
				}
			}
		})
	}
}
