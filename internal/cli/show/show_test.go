package show

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/charmbracelet/x/ansi"
	"github.com/google/go-cmp/cmp"

	"github.com/keypin/keypin/client"
)

var update = flag.Bool("update", false, "write testdata anew")

var now = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)

// onTerminal is an output of some width.
func onTerminal(width int) (Out, *bytes.Buffer) {
	var b bytes.Buffer
	return Out{Stdout: &b, Stderr: &b, Terminal: true, Width: width, Now: now}, &b
}

// golden compares with a file, or writes it with -update.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

func keyTable() ([]Column, [][]Cell) {
	columns := []Column{{Title: "STATE", Least: 9}, {Title: "NAME", Least: 16}, {Title: "KEY"}, {Title: "SCOPES", Least: 14, Drop: 2},
		{Title: "LAST USED", Drop: 1}, {Title: "CREATED", Drop: 4}, {Title: "ID", Drop: 3}}
	row := func(state, name, suffix, scopes string, used *time.Time, made time.Time, id string) []Cell {
		o := Out{Now: now}
		return []Cell{{Text: state, Style: Good}, {Text: name}, {Text: "op_live-xxxxxx-" + suffix}, {Text: scopes}, o.AgoOr(used, "never"), o.Ago(made), {Text: id}}
	}
	used := now.Add(-3 * time.Minute)
	return columns, [][]Cell{
		row("active", "Nightly export of everything that there is to be exported", "2PyLo5", "workflows:read,workflows:run,voices:read", &used, now.Add(-26*time.Hour), "01a22355-13b8-7da6-b82d-1e4b94ca66bd"),
		row("suspended", "日本語の名前", "Ab12Cd", "", nil, now.Add(-400*24*time.Hour), "01a22355-13b8-7da6-b82d-1e4b94ca66be"),
		row("revoked", "evil\x1b[31m\nname\u202e", "zzzzzz", "voices:read", nil, now, "01a22355-13b8-7da6-b82d-1e4b94ca66bf"),
	}
}

func TestATableFitsTheTerminal(t *testing.T) {
	t.Parallel()
	columns, rows := keyTable()
	for _, width := range []int{200, 120, 100, 80, 60, 40, 20} {
		o, b := onTerminal(width)
		if err := o.Table(columns, rows); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(b.String()) {
			if got := ansi.StringWidth(strings.TrimSuffix(line, "\n")); got > width {
				t.Errorf("at %d columns a line has %d: %s", width, got, line)
			}
		}
		golden(t, fmt.Sprintf("table-%d.txt", width), b.String())
	}
}

func TestElsewhereATableIsWholeAndExact(t *testing.T) {
	t.Parallel()
	columns, rows := keyTable()
	var b bytes.Buffer
	if err := (Out{Stdout: &b, Width: 20, Now: now}).Table(columns, rows); err != nil {
		t.Fatal(err)
	}
	golden(t, "table-piped.txt", b.String())
}

func TestColoursAreForTerminalsThatWantThem(t *testing.T) {
	t.Parallel()
	columns, rows := keyTable()
	o, b := onTerminal(80)
	o.Color = true
	if err := o.Table(columns, rows); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), "\x1b[32mactive") {
		t.Errorf("no colour: %q", b.String())
	}
	plain, p := onTerminal(80)
	if err := plain.Table(columns, rows); err != nil {
		t.Fatal(err)
	}
	if got := ansi.Strip(b.String()); got != p.String() {
		t.Errorf("colours move the text:\n%s", cmp.Diff(p.String(), got))
	}
	env := func(v ...string) func(string) string {
		return func(name string) string {
			for _, one := range v {
				if value, ok := strings.CutPrefix(one, name+"="); ok {
					return value
				}
			}
			return ""
		}
	}
	if NewOut(&bytes.Buffer{}, &bytes.Buffer{}, env(), false, false, now).Color {
		t.Error("colours in a buffer")
	}
}

