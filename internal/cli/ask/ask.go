// Package ask puts questions to a person at a terminal. Questions are written to standard
// error, so that they can be asked while standard output goes to a file or a program.
package ask

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"charm.land/huh/v2"
	"github.com/charmbracelet/x/term"

	"github.com/keypin/keypin/client"
)

// ErrInterrupted is the answer Ctrl-C.
var ErrInterrupted = fmt.Errorf("interrupted: %w", context.Canceled)

// maxSecret bounds what is read for a secret; session tokens take a few kilobytes.
const maxSecret = 64 << 10

// Asker asks. The zero one cannot.
type Asker struct {
	in, out *os.File
	plain   bool
}

// New makes an asker of the standard streams, which can ask if both are a terminal. With
// ACCESSIBLE or on a dumb terminal the questions are plain lines, for screen readers too.
func New(stdin io.Reader, stderr io.Writer, getenv func(string) string) Asker {
	in, ok1 := stdin.(*os.File)
	out, ok2 := stderr.(*os.File)
	if !ok1 || !ok2 || !term.IsTerminal(in.Fd()) || !term.IsTerminal(out.Fd()) {
		return Asker{}
	}
	return Asker{in: in, out: out, plain: getenv("ACCESSIBLE") != "" || getenv("TERM") == "dumb"}
}

// Possible tells whether there is somebody to ask.
func (a Asker) Possible() bool { return a.in != nil }

// Secret asks for a secret and shows nothing of it.
func (a Asker) Secret(ctx context.Context, title, description string) (client.Secret, error) {
	var value string
	field := huh.NewInput().Title(title).Description(description).Prompt("> ").
		EchoMode(huh.EchoModeNone).Validate(notEmpty).Value(&value)
	if err := a.run(ctx, field, hidden); err != nil {
		return client.Secret{}, err
	}
	return client.NewSecret(strings.TrimSpace(value)), nil
}

// Text asks for a line; initial is what it is unless it is changed.
func (a Asker) Text(ctx context.Context, title, initial string, valid func(string) error) (string, error) {
	value := initial
	field := huh.NewInput().Title(title).Prompt("> ").Validate(valid).Value(&value)
	if err := a.run(ctx, field, shown); err != nil {
		return "", err
	}
	return strings.TrimSpace(value), nil
}

// Confirm asks whether to go on; No is the answer unless it is changed.
func (a Asker) Confirm(ctx context.Context, question, description string) (bool, error) {
	var yes bool
	field := huh.NewConfirm().Title(question).Description(description).Affirmative("Yes").Negative("No").Value(&yes)
	if err := a.run(ctx, field, shown); err != nil {
		return false, err
	}
	return yes, nil
}

// Option is one of several things to choose from.
type Option struct{ Label, Value string }

// Choose asks for one of the options; chosen is the one that is marked at first.
func (a Asker) Choose(ctx context.Context, title string, options []Option, chosen string) (string, error) {
	value := chosen
	var all []huh.Option[string]
	for _, o := range options {
		all = append(all, huh.NewOption(o.Label, o.Value))
	}
	field := huh.NewSelect[string]().Title(title).Options(all...).Height(min(len(all), 12) + 1).Value(&value)
	if err := a.run(ctx, field, shown); err != nil {
		return "", err
	}
	return value, nil
}

func notEmpty(s string) error {
	if strings.TrimSpace(s) == "" {
		return errors.New("paste it, then press Enter; Ctrl-C stops")
	}
	return nil
}

// What is typed at a question.
const (
	shown  = false
	hidden = true
)

// run asks one question. A signal ends it, also where the terminal itself waits for a
// line, and the terminal is left as it was.
func (a Asker) run(ctx context.Context, field huh.Field, secret bool) error {
	before, err := term.GetState(a.in.Fd())
	if err != nil {
		return err
	}
	if secret && a.plain { // huh does so only when the question is there, and somebody may be quicker
		if err := echoOff(a.in.Fd()); err != nil {
			return err
		}
	}
	form := huh.NewForm(huh.NewGroup(field)).WithInput(a.in).WithOutput(a.out).
		WithTheme(huh.ThemeFunc(huh.ThemeBase16)).WithShowHelp(false).WithAccessible(a.plain)
	done := make(chan error, 1)
	go func() { done <- form.RunWithContext(ctx) }()
	select {
	case err = <-done:
	case <-ctx.Done():
		if !a.plain {
			err = <-done // it sees the context itself, and cleans up
		}
	}
	err = errors.Join(err, ctx.Err())
	if restored := term.Restore(a.in.Fd(), before); err == nil {
		err = restored
	}
	if errors.Is(err, huh.ErrUserAborted) || ctx.Err() != nil {
		return ErrInterrupted
	}
	return err
}

// ReadSecret reads a secret from a stream to its end. White space around it is dropped,
// such as the end of its line.
func ReadSecret(ctx context.Context, r io.Reader) (client.Secret, error) {
	type result struct {
		text []byte
		err  error
	}
	done := make(chan result, 1)
	go func() {
		text, err := io.ReadAll(io.LimitReader(r, maxSecret+1))
		done <- result{text, err}
	}()
	select {
	case <-ctx.Done():
		return client.Secret{}, ErrInterrupted
	case got := <-done:
		text := strings.TrimSpace(string(got.text))
		switch {
		case got.err != nil:
			return client.Secret{}, got.err
		case len(got.text) > maxSecret:
			return client.Secret{}, errors.New("is longer than any key or token")
		case text == "":
			return client.Secret{}, errors.New("is empty")
		}
		return client.NewSecret(text), nil
	}
}
