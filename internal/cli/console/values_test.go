package console

import (
	"encoding/base64"
	"fmt"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/keypin/keypin/client"
)

func TestAMomentIsALengthOfTimeADayOrATime(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		text      string
		may, back bool
		want      time.Time
		never, ok bool
	}{
		{text: "90d", want: now.Add(90 * 24 * time.Hour), ok: true},
		{text: "2w", want: now.Add(14 * 24 * time.Hour), ok: true},
		{text: "12h30m", want: now.Add(12*time.Hour + 30*time.Minute), ok: true},
		{text: "7d", back: true, want: now.Add(-7 * 24 * time.Hour), ok: true},
		{text: "2027-01-31", want: time.Date(2027, 1, 31, 0, 0, 0, 0, time.UTC), ok: true},
		{text: "2027-01-31T12:00:00+02:00", want: time.Date(2027, 1, 31, 10, 0, 0, 0, time.UTC), ok: true},
		{text: "never", may: true, never: true, ok: true},
		{text: "never"}, {text: ""}, {text: "soon"}, {text: "-5h"}, {text: "5"}, {text: "999999d"}, {text: "2027-13-01"},
	} {
		m := &moment{now: func() time.Time { return now }, may: tt.may, back: tt.back}
		err := m.Set(tt.text)
		if (err == nil) != tt.ok || !m.at.Equal(tt.want) || m.never != tt.never {
			t.Errorf("%q: %v, %v, never %v", tt.text, m.at, err, m.never)
		}
	}
}

func TestWhatLooksLikeASecretIsNoArgument(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"op_live_0000000000000000000000000009BlC0":    true,
		" op_live_0000000000000000000000000009BlC0\n": true,
		"mkapi_7Qm2XcV9sLk4TnB1pWy8RzE3uA0WEUpB":      true,
		"eyJhbGciOiJFUzI1NiJ9.eyJleHAiOjF9.AA-_":      true,
		"Nightly export":                              false,
		"9BlC0x":                                      false,
		"op_live-xxxxxx-9BlC0x":                       false,
		"01a22355-13b8-7da6-b82d-1e4b94ca66bd":        false,
	} {
		if got := looksSecret(text); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

func TestATokenTellsWhenItExpires(t *testing.T) {
	t.Parallel()
	token := func(claims string) client.Secret {
		return client.NewSecret("eyJhbGciOiJFUzI1NiJ9." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".AA")
	}
	if at, ok := expiry(token(`{"exp":1700000000}`)); !ok || at.Unix() != 1700000000 {
		t.Errorf("%v, %v", at, ok)
	}
	for _, s := range []client.Secret{token(`{}`), token(`[]`), token(`{"exp":"x"}`), client.NewSecret("op_live_x"), client.NewSecret("a.b.c"), {}} {
		if at, ok := expiry(s); ok {
			t.Errorf("%v", at)
		}
	}
}

func TestAFieldIsNamedAsTheCommandLineNamesIt(t *testing.T) {
	t.Parallel()
	with := func(use string, flags ...string) *session {
		cmd := &cobra.Command{Use: use}
		for _, name := range flags {
			cmd.Flags().String(name, "", "")
		}
		return &session{cmd: cmd}
	}
	for _, tt := range []struct {
		s           *session
		field, want string
	}{
		{with("create NAME", "scope"), "body.name", "NAME"},
		{with("update KEY", "name"), "body.name", "--name"},
		{with("create NAME", "scope"), "body.scopes[3]", "--scope"},
		{with("create NAME", "metadata"), "body.metadata.team", "--metadata"},
		{with("create NAME"), "body.scopes[3]", ""},
		{with("create NAME"), "body.unknown", ""},
		{with("get KEY"), "path.key_id", "KEY"},
	} {
		if got := tt.s.argumentOf(tt.field); got != tt.want {
			t.Errorf("%s of %s: %q, want %q", tt.field, tt.s.cmd.Use, got, tt.want)
		}
	}
}

func TestNotesArePairs(t *testing.T) {
	t.Parallel()
	got, err := pairs([]string{"a=b", "c=d=e", "f="})
	if err != nil || fmt.Sprint(got) != "map[a:b c:d=e f:]" {
		t.Errorf("%v, %v", got, err)
	}
	for _, wrong := range [][]string{{"a"}, {"=b"}, {"a=1", "a=2"}} {
		if _, err := pairs(wrong); err == nil {
			t.Errorf("%v is taken", wrong)
		}
	}
}
