package app

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/keypin/keypin/internal/httpapi"
	"github.com/keypin/keypin/internal/keypin"
	"github.com/keypin/keypin/test/engines"
)

func TestNodesShareKeysAndRefuseOneThatSignsWithAnotherKey(t *testing.T) {
	t.Parallel()
	server, err := engines.StartPostgres(t.Context(), engines.PostgresOptions{Volatile: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	first := testConfig(t)
	first.Database = keypin.NewSecret(server.URL("keypin"))
	one := start(t, first)

	stranger := testConfig(t)
	stranger.Database = first.Database
	refused, err := New(t.Context(), stranger, testOptions(t, &buffer{}))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	err = refused.Run(ctx)
	if err == nil || !strings.Contains(err.Error(), "issuer.key") || !strings.Contains(err.Error(), one.PublicAddr().String()) {
		t.Errorf("a node with another issuer's key ended with %v", err)
	}

	second := testConfig(t)
	second.Database, second.KeyBrand = first.Database, "acme" // in which they only disagree
	signing, err := os.ReadFile(filepath.Join(first.DataDir, "issuer.key"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(second.DataDir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(second.DataDir, "issuer.key"), signing, 0o600); err != nil {
		t.Fatal(err)
	}
	two := start(t, second)
	if _, metrics := get(t, two.DataAddr(), "/metrics"); !strings.Contains(metrics, `keypin_nodes_disagree{setting="key_brand"} 1`) || !strings.Contains(metrics, `keypin_nodes_disagree{setting="scopes"} 0`) {
		t.Error("nothing shows that the nodes disagree")
	}

	token := mint(t, first)
	path, key := makeKey(t, one, token)
	check := func() string {
		return ask(t, http.MethodPost, two.DataAddr(), httpapi.VerifyPath, `{"key":"`+key+`"}`).body
	}
	if got := check(); !strings.Contains(got, `"code":"valid"`) {
		t.Errorf("a key of the other node: %s", got)
	}
	if got := ask(t, http.MethodDelete, one.PublicAddr(), path, "", "Authorization: Bearer "+token); got.status != http.StatusOK {
		t.Fatalf("%d %s", got.status, got.body)
	}
	answered := time.Now()
	for strings.Contains(check(), `"code":"valid"`) {
		if time.Since(answered) > time.Second {
			t.Fatal("a second after it was revoked at the other node, the key is accepted")
		}
	}
}
