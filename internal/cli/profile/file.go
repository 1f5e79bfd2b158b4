package profile

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/gofrs/flock"
	"github.com/pelletier/go-toml/v2"

	"github.com/keypin/keypin/client"
)

// DefaultName is the profile that is used when none is named.
const DefaultName = "default"

// maxFile bounds what is read of a file; one profile takes about a kilobyte.
const maxFile = 1 << 20

// Profile is a service and who one is there.
type Profile struct {
	BaseURL     string
	WorkspaceID string        // "" = the caller's own
	Credential  client.Secret // zero = signed out
}

// File is the content of credentials.toml.
type File struct {
	Current  string // the profile in use; "" = DefaultName
	Profiles map[string]Profile
}

// InUse is the name of the profile in use.
func (f *File) InUse() string { return cmp.Or(f.Current, DefaultName) }

var nameRule = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9._-]{0,63}$`)

// CheckName reports what is wrong with a profile's name.
func CheckName(name string) error {
	if !nameRule.MatchString(name) {
		return errors.New("a profile's name is 1 to 64 letters, digits, dots, hyphens and underscores, and begins with a letter or digit")
	}
	return nil
}

// FileError is a file that is not read, or cannot be written, and what to do about it.
type FileError struct {
	Path, Wrong, Right string
	Cause              error
}

func (e *FileError) Error() string { return e.Path + " " + e.Wrong }

func (e *FileError) Unwrap() error { return e.Cause }

// Store is where the profiles are kept.
type Store struct{ path string }

// NewStore is the store of the user whose environment this is: credentials.toml in
// $XDG_CONFIG_HOME/keypin, else in ~/.config/keypin. A relative $XDG_CONFIG_HOME counts
// as none, as the XDG rules say.
func NewStore(env Environment) Store {
	base := env.Get("XDG_CONFIG_HOME")
	if !filepath.IsAbs(base) {
		home := env.home()
		if home == "" {
			return Store{}
		}
		base = filepath.Join(home, ".config")
	}
	return Store{filepath.Join(base, "keypin", "credentials.toml")}
}

// Path is the file's; "" when there is no home to keep it in.
func (s Store) Path() string { return s.path }

// wire is the file as it is written.
type wire struct {
	Current  string                 `toml:"current,omitempty"`
	Profiles map[string]wireProfile `toml:"profiles,omitempty"`
}

type wireProfile struct {
	BaseURL     string `toml:"base_url"`
	WorkspaceID string `toml:"workspace_id,omitempty"`
	Credential  string `toml:"credential,omitempty"`
}

// Load reads the profiles; none if there is no file.
func (s Store) Load() (*File, error) {
	f := &File{Profiles: map[string]Profile{}}
	if s.path == "" {
		return f, nil
	}
	var w wire
	found, err := readTOML(s.path, true, &w)
	if err != nil || !found {
		return f, err
	}
	f.Current = w.Current
	for name, p := range w.Profiles {
		if CheckName(name) != nil {
			return nil, &FileError{Path: s.path, Wrong: "has a profile whose name is not one", Right: remedy(s.path)}
		}
		f.Profiles[name] = Profile{BaseURL: p.BaseURL, WorkspaceID: p.WorkspaceID, Credential: client.NewSecret(p.Credential)}
	}
	return f, nil
}

func remedy(path string) string {
	return "correct it, or remove it (rm " + path + ") and sign in again"
}

// readTOML reads a file that only its owner may read. strict refuses unknown fields.
func readTOML(path string, strict bool, into any) (found bool, err error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, unreadable(path, err)
	case !info.Mode().IsRegular():
		return false, &FileError{Path: path, Wrong: "is not a file", Right: "remove it and sign in again"}
	case info.Mode().Perm()&0o077 != 0:
		return false, &FileError{Path: path, Wrong: fmt.Sprintf("may be read or changed by others (mode %04o)", info.Mode().Perm()),
			Right: "chmod 600 " + path + "; if others use this machine, replace the credentials in it"}
	case info.Size() > maxFile:
		return false, &FileError{Path: path, Wrong: "is larger than 1 MiB", Right: remedy(path)}
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return false, unreadable(path, err)
	}
	d := toml.NewDecoder(bytes.NewReader(content))
	if strict {
		d.DisallowUnknownFields()
	}
	if err := d.Decode(into); err != nil {
		return false, &FileError{Path: path, Wrong: "is malformed" + where(err), Right: remedy(path)}
	}
	return true, nil
}

// where is the place of a TOML error. Its text is left out: it quotes the file.
func where(err error) string {
	var at *toml.DecodeError
	var unknown *toml.StrictMissingError
	switch {
	case errors.As(err, &unknown) && len(unknown.Errors) > 0:
		line, _ := unknown.Errors[0].Position()
		return fmt.Sprintf(": line %d sets something unknown", line)
	case errors.As(err, &at):
		line, column := at.Position()
		return fmt.Sprintf(": line %d, column %d", line, column)
	default:
		return ""
	}
}

func unreadable(path string, err error) *FileError {
	return &FileError{Path: path, Wrong: "cannot be read: " + reason(err), Right: "make it readable for this user", Cause: err}
}

// reason is a file error without the path, which is named already.
func reason(err error) string {
	var at *fs.PathError
	if errors.As(err, &at) {
		return at.Err.Error()
	}
	return err.Error()
}

// Update changes the profiles: it reads them, lets change work on them and replaces the
// file. Two commands at once take turns.
func (s Store) Update(change func(*File) error) error {
	if s.path == "" {
		return &FileError{Path: "credentials.toml", Wrong: "has no place: neither HOME nor XDG_CONFIG_HOME is set", Right: "set one of them"}
	}
	dir := filepath.Dir(s.path)
	if err := makeDir(dir); err != nil {
		return err
	}
	lock := flock.New(filepath.Join(dir, "credentials.lock"), flock.SetPermissions(0o600))
	if err := lock.Lock(); err != nil {
		return unwritable(s.path, err)
	}
	defer func() { _ = lock.Unlock() }() // the process's end unlocks, too
	f, err := s.Load()
	if err != nil {
		return err
	}
	if err := change(f); err != nil {
		return err
	}
	return s.write(f)
}

func makeDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return unwritable(dir, err)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return unwritable(dir, err)
	}
	if mode := info.Mode().Perm(); mode&0o022 != 0 {
		return &FileError{Path: dir, Wrong: fmt.Sprintf("may be changed by others (mode %04o)", mode), Right: "chmod 700 " + dir}
	}
	return nil
}

// write replaces the file. Who reads meanwhile sees the old one or the new one; a link
// stays a link.
func (s Store) write(f *File) error {
	w := wire{Current: f.Current, Profiles: map[string]wireProfile{}}
	for name, p := range f.Profiles {
		w.Profiles[name] = wireProfile{BaseURL: p.BaseURL, WorkspaceID: p.WorkspaceID, Credential: p.Credential.Reveal()}
	}
	var b strings.Builder
	b.WriteString("# Written by keypin. It holds credentials: keep it to yourself.\n")
	if err := toml.NewEncoder(&b).Encode(w); err != nil {
		return unwritable(s.path, err)
	}
	path := s.path
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	if err := replace(path, b.String()); err != nil {
		return unwritable(path, err)
	}
	return nil
}

func replace(path, content string) (err error) {
	temporary, err := os.CreateTemp(filepath.Dir(path), ".credentials-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(temporary.Name()))
		}
	}()
	_, err = temporary.WriteString(content)
	err = errors.Join(err, temporary.Sync(), temporary.Close())
	if err != nil {
		return err
	}
	return os.Rename(temporary.Name(), path)
}

func unwritable(path string, err error) *FileError {
	return &FileError{Path: path, Wrong: "cannot be written: " + reason(err), Right: "make it writable for this user, or set XDG_CONFIG_HOME", Cause: err}
}
