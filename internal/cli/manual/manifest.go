package manual

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Annotations that the manifest tells of.
const (
	Destructive = "destructive" // it asks, and without a terminal needs --yes
	Stdin       = "stdin"       // what it reads from standard input
)

// Needed marks a flag that its command checks to be given. cobra's own mark would have the
// flag completed before the arguments.
const Needed = "needed"

// Manifest describes all commands to a program.
type Manifest struct {
	Name        string     `json:"name"`
	Version     string     `json:"version"`
	GlobalFlags []Flag     `json:"global_flags"`
	Environment []Variable `json:"environment"`
	ExitCodes   []ExitCode `json:"exit_codes"`
	Commands    []Command  `json:"commands"`
}

// Command is one command.
type Command struct {
	Path        string     `json:"path"` // such as keypin keys create
	Summary     string     `json:"summary"`
	Description string     `json:"description"`
	Usage       string     `json:"usage"`
	Args        []Arg      `json:"args"`
	Flags       []Flag     `json:"flags"`
	Globals     bool       `json:"takes_global_flags"`
	Destructive bool       `json:"destructive"`
	Stdin       string     `json:"stdin,omitempty"`
	Examples    []string   `json:"examples"`
	ExitCodes   []ExitCode `json:"exit_codes"`
}

// Arg is an argument.
type Arg struct {
	Name     string   `json:"name"`
	Type     string   `json:"type"`
	Required bool     `json:"required"`
	Choices  []string `json:"choices,omitempty"`
}

// Flag is a flag.
type Flag struct {
	Name        string   `json:"name"` // with its hyphens
	Shorthand   string   `json:"shorthand,omitempty"`
	Type        string   `json:"type"`
	Value       string   `json:"value_name,omitempty"`
	Description string   `json:"description"`
	Default     *string  `json:"default"` // null = none
	Required    bool     `json:"required"`
	Repeatable  bool     `json:"repeatable"`
	Choices     []string `json:"choices,omitempty"`
}

// Variable is an environment variable.
type Variable struct {
	Name        string `json:"name"`
	Description string `json:"description"`
}

// ExitCode is what a command may end with.
type ExitCode struct {
	Code    int    `json:"code"`
	Meaning string `json:"meaning"`
}

// About is what the commands themselves do not say.
type About struct {
	Version     string
	Date        time.Time // of the version
	Environment []Variable
	ExitCodes   []ExitCode
}

// NewManifest describes root and all below it.
func NewManifest(root *cobra.Command, about About) Manifest {
	m := Manifest{Name: root.Name(), Version: about.Version, GlobalFlags: flags(root.PersistentFlags()), Environment: about.Environment,
		ExitCodes: about.ExitCodes, Commands: []Command{}}
	for _, c := range Leaves(root) {
		m.Commands = append(m.Commands, describe(c, about.ExitCodes))
	}
	return m
}

// Leaves are the commands that do something, in the order of their paths.
func Leaves(root *cobra.Command) []*cobra.Command {
	var all []*cobra.Command
	for _, c := range root.Commands() {
		switch {
		case !c.IsAvailableCommand():
		case c.HasAvailableSubCommands():
			all = append(all, Leaves(c)...)
		default:
			all = append(all, c)
		}
	}
	return all
}

func describe(c *cobra.Command, codes []ExitCode) Command {
	_, isDestructive := c.Annotations[Destructive]
	d := Command{
		Path: c.CommandPath(), Summary: c.Short, Description: strings.Join(strings.Fields(cmp.Or(c.Long, c.Short)), " "),
		Usage: c.UseLine(), Args: arguments(c), Flags: flags(c.LocalNonPersistentFlags()), Globals: Globals(c) != nil,
		Destructive: isDestructive, Stdin: c.Annotations[Stdin], Examples: []string{}, ExitCodes: codes,
	}
	for _, line := range strings.Split(c.Example, "\n") {
		if line = strings.TrimSpace(line); line != "" {
			d.Examples = append(d.Examples, line)
		}
	}
	return d
}

// arguments reads the usage line: KEY is needed, [KEY] is not, a|b is a choice, and - is
// standard input.
func arguments(c *cobra.Command) []Arg {
	out := []Arg{}
	for _, word := range strings.Fields(c.Use)[1:] {
		name, optional := strings.CutPrefix(word, "[")
		name = strings.TrimSuffix(name, "]")
		if name == "flags" {
			continue
		}
		a := Arg{Name: name, Type: "string", Required: !optional}
		if strings.Contains(name, "|") || name == "-" {
			a.Type, a.Choices = "choice", strings.Split(name, "|")
		}
		out = append(out, a)
	}
	return out
}

func flags(set *pflag.FlagSet) []Flag {
	out := []Flag{}
	set.VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" {
			return
		}
		value, usage := pflag.UnquoteUsage(f)
		_, required := f.Annotations[cobra.BashCompOneRequiredFlag]
		_, needed := f.Annotations[Needed]
		d := Flag{Name: "--" + f.Name, Shorthand: f.Shorthand, Type: f.Value.Type(), Value: value, Description: strings.Join(strings.Fields(usage), " "),
			Required: required || needed, Repeatable: slices.Contains([]string{"stringArray", "stringSlice"}, f.Value.Type())}
		if d.Repeatable {
			d.Type = "string"
		}
		if d.Type == "bool" {
			d.Value = ""
		}
		if c, ok := f.Value.(interface{ Choices() []string }); ok {
			d.Choices = c.Choices()
		}
		if f.DefValue != "" && f.DefValue != "[]" {
			d.Default = &f.DefValue
		}
		out = append(out, d)
	})
	return out
}
