package console

import (
	"cmp"
	"context"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/keypin/keypin/client"
	"github.com/keypin/keypin/internal/cli/ask"
	"github.com/keypin/keypin/internal/cli/problem"
	"github.com/keypin/keypin/internal/cli/profile"
	"github.com/keypin/keypin/internal/cli/show"
)

// Process is what the commands run with.
type Process struct {
	Environ        []string
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Version        string
}

// The groups of the commands in the help.
const (
	GroupKeys    = "keys"
	GroupAccount = "account"
)

// globals are the flags of all commands.
type globals struct {
	profile, workspace, baseURL string
	json                        bool
	query, template             string
	noColor, quiet, yes         bool
}

// console makes the commands.
type console struct {
	process Process
	flags   globals
}

// AddCommands gives root the commands and their global flags.
func AddCommands(root *cobra.Command, p Process) {
	c := &console{process: p}
	f := root.PersistentFlags()
	f.StringVar(&c.flags.profile, "profile", "", "use the profile `NAME` (default KEYPIN_PROFILE, else the one in use)")
	f.StringVar(&c.flags.workspace, "workspace", "", "act in the workspace `ID` (default KEYPIN_WORKSPACE_ID, else the profile's)")
	f.StringVar(&c.flags.baseURL, "base-url", "", "call the service at `URL` (default KEYPIN_BASE_URL, else the profile's)")
	f.BoolVar(&c.flags.json, "json", false, "print JSON; errors too, to standard error")
	f.StringVar(&c.flags.query, "jq", "", "print what the jq `EXPRESSION` makes of the JSON")
	f.StringVar(&c.flags.template, "template", "", "print what the Go `TEMPLATE` makes of the JSON")
	f.BoolVar(&c.flags.noColor, "no-color", false, "print without colours, as with NO_COLOR=1")
	f.BoolVar(&c.flags.quiet, "quiet", false, "print data and errors only")
	f.BoolVar(&c.flags.yes, "yes", false, "answer yes to every question")
	c.completeGlobals(root)
	add := func(group string, commands ...*cobra.Command) {
		for _, cmd := range commands {
			cmd.GroupID = group
			root.AddCommand(cmd)
		}
	}
	add(GroupKeys, c.keys(), c.workspaces(), c.members(), c.invites())
	add(GroupAccount, c.login(), c.logout(), c.whoami(), c.profiles(), c.health(), c.open())
}

// session is one run of a command.
type session struct {
	*console
	cmd      *cobra.Command
	ctx      context.Context
	env      profile.Environment
	store    profile.Store
	out      show.Out
	format   show.Format
	ask      ask.Asker
	settings profile.Settings // once they are needed
	api      *client.Client
}

// run makes a cobra function of one that works in a session.
func (c *console) run(do func(*session, []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		s, err := c.begin(cmd)
		if err == nil {
			err = do(s, args)
		}
		return s.ended(err)
	}
}

func (c *console) begin(cmd *cobra.Command) (*session, error) {
	p, now := c.process, time.Now()
	env := profile.Environment(p.Environ)
	s := &session{
		console: c, cmd: cmd, ctx: cmd.Context(), env: env, store: profile.NewStore(env),
		out: show.NewOut(p.Stdout, p.Stderr, env.Get, c.flags.noColor, c.flags.quiet, now),
		ask: ask.New(p.Stdin, p.Stderr, env.Get),
	}
	var err error
	s.format, err = show.NewFormat(c.flags.json, c.flags.query, c.flags.template, now)
	if err != nil {
		return s, problem.Usage("%v", err)
	}
	for name, value := range map[string]string{"profile": c.flags.profile, "workspace": c.flags.workspace, "base-url": c.flags.baseURL} {
		if value == "" && cmd.Flags().Changed(name) {
			return s, problem.Usage("--%s is empty: give it a value, or leave it out", name)
		}
	}
	return s, nil
}

// ended makes a problem of what a command ended with.
func (s *session) ended(err error) error {
	var known *problem.Problem
	var file *profile.FileError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &known):
		return known
	case errors.Is(err, ask.ErrInterrupted), s.ctx.Err() != nil:
		return problem.Interrupted(err)
	case errors.As(err, &file):
		return problem.Failed("%v", err).WithDo("%s", file.Right)
	default:
		return problem.Failed("%v", err)
	}
}

// resolve finds where to call and as whom.
func (s *session) resolve(needed bool) error {
	flags := profile.Flags{Profile: s.flags.profile, BaseURL: s.flags.baseURL, Workspace: s.flags.workspace}
	var err error
	if s.settings, err = profile.Resolve(flags, s.env, s.store, needed); err != nil {
		return err
	}
	if s.settings.Note != "" {
		s.out.Note("note: %s", s.settings.Note)
	}
	// An address that is none is not shown: it may hold a password.
	if _, err := client.New(s.settings.BaseURL.Value()); err != nil {
		return problem.Usage("the address of %s is not one: %s", s.settings.BaseURL.Source, tail(err))
	}
	return nil
}

