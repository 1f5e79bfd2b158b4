package cli_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// screen is a real terminal, tmux's, with a shell in it.
type screen struct {
	t      *testing.T
	socket string
	home   string
	began  int // commands that were entered
}

// newScreen starts a shell in a terminal. Its environment is env and nothing of this
// process's but PATH, on which keypin is this test.
func newScreen(t *testing.T, width, height int, shell string, env ...string) *screen {
	t.Helper()
	dir, err := os.MkdirTemp("", "kp") //nolint:usetesting // a socket's path must be short, shorter than with a test's name
	if err != nil {
		t.Fatal(err)
	}
	s := &screen{t: t, socket: filepath.Join(dir, "tmux"), home: filepath.Join(dir, "home")}
	if err := os.Mkdir(s.home, 0o700); err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(context.Background(), "tmux", "-u", "-S", s.socket, "-f", "/dev/null", "new-session", "-d",
		"-x", fmt.Sprint(width), "-y", fmt.Sprint(height), shell)
	command.Dir = s.home
	command.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + s.home, "LANG=C.UTF-8", "TERM=xterm-256color",
		"PS1=$ ", "HISTFILE=/dev/null", "GORACE=atexit_sleep_ms=0 exitcode=0 log_path=" + filepath.Join(dir, "race"), "TMPDIR=" + dir}, env...)
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("tmux (scripts/install.sh installs it): %v\n%s", err, out)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the screen in the end:\n%s", s.text())
		}
		s.tmux("kill-server")
		ownRaces(t, filepath.Join(dir, "race.*"))
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	s.await(`^(\$|%|.*#) $`)
	return s
}

// ownRaces fails the test for what the race detector told of the commands, but for one race
// of bubbletea 2.0 and 2.1: what asks for the size of the window at the start and what does
// at a change of it write the same two numbers, which it looks up again before it draws.
func ownRaces(t *testing.T, files string) {
	t.Helper()
	names, err := filepath.Glob(files)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		told, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, race := range strings.Split(string(told), "WARNING: DATA RACE")[1:] {
			if !strings.Contains(race, "bubbletea/v2.(*Program).checkResize()") {
				t.Errorf("a race:%s", race)
			}
		}
	}
}

func (s *screen) tmux(args ...string) string {
	s.t.Helper()
	out, err := exec.CommandContext(context.Background(), "tmux", append([]string{"-S", s.socket}, args...)...).Output()
	if err != nil {
		s.t.Fatalf("tmux %s: %v", args[0], err)
	}
	return string(out)
}

// text is what is on the screen, without what was scrolled away.
func (s *screen) text() string { return strings.TrimRight(s.tmux("capture-pane", "-p"), "\n") }

// everything is all that was ever on the screen, wrapped lines joined.
func (s *screen) everything() string { return s.tmux("capture-pane", "-p", "-J", "-S", "-") }

// colours is what is on the screen with its escape sequences.
func (s *screen) colours() string { return s.tmux("capture-pane", "-p", "-e") }

// keys presses keys by their names, such as Enter and C-c.
func (s *screen) keys(names ...string) { s.tmux(append([]string{"send-keys"}, names...)...) }

// types types a text.
func (s *screen) types(text string) { s.tmux("send-keys", "-l", text) }

// paste pastes a text, as from a clipboard.
func (s *screen) paste(text string) {
	s.tmux("set-buffer", "-b", "clip", text)
	s.tmux("paste-buffer", "-p", "-d", "-b", "clip")
}

// run clears the screen and enters a command, whose end [screen.ended] waits for.
func (s *screen) run(command string) {
	s.began++
	s.types(fmt.Sprintf("clear; %s; echo ended=$? no. %d", command, s.began))
	s.keys("Enter")
}

// ends runs a command to its end, which must have the exit code, and returns what it wrote.
func (s *screen) ends(code int, command string) string {
	s.t.Helper()
	s.run(command)
	return s.ended(code)
}

// ended waits for the end of the command that [screen.run] entered, which must have the
// exit code, and returns what is on the screen of it.
func (s *screen) ended(code int) string {
	s.t.Helper()
	text := s.await(fmt.Sprintf(`^ended=\d+ no\. %d$`, s.began))
	before, after, _ := strings.Cut(text, "ended=")
	if !strings.HasPrefix(after, fmt.Sprintf("%d ", code)) {
		s.t.Fatalf("want the exit code %d:\n%s", code, text)
	}
	return before
}

// await waits, for at most 30 s, for the screen to show something.
func (s *screen) await(pattern string) string {
	s.t.Helper()
	want := regexp.MustCompile("(?m)" + pattern)
	deadline := time.After(30 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		text := s.text()
		if want.MatchString(text) || want.MatchString(text+" ") { // tmux drops spaces at the end
			return text
		}
		select {
		case <-tick.C:
		case <-deadline:
			s.t.Fatalf("the screen never shows %s:\n%s", pattern, text)
		}
	}
}

// resize changes the size of the terminal.
func (s *screen) resize(width, height int) {
	s.tmux("resize-window", "-x", fmt.Sprint(width), "-y", fmt.Sprint(height))
}

// resized is [screen.resize] at the shell's prompt, which knows the size in the end.
func (s *screen) resized(width, height int) {
	s.t.Helper()
	s.resize(width, height)
	s.ends(0, fmt.Sprintf(`until [ "$(stty size)" = "%d %d" ]; do :; done`, height, width))
}

// without checks that a secret was never on the screen.
func (s *screen) without(secret string) {
	s.t.Helper()
	if strings.Contains(s.everything(), secret) {
		s.t.Errorf("the screen shows the secret:\n%s", s.everything())
	}
}
