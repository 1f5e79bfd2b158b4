package cli

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/keypin/keypin/internal/app"
	"github.com/keypin/keypin/internal/cli/console"
	"github.com/keypin/keypin/internal/cli/manual"
	"github.com/keypin/keypin/internal/cli/problem"
	"github.com/keypin/keypin/internal/cli/show"
)

// Process is what the command runs with.
type Process struct {
	Args    []string // without the program's name
	Environ []string // as os.Environ gives it
	Stdin   io.Reader
	Stdout  io.Writer
	Stderr  io.Writer
}

// Main runs the command until it is done or ctx ends, and returns the exit code.
func Main(ctx context.Context, p Process) int {
	root := newRoot(p)
	root.SetArgs(p.Args)
	root.SetIn(p.Stdin)
	root.SetOut(p.Stdout)
	root.SetErr(p.Stderr)
	command, err := root.ExecuteContextC(ctx)
	if err == nil {
		return problem.ExitOK
	}
	return report(p, root, command, err)
}

// report tells what went wrong and gives the exit code.
func report(p Process, root, command *cobra.Command, err error) int {
	var known *problem.Problem
	if !errors.As(err, &known) {
		known = problem.Usage("%v", err) // cobra's
	}
	if known.Told {
		return known.Exit
	}
	if jsonAsked(root, p.Args) {
		_ = known.WriteJSON(p.Stderr, command.CommandPath()) // beyond standard error there is nobody to tell
	} else {
		show.Lines(p.Stderr, known.Text(command.CommandPath()))
	}
	return known.Exit
}

// jsonAsked tells whether a program reads the output. A command line that could not be
// read to its end may name the flag behind what is wrong.
func jsonAsked(root *cobra.Command, args []string) bool {
	for _, name := range []string{"json", "jq", "template"} {
		if f := root.PersistentFlags().Lookup(name); f.Changed {
			if f.Value.String() != "false" {
				return true
			}
		} else if slices.ContainsFunc(args, func(arg string) bool { return arg == "--"+name || strings.HasPrefix(arg, "--"+name+"=") }) {
			return true
		}
	}
	return false
}

// run makes a cobra function of one whose errors are problems, or failures of a command
// that was called rightly. So an error that is no problem is cobra's: it was called wrongly.
func run(do func(*cobra.Command) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, _ []string) error {
		err := do(cmd)
		var known *problem.Problem
		switch {
		case err == nil, errors.As(err, &known):
			return err
		case cmd.Context().Err() != nil:
			return problem.Interrupted(err)
		}
		return problem.Failed("%v", err)
	}
}

// The groups of the commands in the help, beside those of package console.
const (
	groupService = "service"
	groupOther   = "other"
)

func newRoot(p Process) *cobra.Command {
	root := &cobra.Command{
		Use:   "keypin",
		Short: "Issue, manage and verify API keys",
		Long: `Keypin is a service that issues, manages and verifies API keys, and the command that
works with it: sign in with keypin login, then make a key with keypin keys create.

Every setting of the service can be given in a YAML file (--config FILE or
KEYPIN_CONFIG), as an environment variable (log.format is KEYPIN_LOG_FORMAT), and
some as flags. Flags are stronger than the environment, which is stronger than the
file. "keypin config print" shows them all.`,
		Example: `  keypin login --base-url https://keys.example.com
  keypin keys create "Nightly export" --scope workflows:read
  keypin serve                              # on 127.0.0.1:8080, data in ./data
  keypin token --data-dir ./data --user you@example.com`,
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Name() == cobra.ShellCompRequestCmd {
				manual.Unquote(cmd.Root())
			}
			return refuseGlobals(cmd)
		},
	}
	root.AddGroup(
		&cobra.Group{ID: console.GroupKeys, Title: "Keys:"},
		&cobra.Group{ID: console.GroupAccount, Title: "Account:"},
		&cobra.Group{ID: groupService, Title: "Run the service:"},
		&cobra.Group{ID: groupOther, Title: "Other:"},
	)
	console.AddCommands(root, console.Process{Environ: p.Environ, Stdin: p.Stdin, Stdout: p.Stdout, Stderr: p.Stderr, Version: readBuild().version})
	for _, cmd := range []*cobra.Command{newServe(p), newToken(p), newMigrate(p), newCopy(p), newConfig(p), newDocs(p)} {
		cmd.GroupID = groupService
		root.AddCommand(own(cmd))
	}
	for _, cmd := range []*cobra.Command{own(newVersion(p)), newSchema(p), own(newMan(p))} {
		cmd.GroupID = groupOther
		root.AddCommand(cmd)
	}
	root.SetHelpCommandGroupID(groupOther)
	root.SetCompletionCommandGroupID(groupOther)
	addTopics(root)
	root.SetHelpFunc(func(cmd *cobra.Command, _ []string) { help(p, cmd) })
	return root
}

// refuseGlobals refuses the global flags of the client's commands where they say nothing.
func refuseGlobals(cmd *cobra.Command) error {
	if !isOwn(cmd) {
		return nil
	}
	for _, name := range []string{"profile", "workspace", "base-url", "json", "jq", "template", "yes"} {
		if f := cmd.Root().PersistentFlags().Lookup(name); f.Changed {
			return problem.Usage("--%s says nothing to %s: leave it out", name, cmd.CommandPath())
		}
	}
	return nil
}

// options are what the application needs of this process.
func options(logger *slog.Logger) app.Options {
	return app.Options{Clock: time.Now, Random: rand.Reader, Logger: logger, Version: readBuild().version}
}
