// Command ceiling answers every request with one that was taken down before, and does
// nothing else: it reads the request's body and looks at nothing. No server that is
// built on net/http can be faster. Its input is the answer, as it came over the wire;
// it prints the address that it listens on.
package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"

	"github.com/keypin/keypin/internal/config"
)

func main() {
	if err := serve(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "ceiling:", err)
		os.Exit(1)
	}
}

// field is a header field that is ready to be put into an answer.
type field struct {
	name   string
	values []string
}

func serve(answer io.Reader, address io.Writer) error {
	handler, err := replay(answer)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it is there until the process ends
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(address, l.Addr()); err != nil {
		return err
	}
	s := config.Default().Server // as the service sets up its own
	server := &http.Server{
		Handler:                      handler,
		DisableGeneralOptionsHandler: true,
		ReadHeaderTimeout:            s.ReadHeaderTimeout,
		ReadTimeout:                  s.ReadTimeout,
		WriteTimeout:                 s.WriteTimeout,
		IdleTimeout:                  s.IdleTimeout,
		MaxHeaderBytes:               s.MaxHeaderBytes,
	}
	return server.Serve(l)
}

// replay answers what the wire has held.
func replay(wire io.Reader) (http.Handler, error) {
	answer, err := http.ReadResponse(bufio.NewReader(wire), nil) //nolint:bodyclose // it is read to its end, which is all that closing does
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, err
	}
	var fields []field
	for name, values := range answer.Header {
		if name != "Date" { // the server writes the present one
			fields = append(fields, field{name, values})
		}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// A client that ends in the middle notices no difference.
		_, _ = io.Copy(io.Discard, r.Body)
		header := w.Header()
		for _, f := range fields {
			header[f.name] = f.values
		}
		w.WriteHeader(answer.StatusCode)
		_, _ = w.Write(body)
	}), nil
}
