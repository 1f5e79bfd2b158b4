package show

import (
	"fmt"
	"sync"
	"time"

	"github.com/charmbracelet/x/ansi"
)

// Progress says on standard error that a command waits, once it has for a second. Stop
// it before anything else is written; what it wrote to a terminal is gone then.
func (o Out) Progress(what string) (stop func()) {
	if o.Quiet {
		return func() {}
	}
	_, terminal := Terminal(o.Stderr) // as wide as that of standard output, if that is one
	return o.progress(what, terminal)
}

func (o Out) progress(what string, terminal bool) (stop func()) {
	done := make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for seconds := 1; ; seconds++ {
			select {
			case <-done:
				return
			case <-tick.C:
			}
			switch {
			case terminal:
				line := ansi.Truncate(fmt.Sprintf("%s … %d s", what, seconds), max(narrowest, o.Width-1), "…")
				_, _ = fmt.Fprint(o.Stderr, "\r\x1b[K"+line)
			case seconds == 1:
				_, _ = fmt.Fprintf(o.Stderr, "%s …\n", what)
			}
		}
	})
	return sync.OnceFunc(func() {
		close(done)
		running.Wait()
		if terminal {
			_, _ = fmt.Fprint(o.Stderr, "\r\x1b[K")
		}
	})
}
