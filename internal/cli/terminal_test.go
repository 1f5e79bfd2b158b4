package cli_test

import (
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const bash = "bash --norc --noprofile"

func TestASessionAtATerminal(t *testing.T) {
	t.Parallel()
	service := startService(t)
	s := newScreen(t, 90, 40, bash)
	token := service.token(t, "--user", "ann@example.com")

	// Sign in: the address is asked for, and the credential is not shown.
	s.run("keypin login")
	s.await(`Address of the service\n.*> http://127\.0\.0\.1:8080`)
	s.keys("C-u")
	s.types(service.url)
	s.keys("Enter")
	s.await(`API key or session token for ` + regexp.QuoteMeta(service.url))
	s.await(`Paste it and press Enter\. Nothing is shown\.`)
	s.paste(token)
	s.keys("Enter")
	text := s.ended(0)
	if !strings.Contains(strings.ReplaceAll(text, "\n", ""), "Signed in to "+service.url+" as admin") {
		t.Errorf("it does not say who is signed in:\n%s", text)
	}
	s.without(token[:40])

	// A new key is shown once, in a box.
	text = s.ends(0, `keypin keys create "Nightly export" --scope workflows:read`)
	key := plaintext.FindString(text)
	box := regexp.MustCompile(`(?m)^╭─+╮\n│  Your new key “Nightly export”\. +│\n│ +│\n│  op_live_\w{32} +│\n│ +│\n│  Copy it now: it is shown once and cannot be had again\.  │\n╰─+╯$`)
	if !box.MatchString(text) {
		t.Errorf("there is no box:\n%s", text)
	}

	// It is asked for without being shown, and is good.
	s.run("keypin keys verify")
	s.await(`Key to verify`)
	s.paste(key)
	s.keys("Enter")
	if text = s.ended(0); !regexp.MustCompile(`(?m)^key +good$`).MatchString(text) || strings.Contains(text, key) {
		t.Errorf("the verdict:\n%s", text)
	}
	text = s.ends(0, "keypin keys list")
	if !regexp.MustCompile(`(?m)^STATE +NAME +KEY +SCOPES +LAST USED\nactive +Nightly export +op_live-xxxxxx-` + key[len(key)-6:]).MatchString(text) {
		t.Errorf("the list:\n%s", text)
	}

	// What cannot be undone is asked for. No is the answer of who only presses Enter.
	s.run(`keypin keys revoke "Nightly export"`)
	s.await(`Revoke “Nightly export” \(op_live-xxxxxx-\w{6}\)\? It cannot be undone\.`)
	s.keys("Enter")
	if text = s.ended(1); !strings.Contains(text, "nothing was done") {
		t.Errorf("after No:\n%s", text)
	}
	s.run(`keypin keys rotate "Nightly export"`)
	s.await(`Rotate “Nightly export” .* The old key stops at once\.`)
	s.keys("y")
	text = s.ended(0)
	next := plaintext.FindString(text)
	if next == key || !strings.Contains(text, "is revoked.") || !strings.Contains(text, "Copy it now") {
		t.Errorf("after the rotation:\n%s", text)
	}

	// Ctrl-C at a question ends with 130 and does nothing.
	s.run(`keypin keys revoke "Nightly export"`)
	s.await(`It cannot be undone\.`)
	s.keys("C-c")
	s.ended(130)
	s.run("keypin keys verify")
	s.await(`Key to verify`)
	s.keys("C-c")
	s.ended(130)
	if text = s.ends(0, "keypin keys list --jq length"); !strings.Contains(text, "\n1\n") && !strings.HasPrefix(text, "1\n") {
		t.Errorf("the key is gone:\n%s", text)
	}
	s.run(`keypin keys revoke "Nightly export"`)
	s.await(`It cannot be undone\.`)
	s.keys("Right", "Left", "y")
	if text = s.ended(0); !strings.Contains(text, "Revoked “Nightly export”") {
		t.Errorf("after the revocation:\n%s", text)
	}
	s.ends(0, "keypin logout")
	s.ends(4, "keypin whoami")
}

func TestTheNameOfAKeyIsAskedFor(t *testing.T) {
	t.Parallel()
	service := startService(t)
	s := newScreen(t, 80, 30, bash, "KEYPIN_BASE_URL="+service.url, "KEYPIN_TOKEN="+service.token(t, "--user", "ann@example.com"))
	s.run("keypin keys create --scope workflows:read")
	s.await(`What is the key for\? Its name`)
	s.keys("Enter") // an empty name is refused there and then
	s.await(`1 to 120 characters`)
	s.types("Export")
	s.keys("Enter")
	if text := s.ended(0); !strings.Contains(text, "Your new key “Export”.") {
		t.Error(text)
	}
	// Standard output may go elsewhere: the question is on standard error.
	s.run("keypin keys create --scope workflows:read --output-file key >out")
	s.await(`What is the key for\?`)
	s.types("Other")
	s.keys("Enter")
	s.ended(0)
	content, err := os.ReadFile(filepath.Join(s.home, "key"))
	if err != nil || !plaintext.Match(content) {
		t.Errorf("the file: %v", err)
	}
	s.without(strings.TrimSpace(string(content)))
}

func TestOutputFitsATerminalThatIsResized(t *testing.T) {
	t.Parallel()
	service := startService(t)
	s := newScreen(t, 120, 30, bash, "KEYPIN_BASE_URL="+service.url, "KEYPIN_TOKEN="+service.token(t, "--user", "ann@example.com"))
	s.ends(0, `keypin keys create "A key with quite a long name, which takes space" --scope workflows:read --scope voices:read`)
	for _, tt := range []struct {
		width  int
		titles string
	}{
		{120, `^STATE +NAME +KEY +SCOPES +LAST USED +ID$`},
		{80, `^STATE +NAME +KEY +SCOPES +LAST USED$`},
		{50, `^STATE +NAME +KEY$`},
		{100, `^STATE +NAME +KEY +SCOPES +LAST USED$`},
	} {
		s.resized(tt.width, 30)
		text := s.ends(0, "keypin keys list")
		if !regexp.MustCompile("(?m)"+tt.titles).MatchString(text) || strings.Count(text, "\n") != 2 {
			t.Errorf("at %d columns:\n%s", tt.width, text)
		}
	}

	// The box does not fit, so the secret stands alone, whole.
	s.resized(50, 30)
	text := s.ends(0, "keypin keys create Short --scope workflows:read --no-color")
	if !regexp.MustCompile(`(?m)^op_live_\w{32}$`).MatchString(text) || strings.Contains(text, "╭") {
		t.Errorf("at 50 columns:\n%s", text)
	}

	// A question lives through a change of the size.
	s.resized(100, 30)
	s.run("keypin keys revoke Short")
	s.await(`It cannot be undone\.`)
	s.resize(44, 20)
	s.await(`cannot be undone\.`)
	s.resize(90, 30)
	s.await(`It cannot be undone\.`)
	s.keys("y")
	if text := s.ended(0); !strings.Contains(text, "Revoked “Short”") {
		t.Error(text)
	}

	// Help fits too.
	s.resized(60, 60)
	for line := range strings.Lines(s.ends(0, "keypin keys get --help")) {
		if n := len([]rune(strings.TrimSuffix(line, "\n"))); n > 60 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	if text := s.everything(); regexp.MustCompile(`(?m)^Get shows all of a key but the key itself, which nobody has but its`).MatchString(text) {
		t.Errorf("the help was broken by the terminal:\n%s", text)
	}
}

func TestCtrlCEndsAWaitWith130(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0") // accepts, and never answers
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	s := newScreen(t, 80, 24, bash, "KEYPIN_BASE_URL=http://"+l.Addr().String(), "KEYPIN_API_KEY=something")
	s.run("keypin keys create x")
	s.await(`^waiting for http://127\.0\.0\.1:\d+ … [1-9]\d* s$`)
	s.keys("C-c")
	text := s.ended(130)
	for want, there := range map[string]bool{
		"keypin keys create: interrupted":              true,
		"what to do: a key may have been made already": true,
		"waiting for": false,
	} {
		if strings.Contains(text, want) != there {
			t.Errorf("%q there: %v, want %v\n%s", want, !there, there, text)
		}
	}
	// One that reads standard input can be stopped, too.
	s.ends(0, "mkfifo pipe && exec 3<>pipe")
	s.run("keypin login --with-token --base-url http://192.0.2.1 <&3")
	s.await(`warning: http://192\.0\.2\.1 is not https`)
	s.keys("C-c")
	s.ended(130)
}

func TestColoursAreShownUnlessTheyAreNotWanted(t *testing.T) {
	t.Parallel()
	service := startService(t)
	env := []string{"KEYPIN_BASE_URL=" + service.url, "KEYPIN_TOKEN=" + service.token(t, "--user", "ann@example.com")}
	s := newScreen(t, 90, 30, bash, env...)
	s.ends(0, "keypin keys create x --scope workflows:read --quiet")
	coloured := regexp.MustCompile(`\x1b\[[0-9;]*[1-9][0-9;]*m`)
	for command, want := range map[string]bool{
		"keypin keys list": true, "NO_COLOR=1 keypin keys list": false, "NO_COLOR= keypin keys list": true,
		"keypin keys list --no-color": false, "TERM=dumb keypin keys list": false, "keypin keys list | cat": false, "keypin --help": true, "keypin --help --no-color": false,
	} {
		s.ends(0, command)
		if got := coloured.MatchString(s.colours()); got != want {
			t.Errorf("%s: colours %v, want %v:\n%q", command, got, want, s.colours())
		}
	}
}

func TestQuestionsArePlainLinesForScreenReaders(t *testing.T) {
	t.Parallel()
	service := startService(t)
	token := service.token(t, "--user", "ann@example.com")
	s := newScreen(t, 90, 30, bash, "KEYPIN_BASE_URL="+service.url, "ACCESSIBLE=1")
	s.run("keypin login")
	s.await(`^API key or session token for .* $`)
	s.types("this is not shown")
	s.keys("C-c")
	s.ended(130)
	s.without("this is not shown")
	if text := s.ends(0, "stty -a"); !regexp.MustCompile(` echo `).MatchString(text) {
		t.Errorf("the terminal was left without its echo:\n%s", text)
	}
	s.run("keypin login")
	s.await(`^API key or session token for`)
	s.paste(token)
	s.keys("Enter")
	s.ended(0)
	s.without(token[:40])
	s.ends(0, "keypin keys create x --scope workflows:read")
	s.run("keypin keys revoke x")
	s.await(`It cannot be undone\.`)
	s.await(`\[y/N\]`)
	s.types("y")
	s.keys("Enter")
	s.ended(0)
}

func TestAProfileAndAWorkspaceAreChosenFromAList(t *testing.T) {
	t.Parallel()
	service := startService(t)
	s := newScreen(t, 90, 30, bash, "KEYPIN_BASE_URL="+service.url, "TOKEN="+service.token(t, "--user", "ann@example.com"))
	s.ends(0, `for p in default work; do echo "$TOKEN" | keypin login --with-token --quiet --profile $p; done`)
	s.run("keypin profile use")
	s.await(`Which profile\?\n.*default .*\n.*work`)
	s.keys("Down", "Enter")
	if text := s.ended(0); !strings.Contains(text, "Profile work is in use") {
		t.Error(text)
	}
	s.ends(0, `keypin workspaces create "Acme Labs" --slug acme-labs`)
	s.run("keypin workspaces use")
	s.await(`Which workspace\?\n.*\n.*Acme Labs  acme-labs`)
	s.keys("Down", "Enter")
	if text := s.ended(0); !strings.Contains(text, "acts in “Acme Labs” from now on") {
		t.Error(text)
	}
}

func TestAPageIsOpenedInTheBrowser(t *testing.T) {
	t.Parallel()
	service := startPages(t)
	s := newScreen(t, 90, 20, bash, "KEYPIN_BASE_URL="+service)
	// Without one the address is printed.
	if text := s.ends(0, "keypin open docs"); !strings.Contains(text, service+"/docs") {
		t.Error(text)
	}
	if err := os.WriteFile(filepath.Join(s.home, "browser"), []byte("#!/bin/sh\necho \"$1\" >opened\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	if text := s.ends(0, "BROWSER=./browser keypin open dashboard"); !strings.Contains(text, "Opened "+service+"/dashboard.") {
		t.Error(text)
	}
	if got, err := os.ReadFile(filepath.Join(s.home, "opened")); err != nil || string(got) != service+"/dashboard\n" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestASecretIsNotTypedWhereItWouldBeShown(t *testing.T) {
	t.Parallel()
	service := startService(t)
	token := service.token(t, "--user", "ann@example.com")
	s := newScreen(t, 90, 20, bash, "KEYPIN_BASE_URL="+service.url, "KEYPIN_TOKEN="+token)
	for _, command := range []string{"keypin keys verify", "keypin keys verify -", "keypin invites accept -", "keypin login --with-token"} {
		s.ends(2, command+" 2>problem")
		content, err := os.ReadFile(filepath.Join(s.home, "problem"))
		if err != nil || !strings.Contains(string(content), "standard input is a terminal that would show what is typed") {
			t.Errorf("%s: %s, %v", command, content, err)
		}
	}
	// Where there is a terminal to ask on, it is asked for even so.
	s.run("keypin login --with-token")
	s.await(`Nothing is shown\.`)
	s.paste(token)
	s.keys("Enter")
	s.ended(0)
	s.without(token[:40])
}
