package e2e

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/keypin/keypin/internal/authn"
	"github.com/keypin/keypin/internal/config"
)

// clerk is an issuer that signs as Clerk does.
type clerk struct {
	url  string
	key  *rsa.PrivateKey
	down atomic.Bool
}

const party = "https://app.example.com"

func startClerk(t *testing.T) *clerk {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	c := &clerk{key: key}
	set, err := json.Marshal(object{"keys": []object{{"kty": "RSA", "kid": "ins_1", "alg": "RS256", "use": "sig",
		"n": base64.RawURLEncoding.EncodeToString(key.N.Bytes()), "e": base64.RawURLEncoding.EncodeToString(big.NewInt(int64(key.E)).Bytes())}}})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c.down.Load() || r.URL.Path != "/.well-known/jwks.json" {
			http.Error(w, "<html>down</html>", http.StatusBadGateway)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(set)
	}))
	t.Cleanup(server.Close)
	c.url = server.URL
	return c
}

// session signs the claims that every session token of Clerk's has, and more.
func (c *clerk) session(t *testing.T, sub string, more object) string {
	t.Helper()
	now := time.Now()
	claims := jwt.MapClaims{"iss": c.url, "sub": sub, "sid": "sess_1", "azp": party, "iat": now.Unix(), "nbf": now.Add(-10 * time.Second).Unix(),
		"exp": now.Add(time.Minute).Unix()}
	for k, v := range more {
		claims[k] = v
	}
	token := jwt.NewWithClaims(jwt.SigningMethodRS256, claims)
	token.Header["kid"], token.Header["cat"] = "ins_1", "cl_B7d4PD111AAA"
	signed, err := token.SignedString(c.key)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

func startWithClerk(t *testing.T, c *clerk) *service {
	return start(t, func(conf *config.Config) {
		conf.Issuers = []authn.Issuer{{Issuer: c.url, Kind: authn.KindClerk, AuthorizedParties: []string{party}}}
	})
}

func TestAClerkSessionActsInItsOrganisationsWorkspace(t *testing.T) {
	c := startClerk(t)
	s := startWithClerk(t, c)
	v2 := func(user, role string) string {
		return c.session(t, user, object{"v": 2, "o": object{"id": "org_9", "slg": "acme", "rol": role}})
	}
	v1 := func(user, role string) string {
		return c.session(t, user, object{"org_id": "org_9", "org_slug": "acme", "org_role": "org:" + role})
	}
	whoami := func(token string) answer {
		return s.call(t, token, "GET", "/api/v1/auth/whoami", nil).must(t, 200)
	}
	admin, other := whoami(v2("user_1", "admin")), whoami(v1("user_2", "admin"))
	if admin.str("data", "workspace_id") != other.str("data", "workspace_id") {
		t.Error("the two claim versions lead to different workspaces")
	}
	if admin.str("data", "auth_kind") != "clerk" || admin.str("data", "role") != "admin" {
		t.Errorf("%s", admin.Body)
	}
	if got := whoami(v2("user_3", "billing")).str("data", "role"); got != "editor" {
		t.Errorf("a role of the deployment's own became %s, want editor", got)
	}
	if again := whoami(v1("user_1", "admin")); again.str("data", "user_id") != admin.str("data", "user_id") {
		t.Error("the same user got a second id")
	}
	if own := whoami(c.session(t, "user_1", nil)); own.str("data", "workspace_id") == admin.str("data", "workspace_id") {
		t.Error("a session without organisation acts in the organisation's workspace")
	}
	// Who left the organisation is out, though the row is still there.
	s.call(t, c.session(t, "user_1", nil), "GET", keys, nil, "X-Workspace-Id: "+admin.str("data", "workspace_id")).must(t, 403)
	refused := s.call(t, c.session(t, "user_1", object{"azp": "https://evil.example"}), "GET", keys, nil).must(t, 401)
	// The caller is not told which rule it was. The operator is, at debug.
	if why := "azp is not an authorized party"; strings.Contains(refused.Body, why) || !strings.Contains(s.Log.String(), why) {
		t.Errorf("answered %s, and the log does not say why", refused.Body)
	}
}

func TestAnIssuerThatIsDownIsA503AndNeverAGuess(t *testing.T) {
	c := startClerk(t)
	c.down.Store(true)
	s := startWithClerk(t, c)
	token := c.session(t, "user_1", nil)
	a := s.call(t, token, "GET", keys, nil).must(t, 503)
	if a.str("error", "code") != "unavailable" || a.Header.Get("Retry-After") == "" {
		t.Errorf("%v %s", a.Header, a.Body)
	}
	s.call(t, "op_live_0000000000000000000000000009BlC0", "GET", keys, nil).must(t, 401) // keys do not need the issuer
	s.call(t, "", "GET", "/ready", nil).must(t, 200)
	s.call(t, "", "GET", "/.well-known/jwks.json", nil).must(t, 404) // no local issuer
}
