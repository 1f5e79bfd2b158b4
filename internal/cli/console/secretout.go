package console

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"

	"github.com/spf13/cobra"

	"github.com/keypin/keypin/client"
	"github.com/keypin/keypin/internal/cli/problem"
)

// secretOut is where a new secret goes. It is made ready before the secret exists, so
// that none is lost to a path that cannot be written.
type secretOut struct {
	env, path string
	force     bool
	file      *os.File // what is written; renamed to path if that exists
}

func addSecretOut(cmd *cobra.Command, withEnv bool) *secretOut {
	o := &secretOut{}
	f := cmd.Flags()
	if withEnv {
		f.StringVar(&o.env, "env", "", "print export `NAME`=… for a shell")
	}
	f.StringVar(&o.path, "output-file", "", "write the secret to `FILE`, which only you can read (0600), instead of printing it")
	f.BoolVar(&o.force, "force", false, "let --output-file replace a file")
	return o
}

var variableRule = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// check finds what is wrong with the flags.
func (o *secretOut) check(s *session) error {
	changed := s.cmd.Flags().Changed
	switch {
	case changed("env") && !variableRule.MatchString(o.env):
		return problem.Usage("--env must be the name of a variable: letters, digits and underscores, not beginning with a digit")
	case changed("output-file") && o.path == "":
		return problem.Usage("--output-file is empty: name a file")
	case o.force && o.path == "":
		return problem.Usage("--force says nothing without --output-file")
	case o.env != "" && s.format.Given() && o.path == "":
		return problem.Usage("--env and --json, --jq or --template cannot be given together")
	}
	return nil
}

// open makes the file ready. The caller discards it if nothing comes of it.
func (o *secretOut) open() (err error) {
	if o.path == "" {
		return nil
	}
	if o.force {
		o.file, err = os.CreateTemp(filepath.Dir(o.path), ".keypin-*") // mode 0600
	} else {
		o.file, err = os.OpenFile(o.path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	}
	switch {
	case errors.Is(err, fs.ErrExist):
		return problem.Usage("--output-file: %s is there already", o.path).WithDo("name another file, or replace it with --force")
	case err != nil:
		var at *fs.PathError
		if errors.As(err, &at) {
			err = at.Err
		}
		return problem.Usage("--output-file: %s cannot be written: %v", o.path, err)
	}
	return nil
}

// discard removes what open made.
func (o *secretOut) discard() {
	if o.file != nil {
		_ = o.file.Close()           // it holds nothing
		_ = os.Remove(o.file.Name()) // likewise
	}
}

// text is the secret as it is written to a file or another program.
func (o *secretOut) text(secret client.Secret) string {
	if o.env != "" {
		return "export " + o.env + "=" + secret.Reveal() + "\n"
	}
	return secret.Reveal() + "\n"
}

// save writes the file.
func (o *secretOut) save(secret client.Secret) error {
	_, err := o.file.WriteString(o.text(secret))
	err = errors.Join(err, o.file.Sync(), o.file.Close())
	if err == nil && o.force {
		err = os.Rename(o.file.Name(), o.path)
	}
	return err
}

// hand gives a new secret to who asked for it. whole is the data with the secret in it,
// for JSON, without is the data without.
func (s *session) hand(o *secretOut, secret client.Secret, title string, whole, without any, person func() error) error {
	if o.path != "" {
		if err := o.save(secret); err != nil {
			return err
		}
		return s.data(without, func() error {
			s.out.Note("%s It is in %s, which only you can read.", title, o.path)
			return person()
		})
	}
	if s.format.Given() {
		return s.format.Write(s.out.Stdout, whole)
	}
	if o.env != "" || !s.out.Terminal {
		s.out.Note("%s It is printed once and cannot be had again.", title)
		_, err := fmt.Fprint(s.out.Stdout, o.text(secret))
		return err
	}
	if err := s.out.Secret(title, "Copy it now: it is shown once and cannot be had again.", secret); err != nil {
		return err
	}
	return person()
}

// lost tells how to get rid of a secret that was made and then could not be handed over.
func lost(err error, what, remedy string) error {
	return problem.Failed("%s was made, but its secret could not be handed over: %v", what, err).WithDo("%s", remedy)
}