func TestDetailsWrapUnderTheirLabels(t *testing.T) {
	t.Parallel()
	pairs := []Pair{
		{"name", Cell{Text: "Nightly export"}},
		{"scopes", Cell{Text: "workflows:read, workflows:run, workflows:write, voices:read, voices:write, dictionary:read"}},
		{"left out", Cell{}},
		{"last used", Out{Now: now}.Ago(now.Add(-time.Hour))},
	}
	for _, width := range []int{80, 40} {
		o, b := onTerminal(width)
		if err := o.Details(pairs); err != nil {
			t.Fatal(err)
		}
		golden(t, fmt.Sprintf("details-%d.txt", width), b.String())
	}
	var b bytes.Buffer
	if err := (Out{Stdout: &b}).Details(pairs); err != nil {
		t.Fatal(err)
	}
	golden(t, "details-piped.txt", b.String())
}

func TestASecretStandsWholeOnOneLine(t *testing.T) {
	t.Parallel()
	const secret = "op_live_0000000000000000000000000009BlC0"
	for _, width := range []int{80, 60, 45, 30} {
		o, b := onTerminal(width)
		if err := o.Secret("Your new key “Nightly export”.", "Copy it now: it is shown once and cannot be had again.", client.NewSecret(secret)); err != nil {
			t.Fatal(err)
		}
		if got := strings.Count(b.String(), secret); got != 1 {
			t.Errorf("at %d columns the secret is there %d times", width, got)
		}
		golden(t, fmt.Sprintf("secret-%d.txt", width), b.String())
	}
}

func TestLinesAreBrokenBetweenWords(t *testing.T) {
	t.Parallel()
	const text = "keypin keys create: The request is not valid (422 validation_error)\n  --scope (body.scopes[0]): must be a scope of this service; they are listed in its OpenAPI document\n  request id: req_01a22379-8135-7231-b410-d940ccf9dc8b\n"
	const want = "keypin keys create: The request is not\nvalid (422 validation_error)\n  --scope (body.scopes[0]): must be a\n    scope of this service; they are\n    listed in its OpenAPI document\n  request id:\n    req_01a22379-8135-7231-b410-d940ccf9dc8b\n"
	if diff := cmp.Diff(want, wrapLines(text, 40)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(text, wrapLines(text, 200)); diff != "" {
		t.Error(diff)
	}
}

func TestTimesAreToldAsSeenFromNow(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	for _, tt := range []struct {
		ago  time.Duration
		want string
	}{
		{0, "just now"}, {9 * time.Second, "just now"}, {-time.Second, "just now"}, {-5 * time.Second, "in a moment"},
		{10 * time.Second, "10 s ago"}, {59*time.Second + 600*time.Millisecond, "1 min ago"}, {3 * time.Minute, "3 min ago"},
		{59*time.Minute + 40*time.Second, "1 hour ago"}, {23 * time.Hour, "23 hours ago"}, {-24*time.Hour + time.Second, "in 1 day"},
		{26 * time.Hour, "1 day ago"}, {-90*day + time.Second, "in 3 months"}, {59 * day, "59 days ago"}, {400 * day, "13 months ago"}, {800 * day, "2 years ago"},
	} {
		if got := Relative(now, now.Add(-tt.ago)); got != tt.want {
			t.Errorf("%v ago: %s, want %s", tt.ago, got, tt.want)
		}
	}
}

func TestAFormatIsReadBeforeItIsNeeded(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ jq, template, want string }{
		{".[", "", "--jq is not a jq expression"},
		{"nope(1)", "", "--jq is not a jq expression"},
		{"", "{{", "--template is not a Go template"},
		{"", "{{nope}}", "--template is not a Go template"},
		{".", ".", errTwoFormats.Error()},
	} {
		if _, err := NewFormat(false, tt.jq, tt.template, now); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: %v", tt, err)
		}
	}
}

