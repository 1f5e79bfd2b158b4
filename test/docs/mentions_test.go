package docs

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.yaml.in/yaml/v3"
)

// inlineCode is code within a sentence.
var inlineCode = regexp.MustCompile("`([^`\n]+)`")

// commandsOf are the lines on a page that may be commands: those of shells, and code within
// sentences. A line that goes on after a backslash is one.
func commandsOf(text string) []string {
	var lines []string
	for _, b := range blocks(text) {
		if slices.Contains([]string{"sh", "bash", "console", "text", ""}, b.language) {
			lines = append(lines, strings.Split(strings.ReplaceAll(b.code, "\\\n", " "), "\n")...)
		}
	}
	for _, found := range inlineCode.FindAllStringSubmatch(withoutCode(text), -1) {
		lines = append(lines, found[1])
	}
	return lines
}

// commands are what the program's help says, by the words of the command.
type commands struct {
	mu   sync.Mutex
	help map[string]string
}

// helpOf is the help of a command; "" when there is no such command.
func (c *commands) helpOf(ctx context.Context, words ...string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := strings.Join(words, " ")
	if text, ok := c.help[key]; ok {
		return text
	}
	cmd := exec.CommandContext(ctx, served.Program, append(slices.Clone(words), "--help")...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "NO_COLOR=1", "HOME=" + served.folder}
	out, err := cmd.Output()
	if err != nil {
		out = nil
	}
	c.help[key] = string(out)
	return c.help[key]
}

var (
	commandLine = regexp.MustCompile(`(?:^|[\s;&|("$])(?:sudo )?(?:\./|bin/|/[\w/]+/)?keypin((?: [^|;&<>()"` + "`" + `]*)?)`)
	commandWord = regexp.MustCompile(`^[a-z][a-z-]*$`)
	flagWord    = regexp.MustCompile(`^--[a-z][a-z-]*`)
)

// command finds how much of what is written behind keypin are the words of a command, and
// its help.
func (c *commands) command(ctx context.Context, words []string) (help string, depth int) {
	help = c.helpOf(ctx)
	for depth < len(words) && commandWord.MatchString(words[depth]) {
		path := words[:depth+1]
		below := c.helpOf(ctx, path...)
		// A word that is no command below this one is answered with this one's help.
		if !strings.Contains(below, "keypin "+strings.Join(path, " ")) {
			break
		}
		help, depth = below, depth+1
	}
	return help, depth
}

func TestNoPageMentionsACommandOrFlagThatDoesNotExist(t *testing.T) {
	t.Parallel()
	c := &commands{help: map[string]string{}}
	flags := 0
	for path, text := range allMarkdown(t) {
		for _, line := range commandsOf(text) {
			line, _, _ = strings.Cut(line, " #")
			for _, found := range commandLine.FindAllStringSubmatch(line, -1) {
				words := strings.Fields(found[1])
				help, depth := c.command(t.Context(), words)
				if depth == 0 && len(words) > 0 && commandWord.MatchString(words[0]) {
					t.Errorf("%s: there is no command keypin %s", path, words[0])
				}
				if depth == 1 && strings.Contains(help, "[command]") && len(words) > 1 && commandWord.MatchString(words[1]) {
					t.Errorf("%s: there is no command keypin %s %s", path, words[0], words[1])
				}
				for _, word := range words {
					if flag := flagWord.FindString(word); flag != "" {
						flags++
						if !regexp.MustCompile(`\s` + flag + `\b`).MatchString(help) {
							t.Errorf("%s: keypin %s has no flag %s", path, strings.Join(words[:depth], " "), flag)
						}
					}
				}
			}
		}
	}
	if flags < 5 {
		t.Errorf("only %d flags were found", flags)
	}
}

var environmentVariable = regexp.MustCompile(`\bKEYPIN_[A-Z][A-Z0-9_]*\b`)

// settings are the names that keypin config print prints.
func settings(t *testing.T) []string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), served.Program, "config", "print")
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for line := range strings.Lines(string(out)) {
		name, _, _ := strings.Cut(line, " = ")
		names = append(names, name)
	}
	return names
}

