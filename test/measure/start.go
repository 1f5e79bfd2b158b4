package measure

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"syscall"
	"time"
)

// TimeStart is the time from the process's start to the first 200 of /ready. The program
// has the environment env and is ended again.
func TimeStart(ctx context.Context, program, dir string, env ...string) (took time.Duration, err error) {
	address, err := FreeAddress(ctx)
	if err != nil {
		return 0, err
	}
	cmd := Pinned(ctx, "", program, "serve", "--listen", address, "--data-listen", "", "--data-dir", dir)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH")}, env...)
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	defer func() {
		err = errors.Join(err, cmd.Process.Signal(syscall.SIGTERM), cmd.Wait())
	}()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for range tick.C {
		switch err := ready(ctx, address); {
		case err == nil:
			return time.Since(began), nil
		case time.Since(began) > patience:
			return 0, fmt.Errorf("the program is not ready: %w", err)
		}
	}
	return 0, nil // the ticker does not end
}

func ready(ctx context.Context, address string) error {
	c, err := Dial(ctx, address)
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = c.Do(NewRequest(address, "", http.MethodGet, "/ready", ""), http.StatusOK)
	return err
}
