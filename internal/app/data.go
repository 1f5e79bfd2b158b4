package app

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/keypin/keypin/internal/credential"
	"github.com/keypin/keypin/internal/gateway"
	"github.com/keypin/keypin/internal/httpapi"
	"github.com/keypin/keypin/internal/keypin"
	"github.com/keypin/keypin/internal/telemetry"
)

// headerToken holds the data token on forward-auth, where Authorization is the client's.
const headerToken = "X-Keypin-Token" //nolint:gosec // the header's name, not what it holds

// dataHandler answers on the data listener: probes for anyone who reaches it, the
// rest for who has the data token, if one is set.
func (a *App) dataHandler(api *httpapi.API, doors *gateway.Gateway) http.Handler {
	check := a.tracing.Handler(a.withToken(api, "Authorization", only(api, http.MethodPost, api.DataVerify())), httpapi.VerifyPath)
	forwardAuth := a.tracing.Handler(a.withToken(api, headerToken, http.HandlerFunc(doors.ForwardAuth)), gateway.ForwardAuthPath)
	reports := a.withToken(api, "Authorization", only(api, http.MethodPost, http.HandlerFunc(doors.UsageReports)))
	extAuthz := a.withToken(api, "Authorization", only(api, http.MethodPost, doors.ExtAuthz()))
	others := map[string]http.Handler{
		"/health":               only(api, http.MethodGet, http.HandlerFunc(a.health)),
		"/ready":                only(api, http.MethodGet, http.HandlerFunc(a.readiness)),
		"/metrics":              a.withToken(api, "Authorization", only(api, http.MethodGet, a.metrics.Handler())),
		"/api/v1/invalidations": a.withToken(api, "Authorization", only(api, http.MethodGet, http.HandlerFunc(doors.Invalidations))),
		"/api/v1/usage-reports": a.tracing.Handler(reports, "/api/v1/usage-reports"),
		gateway.ExtAuthzPath:    a.tracing.Handler(extAuthz, gateway.ExtAuthzPath),
	}
	profiles := a.withToken(api, "Authorization", telemetry.Profiles())
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer api.Recover(w, r)
		switch r.URL.Path { // the two that every request of every protected service waits for
		case httpapi.VerifyPath:
			check.ServeHTTP(w, r)
			return
		case gateway.ForwardAuthPath:
			forwardAuth.ServeHTTP(w, r)
			return
		}
		api.Identify(w, r)
		handler, ok := others[r.URL.Path]
		if a.config.Pprof && strings.HasPrefix(r.URL.Path, telemetry.ProfilesPath) {
			handler, ok = profiles, true
		}
		if !ok {
			api.Problem(w, r, keypin.E(keypin.CodeNotFound, "There is nothing at this address."))
			return
		}
		handler.ServeHTTP(w, r)
	})
}

// only refuses other methods. HEAD counts as GET.
func only(api *httpapi.API, method string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != method && (r.Method != http.MethodHead || method != http.MethodGet) {
			allow := method
			if method == http.MethodGet {
				allow = "GET, HEAD"
			}
			w.Header().Set("Allow", allow)
			api.Problem(w, r, keypin.E(keypin.CodeMethodNotAllowed, "This method is not allowed here; see the Allow header."))
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (a *App) health(w http.ResponseWriter, _ *http.Request) { a.probe(w, http.StatusOK, "ok") }

func (a *App) readiness(w http.ResponseWriter, r *http.Request) {
	if err := a.isReady(r.Context()); err != nil {
		w.Header().Set("Retry-After", "1")
		a.probe(w, http.StatusServiceUnavailable, "unavailable")
		return
	}
	a.probe(w, http.StatusOK, "ok")
}

func (a *App) probe(w http.ResponseWriter, status int, word string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// The prober is gone when this fails; nobody is left to tell.
	_ = json.NewEncoder(w).Encode(map[string]string{"status": word, "version": a.options.Version})
}

// withToken lets only requests with the data token in the header through, there as
// Bearer credentials or bare; all when no token is set.
func (a *App) withToken(api *httpapi.API, header string, next http.Handler) http.Handler {
	want := a.config.DataToken
	if want.IsZero() {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		given := r.Header.Get(header)
		if credential.IsBearer(given) {
			_, given, _ = strings.Cut(given, " ")
		}
		if !credential.Equal(keypin.NewSecret(strings.TrimLeft(given, " ")), want) {
			api.Problem(w, r, &keypin.Error{Code: keypin.CodeUnauthorized, NoCredentials: given == "",
				Message: "This needs the data listener's token."})
			return
		}
		next.ServeHTTP(w, r)
	})
}