// sources is the text of every program of the repository that reads its environment.
func sources(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	for _, folder := range []string{"internal", "client", "sdk/python/src", "scripts", "deploy"} {
		err := filepath.WalkDir(filepath.Join("../..", folder), func(path string, d os.DirEntry, err error) error {
			if os.IsNotExist(err) {
				return nil
			}
			if err != nil || d.IsDir() || strings.HasSuffix(path, "_test.go") || strings.HasSuffix(path, ".md") || strings.Contains(path, "docsite") {
				return err
			}
			text, err := os.ReadFile(path)
			all.Write(text)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all.String()
}

func TestNoPageMentionsAVariableThatDoesNotExist(t *testing.T) {
	t.Parallel()
	known := map[string]bool{}
	for _, name := range settings(t) {
		known["KEYPIN_"+strings.ToUpper(strings.ReplaceAll(name, ".", "_"))] = true
	}
	for _, name := range environmentVariable.FindAllString(sources(t), -1) {
		known[name] = true
	}
	for path, text := range allMarkdown(t) {
		for _, name := range environmentVariable.FindAllString(text, -1) {
			if !known[name] {
				t.Errorf("%s mentions %s, which nothing reads", path, name)
			}
		}
	}
}

func TestNoPageShowsASettingThatDoesNotExist(t *testing.T) {
	t.Parallel()
	known := map[string]bool{}
	for _, name := range settings(t) {
		top, _, _ := strings.Cut(name, ".")
		known[top], known[name] = true, true
	}
	shown := 0
	for path, text := range allMarkdown(t) {
		for _, b := range blocks(text) {
			var file map[string]any
			if b.language != "yaml" || yaml.Unmarshal([]byte(b.code), &file) != nil {
				continue
			}
			var ours, others []string
			for name, value := range file {
				if !known[name] {
					others = append(others, name)
					continue
				}
				ours = append(ours, name)
				below, _ := value.(map[string]any)
				for part := range below {
					if !known[name] || !known[name+"."+part] {
						others = append(others, name+"."+part)
					}
				}
			}
			if len(ours) > 0 && !slices.Contains(others, "services") { // which begins a file of Compose
				shown++
				if len(others) > 0 {
					t.Errorf("%s, line %d: there is no setting %s", path, b.line, strings.Join(others, ", "))
				}
			}
		}
	}
	if shown == 0 {
		t.Error("no page shows a setting")
	}
}

var endpoint = regexp.MustCompile(`/api/v1/[^\s"'` + "`" + `)\]|,;?#&\\]*`)

func TestNoPageMentionsAnEndpointThatDoesNotExist(t *testing.T) {
	t.Parallel()
	known := [][]string{{"", "api", "v1", "invalidations"}, {"", "api", "v1", "usage-reports"}} // of the data listener
	for path := range openAPI(t).Paths {
		known = append(known, strings.Split(path, "/"))
	}
	for path, text := range allMarkdown(t) {
		for _, mention := range endpoint.FindAllString(text, -1) {
			mention = strings.TrimRight(mention, ".:…/*")
			parts := strings.Split(mention, "/")
			if len(parts) < 4 {
				continue
			}
			if !slices.ContainsFunc(known, func(k []string) bool { return fits(parts, k) }) {
				t.Errorf("%s mentions %s, which is no endpoint", path, mention)
			}
		}
	}
}

// fits reports whether a path is an endpoint's, or leads to one: whatever looks like no
// word of ours stands for an id.
func fits(parts, known []string) bool {
	if len(parts) > len(known) {
		return false
	}
	for i, part := range parts {
		id := strings.HasPrefix(known[i], "{")
		word := commandWord.MatchString(part)
		if !id && part != known[i] || id && word {
			return false
		}
	}
	return len(parts) == len(known)
}

var pythonCall = regexp.MustCompile(`\b(?:client|keypin)((?:\.[a-z_]+)+)\(`)

func TestNoPageCallsAMethodThatThePythonPackageLacks(t *testing.T) {
	t.Parallel()
	calls := map[string]string{}
	for path, text := range allMarkdown(t) {
		for _, b := range blocks(text) {
			if b.language != "python" || !strings.Contains(b.code, "client = ") || strings.Contains(b.code, "onepin") || strings.Contains(b.code, "httpx.") {
				continue
			}
			for _, found := range pythonCall.FindAllStringSubmatch(b.code, -1) {
				calls[found[1][1:]] = path
			}
		}
	}
	if len(calls) < 10 {
		t.Fatalf("only %d calls were found", len(calls))
	}
	raw, err := json.Marshal(calls)
	if err != nil {
		t.Fatal(err)
	}
	const check = `
import json, sys
from keypin import Keypin
client = Keypin(base_url="http://127.0.0.1:9", token="none")
for name, page in json.loads(sys.argv[1]).items():
    at = client
    for part in name.split("."):
        at = getattr(at, part, None)
    if not callable(at):
        print(f"{page}: there is no client.{name}()")
`
	cmd := exec.CommandContext(t.Context(), python(t), "-c", check, string(raw))
	cmd.Env = []string{"PYTHONPATH=" + sdkPath(t), "PATH=" + os.Getenv("PATH")}
	out, err := cmd.CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("%v\n%s", err, out)
	}
}

// python is the interpreter that has what the Python package needs: one of its own, or
// that of the other Python tests.
func python(t testing.TB) string {
	t.Helper()
	for _, folder := range []string{"sdk", "venv"} {
		path, err := filepath.Abs("../../.tools/" + folder + "/bin/python")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	t.Fatal("there is no Python below .tools; scripts/install.sh makes it")
	return ""
}

func sdkPath(t testing.TB) string {
	t.Helper()
	path, err := filepath.Abs("../../sdk/python/src")
	if err != nil {
		t.Fatal(err)
	}
	return path
}