// client is the client of the service, signed in.
func (s *session) client() (*client.Client, error) {
	if s.api != nil {
		return s.api, nil
	}
	if err := s.resolve(true); err != nil {
		return nil, err
	}
	if err := s.checkProfile(); err != nil {
		return nil, err
	}
	if s.settings.Credential.Value() == "" {
		return nil, s.notSignedIn()
	}
	var err error
	s.api, err = s.connect(s.settings, s.settings.Credential.Secret())
	return s.api, err
}

// checkProfile refuses a profile that was named and is not there.
func (s *session) checkProfile() error {
	if !s.settings.Named || s.settings.Exists {
		return nil
	}
	p := problem.Usage("there is no profile %q", s.settings.Profile)
	if profile.CheckName(s.settings.Profile) != nil {
		p = problem.Usage("the profile that is named cannot exist: %v", profile.CheckName(s.settings.Profile))
	}
	return p.WithDo("keypin profile list shows those there are; keypin login --profile NAME makes one")
}

// connect makes a client; a zero credential is sent nowhere.
func (s *session) connect(settings profile.Settings, credential client.Secret) (*client.Client, error) {
	options := []client.Option{client.WithUserAgent("keypin-cli/" + s.process.Version)}
	if !credential.IsZero() {
		if _, err := client.New(profile.DefaultBaseURL, client.WithToken(credential.Reveal())); err != nil {
			return nil, problem.Usage("%s is not a credential: %s", cmp.Or(settings.Credential.Source, "what was given"), tail(err))
		}
		options = append(options, client.WithToken(credential.Reveal()))
	}
	if id := settings.Workspace.Value(); id != "" {
		if _, err := client.New(profile.DefaultBaseURL, client.WithWorkspace(id)); err != nil {
			return nil, problem.Usage("the workspace of %s is not an id: must be a UUID, as keypin workspaces list shows it", settings.Workspace.Source)
		}
		options = append(options, client.WithWorkspace(id))
	}
	return client.New(settings.BaseURL.Value(), options...)
}

// tail is the last part of an error's text, which is what is wrong.
func tail(err error) string {
	text := err.Error()
	if at := strings.LastIndex(text, ": "); at >= 0 {
		text = text[at+2:]
	}
	return strings.TrimPrefix(text, "the base URL ")
}

// call makes a call and tells that it waits if it does.
func call[T any](s *session, do func(context.Context, *client.Client) (T, error)) (T, error) {
	var none T
	api, err := s.client()
	if err != nil {
		return none, err
	}
	return callWith(s, api, do)
}

// callWith is call with a client that is there already.
func callWith[T any](s *session, api *client.Client, do func(context.Context, *client.Client) (T, error)) (T, error) {
	stop := s.out.Progress("waiting for " + s.settings.BaseURL.Value())
	defer stop()
	value, err := do(s.ctx, api)
	stop()
	s.out.Now = time.Now() // what is told of the answer is told from here
	if err != nil {
		var none T
		return none, s.fault(err)
	}
	return value, nil
}

// data writes what was asked for: JSON if that was, else as person does.
func (s *session) data(data any, person func() error) error {
	if s.format.Given() {
		return s.format.Write(s.out.Stdout, data)
	}
	return person()
}

// mayAsk refuses a question to which nobody can say yes. Whoever asks the service for what
// the question names comes here first, so that nothing is sent in vain.
func (s *session) mayAsk(question string) error {
	if s.flags.yes || s.ask.Possible() {
		return nil
	}
	return problem.Usage("%s There is no terminal to ask on", question).WithDo("add --yes if it is meant")
}

// confirm asks before something that cannot be undone.
func (s *session) confirm(question, description string) error {
	if err := s.mayAsk(question); err != nil || s.flags.yes {
		return err
	}
	yes, err := s.ask.Confirm(s.ctx, question, description)
	if err != nil {
		return err
	}
	if !yes {
		return problem.Failed("nothing was done")
	}
	return nil
}

// Group makes a command that holds others.
func Group(cmd *cobra.Command, commands ...*cobra.Command) *cobra.Command {
	cmd.Args = cobra.ArbitraryArgs
	cmd.SuggestionsMinimumDistance = 2
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return cmd.Help()
		}
		p := problem.Usage("there is no such command below it")
		if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
			p = p.WithDo("did you mean %s %s?", cmd.CommandPath(), near[0])
		}
		return p
	}
	cmd.AddCommand(commands...)
	return cmd
}

// takes checks the number of arguments without repeating them: one may be a secret.
func takes(least, most int, names string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			return problem.Usage("needs %s: %s %s", names, cmd.CommandPath(), names)
		case len(args) > most && most == 0:
			return problem.Usage("takes no arguments")
		case len(args) > most:
			return problem.Usage("takes no more than %s; put one that has spaces in quotes", names)
		}
		return nil
	}
}
