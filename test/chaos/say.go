package main

import (
	"fmt"
	"io"
)

// say tells people. Should they not hear it, the run is the same.
func say(out io.Writer, format string, args ...any) {
	_, _ = fmt.Fprintf(out, format, args...)
}
