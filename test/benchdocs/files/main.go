// Command files serves a folder with Go's http.FileServer, and nothing else. It prints the
// address that it listens on.
package main

import (
	"fmt"
	"net"
	"net/http"
	"os"

	"github.com/keypin/keypin/internal/config"
)

func main() {
	if err := serve(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "files:", err)
		os.Exit(1)
	}
}

func serve(folder string) error {
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it is there until the process ends
	if err != nil {
		return err
	}
	if _, err := fmt.Println(l.Addr()); err != nil {
		return err
	}
	s := config.Default().Server // as the service sets up its own
	server := &http.Server{
		Handler:           http.FileServer(http.Dir(folder)),
		ReadHeaderTimeout: s.ReadHeaderTimeout,
		ReadTimeout:       s.ReadTimeout,
		WriteTimeout:      s.WriteTimeout,
		IdleTimeout:       s.IdleTimeout,
		MaxHeaderBytes:    s.MaxHeaderBytes,
	}
	return server.Serve(l)
}
