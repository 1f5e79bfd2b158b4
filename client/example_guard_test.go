package client_test

import (
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/keypin/keypin/client"
)

// A Guard in front of your handlers checks every request's key, after the first one
// without asking the service.
func ExampleGuard_Protect() {
	data, err := client.New("http://127.0.0.1:8081", client.WithHTTPClient(pretend()))
	if err != nil {
		log.Fatal(err)
	}
	guard, err := client.NewGuard(data)
	if err != nil {
		log.Fatal(err)
	}
	defer guard.Close()

	workflows := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		key, _ := client.PrincipalFrom(r.Context())
		_, _ = fmt.Fprintf(w, "workflows for %s", key.Name)
	})
	mux := http.NewServeMux()
	mux.Handle("GET /workflows", guard.Protect(workflows, client.Scopes("workflows:read")))

	for _, key := range []string{"op_live_0000000000000000000000000009BlC0", ""} {
		r := httptest.NewRequest(http.MethodGet, "/workflows", nil)
		if key != "" {
			r.Header.Set("Authorization", "Bearer "+key)
		}
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		fmt.Println(w.Code, w.Body)
	}
	// Output:
	// 200 workflows for Nightly export
	// 401 {"error":{"code":"unauthorized","message":"Send an API key as Authorization: Bearer <key>, or as X-API-Key.","details":[]}}
}