func TestAFormatShapesTheData(t *testing.T) {
	t.Parallel()
	data := []map[string]any{{"name": "a <b> & c", "n": 1, "at": now.Add(-time.Hour), "never": nil}, {"name": "d", "n": int64(9007199254740993), "at": now}}
	for _, tt := range []struct{ jq, template, want string }{
		{"", "", "[\n  {\n    \"at\": \"2026-11-28T11:00:00Z\",\n    \"n\": 1,\n    \"name\": \"a <b> & c\",\n    \"never\": null\n  },\n  {\n    \"at\": \"2026-11-28T12:00:00Z\",\n    \"n\": 9007199254740993,\n    \"name\": \"d\"\n  }\n]\n"},
		{".[].name", "", "a <b> & c\nd\n"},
		{".[0] | {name, n}", "", "{\"n\":1,\"name\":\"a <b> & c\"}\n"},
		{"empty", "", ""},
		{"halt", "", ""},
		{"", `{{join ", " (pluck "name" .)}}`, "a <b> & c, d\n"},
		{"", `{{range .}}{{timeago .at}};{{end}}`, "1 hour ago;just now;\n"},
		{"", `{{range .}}{{timeago .never}};{{end}}`, "never;never;\n"},
		{"", `{{json (index . 0).name}}`, "\"a <b> & c\"\n"},
	} {
		f, err := NewFormat(true, tt.jq, tt.template, now)
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := f.Write(&b, data); err != nil {
			t.Errorf("%+v: %v", tt, err)
		}
		if diff := cmp.Diff(tt.want, b.String()); diff != "" {
			t.Errorf("%+v: %s", tt, diff)
		}
	}
}

func TestAnExpressionThatFailsPrintsNothing(t *testing.T) {
	t.Parallel()
	for _, query := range []string{".[0].name, error", ".[0] | keys | .x"} {
		f, err := NewFormat(false, query, "", now)
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := f.Write(&b, []map[string]string{{"name": "a"}}); err == nil || b.Len() > 0 {
			t.Errorf("%s: %v, %q", query, err, b.String())
		}
	}
}

func TestSecretsAreMaskedInJSON(t *testing.T) {
	t.Parallel()
	f, err := NewFormat(true, "", "", now)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := f.Write(&b, client.CreatedKey{Secret: client.NewSecret("op_live_x")}); err != nil {
		t.Fatal(err)
	}
	if !json.Valid(b.Bytes()) || strings.Contains(b.String(), "op_live_x") || !strings.Contains(b.String(), "[secret]") {
		t.Error(b.String())
	}
}

// locked is a buffer that is written and read by several.
type locked struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *locked) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func TestProgressIsToldAfterASecondAndIsGoneInTheEnd(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		terminal bool
		after    time.Duration
		want     string
	}{
		{"soon done on a terminal", true, 900 * time.Millisecond, "\r\x1b[K"},
		{"three seconds on a terminal", true, 3500 * time.Millisecond, "\r\x1b[Kwaiting … 1 s\r\x1b[Kwaiting … 2 s\r\x1b[Kwaiting … 3 s\r\x1b[K"},
		{"soon done elsewhere", false, 900 * time.Millisecond, ""},
		{"three seconds elsewhere", false, 3500 * time.Millisecond, "waiting …\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var b locked
				stop := Out{Stderr: &b, Width: 80}.progress("waiting", tt.terminal)
				time.Sleep(tt.after)
				stop()
				stop()
				time.Sleep(10 * time.Second)
				if diff := cmp.Diff(tt.want, b.String()); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}

func TestQuietMeansNoProgressAndNoNotes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var b locked
		o := Out{Stderr: &b, Quiet: true}
		stop := o.Progress("waiting")
		o.Note("a note")
		time.Sleep(5 * time.Second)
		stop()
		if b.String() != "" {
			t.Error(b.String())
		}
		o.Warn("a warning")
		if b.String() != "a warning\n" {
			t.Error(b.String())
		}
	})
}
