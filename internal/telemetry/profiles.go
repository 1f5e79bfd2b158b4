package telemetry

import (
	"net/http"
	"net/http/pprof" // it registers at http.DefaultServeMux, which nothing here serves; forbidigo sees to that
)

// ProfilesPath is where Profiles is served, and everything below.
const ProfilesPath = "/debug/pprof/"

// Profiles serves Go's profiles (package net/http/pprof) below ProfilesPath, to be put
// behind a token. The command line is not among them: flags may hold passwords.
func Profiles() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+ProfilesPath, pprof.Index)
	mux.Handle("GET "+ProfilesPath+"cmdline", http.NotFoundHandler())
	mux.HandleFunc("GET "+ProfilesPath+"profile", pprof.Profile)
	mux.HandleFunc("GET "+ProfilesPath+"trace", pprof.Trace)
	mux.HandleFunc("GET "+ProfilesPath+"symbol", pprof.Symbol)
	mux.HandleFunc("POST "+ProfilesPath+"symbol", pprof.Symbol)
	return mux
}
