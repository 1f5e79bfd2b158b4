package cli

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/keypin/keypin/internal/cli/manual"
	"github.com/keypin/keypin/internal/cli/problem"
	"github.com/keypin/keypin/internal/cli/profile"
	"github.com/keypin/keypin/internal/cli/show"
)

// own marks a command of the service's side, to which the client's flags say nothing.
func own(cmd *cobra.Command) *cobra.Command {
	if cmd.Annotations == nil {
		cmd.Annotations = map[string]string{}
	}
	cmd.Annotations[manual.Own] = ""
	return cmd
}

func isOwn(cmd *cobra.Command) bool { return manual.Globals(cmd) == nil }

func help(p Process, cmd *cobra.Command) {
	noColor, _ := cmd.Root().PersistentFlags().GetBool("no-color") // defined
	out := show.NewOut(p.Stdout, p.Stderr, profile.Environment(p.Environ).Get, noColor, false, time.Now())
	page := manual.Page{Color: out.Color}
	if out.Terminal {
		page.Width = out.Width
	}
	_ = page.Help(p.Stdout, cmd) // as cobra does; the exit code is decided by then
}

// environment are the variables of the client's commands.
func environment() []manual.Variable {
	return []manual.Variable{
		{Name: profile.EnvAPIKey, Description: "the API key to call with, before that of a profile"},
		{Name: profile.EnvToken, Description: "the session token to call with, if KEYPIN_API_KEY is not set"},
		{Name: profile.EnvBaseURL, Description: "the address of the service"},
		{Name: profile.EnvWorkspace, Description: "the id of the workspace to act in"},
		{Name: profile.EnvProfile, Description: "the profile to use"},
		{Name: "ONEPIN_API_KEY, ONEPIN_BASE_URL, ONEPIN_WORKSPACE_ID", Description: "OnePin's own, if nothing else says where and as whom"},
		{Name: "XDG_CONFIG_HOME", Description: "the folder in which keypin/credentials.toml is kept (default ~/.config)"},
		{Name: "NO_COLOR", Description: "not empty: no colours"},
		{Name: "ACCESSIBLE", Description: "not empty: questions are plain lines, for screen readers"},
		{Name: "BROWSER", Description: "the command that opens an address"},
	}
}

func exitCodes() []manual.ExitCode {
	return []manual.ExitCode{
		{Code: problem.ExitOK, Meaning: "it worked"},
		{Code: problem.ExitFailed, Meaning: "it did not work"},
		{Code: problem.ExitUsage, Meaning: "the command line was wrong, or the service refused a value of it"},
		{Code: problem.ExitDenied, Meaning: "not signed in, or not allowed"},
		{Code: problem.ExitInterrupted, Meaning: "interrupted by Ctrl-C"},
	}
}

func about() manual.About {
	b := readBuild()
	return manual.About{Version: b.version, Date: b.date, Environment: environment(), ExitCodes: exitCodes()}
}

func newSchema(p Process) *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print a JSON manifest of every command",
		Long: `Schema describes every command to a program: its arguments, its flags with their types,
values and defaults, what it reads and what it ends with.`,
		Example: `  keypin schema
  keypin schema --jq '.commands[] | select(.destructive) | .path'`,
		Args: cobra.NoArgs,
		RunE: run(func(cmd *cobra.Command) error {
			flags := cmd.Root().PersistentFlags()
			query, _ := flags.GetString("jq")          // defined
			template, _ := flags.GetString("template") // likewise
			format, err := show.NewFormat(true, query, template, time.Now())
			if err != nil {
				return problem.Usage("%v", err)
			}
			return format.Write(p.Stdout, manual.NewManifest(cmd.Root(), about()))
		}),
	}
}

func newMan(p Process) *cobra.Command {
	return &cobra.Command{
		Use:     "man FOLDER",
		Short:   "Write manual pages into a folder",
		Long:    "Man writes a manual page for every command into a folder, which it makes if it is\nmissing. Pages of the same names are replaced.",
		Example: "  keypin man ~/.local/share/man/man1 && man keypin-keys-create",
		Args:    cobra.ExactArgs(1),
		RunE: run(func(cmd *cobra.Command) error {
			folder := cmd.Flags().Arg(0)
			pages, err := manual.WriteMan(folder, cmd.Root(), about())
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(p.Stdout, "%d pages in %s\n", pages, folder)
			return err
		}),
	}
}

// addTopics adds pages of help that are no commands.
func addTopics(root *cobra.Command) {
	variables := "What the commands that call a service read from the environment. A flag is stronger, a\nprofile is weaker.\n\n"
	for _, v := range environment() {
		variables += fmt.Sprintf("  %s\n      %s\n", v.Name, v.Description)
	}
	codes := "What a command ends with.\n\n"
	for _, e := range exitCodes() {
		codes += fmt.Sprintf("  %3d  %s\n", e.Code, e.Meaning)
	}
	root.AddCommand(
		&cobra.Command{Use: "environment", Short: "What is read from the environment", Long: variables},
		&cobra.Command{Use: "exit-codes", Short: "What a command ends with", Long: codes},
		&cobra.Command{Use: "formatting", Short: "How output is made for programs: --json, --jq, --template", Long: formatting},
	)
}

const formatting = `On a terminal, output is for a person: tables fit its width, times are relative. Where
standard output is no terminal, tables are tab-separated, whole and without titles, and
times are exact. Errors, questions and notes go to standard error.

--json prints JSON, and errors as JSON to standard error. --jq prints what a jq
expression makes of it; texts are printed without quotes. --template prints what a Go
template makes of it, with these functions beside Go's own:

  json VALUE         the value as JSON
  join SEP LIST      the items of a list with SEP between them
  pluck FIELD LIST   a field of every item
  timeago TIME       5 min ago, in 3 days; never for null

Examples:

  keypin keys list --jq '.[] | select(.last_used_at == null) | .id'
  keypin keys list --template '{{range .}}{{.name}}: {{join ", " .scopes}}{{"\n"}}{{end}}'`
