package cli

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"github.com/keypin/keypin/internal/app"
)

// Process is what the command runs with.
type Process struct {
	Args    []string // without the program's name
	Environ []string // as os.Environ gives it
	Stdout  io.Writer
	Stderr  io.Writer
}

// The exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

// Main runs the command until it is done or ctx ends, and returns the exit code.
func Main(ctx context.Context, p Process) int {
	root := newRoot(p)
	root.SetArgs(p.Args)
	root.SetOut(p.Stdout)
	root.SetErr(p.Stderr)
	command, err := root.ExecuteContextC(ctx)
	var failed failure
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &failed):
		report(p.Stderr, "%s: %v\n", command.CommandPath(), err)
		return exitFailed
	default:
		report(p.Stderr, "%s: %v\nSee %[1]s --help.\n", command.CommandPath(), err)
		return exitUsage
	}
}

// report writes to standard error, beyond which there is nobody to tell.
func report(w io.Writer, format string, args ...any) { _, _ = fmt.Fprintf(w, format, args...) }

// failure marks an error of a command that was called rightly. All others are
// cobra's, or misuse, and mean that the command line was wrong.
type failure struct{ error }

func (f failure) Unwrap() error { return f.error }

// misuse is a command line that cannot be run.
type misuse string

func (m misuse) Error() string { return string(m) }

// run makes a cobra function of one that fails or is misused.
func run(do func(*cobra.Command) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, _ []string) error {
		err := do(cmd)
		var wrong misuse
		if err == nil || errors.As(err, &wrong) {
			return err
		}
		return failure{err}
	}
}

func newRoot(p Process) *cobra.Command {
	root := &cobra.Command{
		Use:   "keypin",
		Short: "Issue, manage and verify API keys",
		Long: `Keypin is a service that issues, manages and verifies API keys.

Every setting can be given in a YAML file (--config FILE or KEYPIN_CONFIG), as an
environment variable (log.format is KEYPIN_LOG_FORMAT), and some as flags. Flags
are stronger than the environment, which is stronger than the file.
"keypin config print" shows them all.`,
		Example: `  keypin serve                              # on 127.0.0.1:8080, data in ./data
  keypin token --data-dir ./data --user you@example.com
  keypin config print`,
		SilenceErrors:     true,
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
	}
	root.AddCommand(newServe(p), newToken(p), newMigrate(p), newCopy(p), newConfig(p), newDocs(p), newVersion(p))
	return root
}

// options are what the application needs of this process.
func options(logger *slog.Logger) app.Options {
	return app.Options{Clock: time.Now, Random: rand.Reader, Logger: logger, Version: readBuild().version}
}
