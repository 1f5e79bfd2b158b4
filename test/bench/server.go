package main

import (
	"context"
	"path/filepath"

	"github.com/keypin/keypin/test/measure"
)

// server is the program with what it is filled with and asked.
type server struct{ *measure.Server }

// serve starts the program with the defaults of its configuration.
func (b *bench) serve(ctx context.Context, name string) (server, error) {
	s := server{&measure.Server{Program: b.program, Dir: filepath.Join(b.dir, name)}}
	return s, s.Start(ctx)
}
