// Package problem is how a command tells what went wrong: what happened, which field it
// was, the request's id, and what to do. It decides the exit code, too.
package problem

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// The exit codes.
const (
	ExitOK          = 0
	ExitFailed      = 1   // it did not work
	ExitUsage       = 2   // the command line was wrong
	ExitDenied      = 4   // not signed in, or not allowed
	ExitInterrupted = 130 // Ctrl-C
)

// Problem is why a command failed, and the one error that has an exit code. It holds no
// secret.
type Problem struct {
	What      string   // what happened, a sentence without its full stop
	Status    int      // the answer's; 0 = none came, or none was asked for
	Code      string   // the service's name of the error; "" = not the service's
	Fields    []Field  // what is at fault
	RequestID string   // "" = there was no answer
	Do        []string // what to do, one thing each
	Exit      int
	Told      bool // on standard output, as the command's data
}

// Field is what is at fault: a field of the request or something else by its name, the
// flag or argument that gave it, and what would be right.
type Field struct {
	Name     string `json:"field"`
	Argument string `json:"argument,omitempty"` // "" = none
	Message  string `json:"message"`
}

// Usage is a command line that cannot be run.
func Usage(format string, args ...any) *Problem {
	return &Problem{What: fmt.Sprintf(format, args...), Exit: ExitUsage}
}

// Failed is something that did not work.
func Failed(format string, args ...any) *Problem {
	return &Problem{What: fmt.Sprintf(format, args...), Exit: ExitFailed}
}

// Interrupted is a command that the user stopped. It ended with err, which is told where
// something failed by itself at that moment.
func Interrupted(err error) *Problem {
	p := &Problem{What: "interrupted", Exit: ExitInterrupted}
	if !brokenOff(err) {
		p.What += ": " + err.Error()
	}
	return p
}

// brokenOff tells whether an error, or every one of several, is that the work was stopped.
func brokenOff(err error) bool {
	var several interface{ Unwrap() []error }
	if errors.As(err, &several) {
		return !slices.ContainsFunc(several.Unwrap(), func(e error) bool { return !brokenOff(e) })
	}
	return errors.Is(err, context.Canceled)
}

// Told is something that did not work, of which the command's data has said why.
func Told() *Problem { return &Problem{What: "told on standard output", Exit: ExitFailed, Told: true} }

// WithDo adds what to do.
func (p *Problem) WithDo(format string, args ...any) *Problem {
	p.Do = append(p.Do, fmt.Sprintf(format, args...))
	return p
}

// Error tells it all in one line.
func (p *Problem) Error() string {
	return strings.ReplaceAll(strings.TrimSpace(p.text()), "\n  ", "; ")
}

func (p *Problem) text() string {
	var b strings.Builder
	b.WriteString(p.What)
	if p.Status != 0 {
		b.WriteString(" (" + strings.TrimSpace(fmt.Sprintf("%d %s", p.Status, p.Code)) + ")")
	}
	for _, f := range p.Fields {
		name := f.Name
		if f.Argument != "" {
			name = f.Argument + " (" + f.Name + ")"
		}
		b.WriteString("\n  " + name + ": " + f.Message)
	}
	if p.RequestID != "" {
		b.WriteString("\n  request id: " + p.RequestID)
	}
	for _, do := range p.Do {
		b.WriteString("\n  what to do: " + do)
	}
	return b.String() + "\n"
}

// Text tells a person, in lines; command is the command's path.
func (p *Problem) Text(command string) string {
	text := command + ": " + p.text()
	if p.Exit == ExitUsage && p.Status == 0 && len(p.Do) == 0 {
		text += "See " + command + " --help.\n"
	}
	return text
}

// WriteJSON tells a program, in one line.
func (p *Problem) WriteJSON(w io.Writer, command string) error {
	type wire struct {
		Command   string   `json:"command"`
		Message   string   `json:"message"`
		Status    int      `json:"status,omitempty"`
		Code      string   `json:"code,omitempty"`
		Details   []Field  `json:"details,omitempty"`
		RequestID string   `json:"request_id,omitempty"`
		Do        []string `json:"what_to_do,omitempty"`
		ExitCode  int      `json:"exit_code"`
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(struct {
		Error wire `json:"error"`
	}{wire{command, p.What, p.Status, p.Code, p.Fields, p.RequestID, p.Do, p.Exit}})
}
