package app

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"net/http"
	"path"
	"strings"

	"github.com/keypin/keypin/internal/keypin"
)

// dataHandler answers on the data listener: probes for anyone who reaches it, the
// rest for who has the data token, if one is set.
func (a *App) dataHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) {
		a.probe(w, http.StatusOK, "ok")
	})
	mux.HandleFunc("GET /ready", func(w http.ResponseWriter, r *http.Request) {
		if err := a.isReady(r.Context()); err != nil {
			w.Header().Set("Retry-After", "1")
			a.probe(w, http.StatusServiceUnavailable, "unavailable")
			return
		}
		a.probe(w, http.StatusOK, "ok")
	})
	mux.Handle("POST /api/v1/api-keys/verify", withToken(a.config.DataToken, a.dataVerify))
	mux.Handle("GET /metrics", withToken(a.config.DataToken, a.metrics.Handler()))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		// The mux would redirect an unclean path, and put what was sent into the answer.
		if path.Clean(r.URL.Path) != r.URL.Path {
			http.Error(w, "There is nothing at this address.", http.StatusNotFound)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

func (a *App) probe(w http.ResponseWriter, status int, word string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// The prober is gone when this fails; nobody is left to tell.
	_ = json.NewEncoder(w).Encode(map[string]string{"status": word, "version": a.options.Version})
}

// withToken lets only requests with the bearer token through; all when it is zero.
func withToken(want keypin.Secret, next http.Handler) http.Handler {
	if want.IsZero() {
		return next
	}
	wanted := sha256.Sum256([]byte(want.Reveal()))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		scheme, given, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		got := sha256.Sum256([]byte(strings.TrimLeft(given, " ")))
		if !strings.EqualFold(scheme, "Bearer") || subtle.ConstantTimeCompare(got[:], wanted[:]) != 1 {
			w.Header().Set("WWW-Authenticate", "Bearer")
			http.Error(w, "This needs the data listener's bearer token.", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}
