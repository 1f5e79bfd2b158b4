package profile_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keypin/keypin/client"
	"github.com/keypin/keypin/internal/cli/profile"
)

const secret = "op_live_0000000000000000000000000009BlC0"

// newStore is a store in a home of its own.
func newStore(t *testing.T) (store profile.Store, home string) {
	t.Helper()
	home = t.TempDir()
	return profile.NewStore(profile.Environment{"HOME=" + home}), home
}

func save(t *testing.T, store profile.Store, name string, p profile.Profile) {
	t.Helper()
	err := store.Update(func(f *profile.File) error {
		f.Profiles[name] = p
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestAProfileIsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	store, _ := newStore(t)
	want := profile.Profile{BaseURL: "https://keys.example.com", WorkspaceID: "w", Credential: client.NewSecret("a \"quoted\"\\ 'secret'")}
	save(t, store, "work", want)
	err := store.Update(func(f *profile.File) error {
		f.Current = "work"
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	f, err := store.Load()
	if err != nil {
		t.Fatal(err)
	}
	got := f.Profiles["work"]
	if f.InUse() != "work" || got.BaseURL != want.BaseURL || got.WorkspaceID != want.WorkspaceID || got.Credential.Reveal() != want.Credential.Reveal() {
		t.Errorf("got %+v in use %s", got, f.InUse())
	}
}

func TestTheFileIsWhereTheXDGRulesSay(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		env  profile.Environment
		want string
	}{
		{"in the home", profile.Environment{"HOME=/home/ann"}, "/home/ann/.config/keypin/credentials.toml"},
		{"in XDG_CONFIG_HOME", profile.Environment{"HOME=/home/ann", "XDG_CONFIG_HOME=/etc/ann"}, "/etc/ann/keypin/credentials.toml"},
		{"a relative one counts as none", profile.Environment{"HOME=/home/ann", "XDG_CONFIG_HOME=ann"}, "/home/ann/.config/keypin/credentials.toml"},
		{"an empty one counts as none", profile.Environment{"HOME=/home/ann", "XDG_CONFIG_HOME="}, "/home/ann/.config/keypin/credentials.toml"},
		{"nowhere without a home", nil, ""},
	} {
		if got := profile.NewStore(tt.env).Path(); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

func TestWithoutAHomeNothingIsReadAndNothingCanBeKept(t *testing.T) {
	t.Parallel()
	store := profile.NewStore(nil)
	f, err := store.Load()
	if err != nil || len(f.Profiles) != 0 {
		t.Errorf("got %v, %v", f, err)
	}
	if err := store.Update(func(*profile.File) error { return nil }); err == nil || !strings.Contains(err.Error(), "neither HOME nor XDG_CONFIG_HOME") {
		t.Errorf("got %v", err)
	}
}

func TestOnlyTheOwnerMayReadTheFile(t *testing.T) {
	t.Parallel()
	store, home := newStore(t)
	save(t, store, "default", profile.Profile{Credential: client.NewSecret(secret)})
	for path, want := range map[string]os.FileMode{store.Path(): 0o600, filepath.Join(home, ".config", "keypin"): 0o700} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s has the mode %o, want %o", path, got, want)
		}
	}
	for _, mode := range []os.FileMode{0o640, 0o604, 0o620, 0o602, 0o644, 0o777} {
		if err := os.Chmod(store.Path(), mode); err != nil {
			t.Fatal(err)
		}
		_, err := store.Load()
		refused(t, err, fmt.Sprintf("mode %04o", mode), "chmod 600 "+store.Path())
		if err := store.Update(func(*profile.File) error { return nil }); err == nil {
			t.Errorf("a file of mode %o was replaced", mode)
		}
	}
}

// refused checks an error's text and remedy, and that the secret is in neither.
func refused(t *testing.T, err error, wrong, right string) {
	t.Helper()
	var e *profile.FileError
	if !errors.As(err, &e) {
		t.Fatalf("got %v, want a FileError", err)
	}
	if !strings.Contains(e.Error(), wrong) || !strings.Contains(e.Right, right) {
		t.Errorf("got %q and %q, want %q and %q", e, e.Right, wrong, right)
	}
	if strings.Contains(fmt.Sprintf("%v %+v %#v", e, e, e), secret) {
		t.Error("the error tells the secret")
	}
}

func TestAFileThatIsMalformedIsRefusedByItsPlace(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, content, wrong string }{
		{"not TOML", "[profiles.default]\ncredential = " + secret, "is malformed: line 2, column "},
		{"a secret for a name", secret + "\n", "is malformed: line 1, column "},
		{"something unknown", "[profiles.default]\nbase_url = \"x\"\n" + secret + " = 1\n", "is malformed: line 3 sets something unknown"},
		{"another type", "[profiles.default]\nbase_url = 3 # " + secret, "is malformed: line 2, column "},
		{"a name that is none", "[profiles.\"" + secret + " x\"]\nbase_url = \"x\"\n", "has a profile whose name is not one"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			store, _ := newStore(t)
			save(t, store, "default", profile.Profile{})
			if err := os.WriteFile(store.Path(), []byte(tt.content), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := store.Load()
			refused(t, err, tt.wrong, "rm "+store.Path())
			if err := store.Update(func(*profile.File) error { return nil }); err == nil {
				t.Error("the file was replaced")
			}
			if content, err := os.ReadFile(store.Path()); err != nil || string(content) != tt.content {
				t.Errorf("the file is another now: %v", err)
			}
		})
	}
}

func TestWhatIsNoFileOrTooLargeIsRefused(t *testing.T) {
	t.Parallel()
	store, _ := newStore(t)
	if err := os.MkdirAll(store.Path(), 0o700); err != nil {
		t.Fatal(err)
	}
	_, err := store.Load()
	refused(t, err, "is not a file", "remove it")
	if err := os.Remove(store.Path()); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(store.Path(), make([]byte, 1<<20+1), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = store.Load()
	refused(t, err, "is larger than 1 MiB", "rm ")
}

func TestAFolderThatOthersMayChangeIsRefused(t *testing.T) {
	t.Parallel()
	store, _ := newStore(t)
	dir := filepath.Dir(store.Path())
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	refused(t, store.Update(func(*profile.File) error { return nil }), "may be changed by others (mode 0777)", "chmod 700 "+dir)
}

func TestAFailedChangeLeavesTheFileAndNothingBesideIt(t *testing.T) {
	t.Parallel()
	store, _ := newStore(t)
	save(t, store, "default", profile.Profile{BaseURL: "https://a.example.com"})
	before, err := os.ReadFile(store.Path())
	if err != nil {
		t.Fatal(err)
	}
	no := errors.New("no")
	if err := store.Update(func(f *profile.File) error { clear(f.Profiles); return no }); !errors.Is(err, no) {
		t.Errorf("got %v", err)
	}
	after, err := os.ReadFile(store.Path())
	if err != nil || string(after) != string(before) {
		t.Errorf("the file changed: %v", err)
	}
	entries, err := os.ReadDir(filepath.Dir(store.Path()))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if diff := cmp.Diff([]string{"credentials.lock", "credentials.toml"}, names); diff != "" {
		t.Error(diff)
	}
}

func TestAReaderSeesTheOldFileOrTheNewOneAndNoUpdateIsLost(t *testing.T) {
	t.Parallel()
	store, _ := newStore(t)
	save(t, store, "default", profile.Profile{BaseURL: strings.Repeat("x", 10000)})
	const writers, each = 4, 10
	stop := make(chan struct{})
	var reading, writing sync.WaitGroup
	reading.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			if f, err := store.Load(); err != nil || len(f.Profiles["default"].BaseURL) != 10000 {
				t.Errorf("half a file: %v", err)
				return
			}
		}
	})
	for w := range writers {
		writing.Go(func() {
			for i := range each {
				err := store.Update(func(f *profile.File) error {
					f.Profiles[fmt.Sprintf("p%d-%d", w, i)] = profile.Profile{BaseURL: "https://example.com"}
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	writing.Wait()
	close(stop)
	reading.Wait()
	f, err := store.Load()
	if err != nil {
		t.Fatal(err)
	}
	if got, want := len(f.Profiles), writers*each+1; got != want {
		t.Errorf("%d profiles, want %d", got, want)
	}
}

func TestALinkStaysALink(t *testing.T) {
	t.Parallel()
	store, home := newStore(t)
	save(t, store, "default", profile.Profile{})
	target := filepath.Join(home, "elsewhere.toml")
	if err := os.Rename(store.Path(), target); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, store.Path()); err != nil {
		t.Fatal(err)
	}
	save(t, store, "work", profile.Profile{})
	info, err := os.Lstat(store.Path())
	if err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("it is no link any more: %v", err)
	}
	if f, err := store.Load(); err != nil || len(f.Profiles) != 2 {
		t.Errorf("got %v, %v", f, err)
	}
}
