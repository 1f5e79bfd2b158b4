package docs

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// session is one shell and one Python, which the blocks of a page that are marked run
// share in their order. What the shell exports, the later blocks of every language have.
type session struct {
	t      *testing.T
	folder string
	shell  *speaker
	python *speaker // nil until the first block of Python
	serial int
}

// speaker is a process that runs one file after another and says when each is done.
type speaker struct {
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *bufio.Reader
	errs *bytes.Buffer
}

const done = "-- done --"

// The shell sources each block and writes its environment down; set -e ends it with the
// first command that fails.
const shellDriver = `set -e -o pipefail
while read -r block environment; do
  source "$block"
  env -0 >"$environment"
  echo; echo '` + done + `'
done`

const pythonDriver = `
import os, sys
names = {"__name__": "__main__"}
for line in sys.stdin:
    block, environment = line.split()
    with open(environment) as f:
        os.environ.update(pair.split("=", 1) for pair in f.read().split("\0") if "=" in pair)
    with open(block) as f:
        exec(compile(f.read(), block, "exec"), names)
    print("\n` + done + `", flush=True)
`

func newSession(t *testing.T) *session {
	t.Helper()
	s := &session{t: t, folder: t.TempDir()}
	if err := os.Symlink(served.Dir, filepath.Join(s.folder, "data")); err != nil { // where keypin token looks
		t.Fatal(err)
	}
	s.shell = s.start("bash", "-c", shellDriver)
	return s
}

func (s *session) environment() []string {
	return []string{
		"PATH=" + served.folder + ":" + os.Getenv("PATH"), "HOME=" + s.folder, "KEYPIN_BASE_URL=" + served.base, "KEYPIN_TOKEN=" + served.Token,
		"PYTHONPATH=" + sdkPath(s.t),
	}
}

func (s *session) start(program string, args ...string) *speaker {
	s.t.Helper()
	p := &speaker{cmd: exec.CommandContext(s.t.Context(), program, args...), errs: &bytes.Buffer{}}
	p.cmd.Dir, p.cmd.Env, p.cmd.Stderr = s.folder, s.environment(), p.errs
	var err error
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		s.t.Fatal(err)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	p.out = bufio.NewReader(out)
	if err := p.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		_ = p.in.Close() // ends it
		_ = p.cmd.Wait() // a block that failed has been reported
	})
	return p
}

// run runs a block and gives what it printed.
func (s *session) run(b block) (string, error) {
	s.serial++
	code := strings.NewReplacer("http://127.0.0.1:8080", served.base, "http://127.0.0.1:8081", "http://"+served.DataAddress).Replace(b.code)
	file := filepath.Join(s.folder, fmt.Sprintf("block%d", s.serial))
	environment := filepath.Join(s.folder, "environment")
	if err := os.WriteFile(file, []byte(code), 0o600); err != nil {
		return "", err
	}
	switch b.language {
	case "sh", "bash":
		return s.shell.say(file + " " + environment)
	case "python":
		if s.python == nil {
			s.python = s.start(python(s.t), "-c", pythonDriver)
			if s.serial == 1 {
				if err := os.WriteFile(environment, nil, 0o600); err != nil {
					return "", err
				}
			}
		}
		return s.python.say(file + " " + environment)
	case "go":
		program := file + ".go"
		if err := os.Rename(file, program); err != nil {
			return "", err
		}
		cmd := exec.CommandContext(s.t.Context(), "go", "run", program)
		cmd.Dir = "../.."
		cmd.Env = append(os.Environ(), s.environment()[2:]...)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	return "", fmt.Errorf("nothing runs %s", b.language)
}

// say runs a file and reads what it prints until it is done.
func (p *speaker) say(line string) (string, error) {
	if _, err := io.WriteString(p.in, line+"\n"); err != nil {
		return "", fmt.Errorf("%w\n%s", err, p.errs)
	}
	var out strings.Builder
	for {
		text, err := p.out.ReadString('\n')
		if strings.TrimSpace(text) == done {
			return strings.TrimSuffix(out.String(), "\n"), nil
		}
		out.WriteString(text)
		if err != nil {
			return out.String(), errors.Join(errors.New("it ended before its end"), p.cmd.Wait(), errors.New(p.errs.String()))
		}
	}
}

// leastRun is how many blocks claim to run at least: somewhat fewer than do, and so many that
// a mark which is no longer understood is noticed.
const leastRun = 50

func TestEveryBlockThatClaimsToRunDoes(t *testing.T) {
	t.Parallel()
	run := 0
	for name, text := range texts(t) {
		all := blocks(text)
		before := run
		for _, b := range all {
			switch b.mark {
			case "run":
				run++
			case "like", "":
			default:
				t.Errorf("%s, line %d: %s is no mark; there are run and like", name, b.line, b.mark)
			}
		}
		if run == before {
			continue
		}
		t.Run(strings.TrimSuffix(name, ".md"), func(t *testing.T) {
			t.Parallel()
			s := newSession(t)
			var printed string
			for _, b := range all {
				switch b.mark {
				case "run":
					var err error
					if printed, err = s.run(b); err != nil {
						t.Fatalf("%s, line %d: %v\n%s", name, b.line, err, printed)
					}
				case "like":
					if err := alike(b.code, printed); err != nil {
						t.Errorf("%s, line %d: %v\ngot %s", name, b.line, err, printed)
					}
				}
			}
		})
	}
	if run < leastRun {
		t.Errorf("%d blocks claim to run; there should be %d or more", run, leastRun)
	}
}

// alike compares JSON by its form: what was printed has at least the fields that were
// announced, each with a value of the same kind.
func alike(announced, printed string) error {
	var want, got any
	if err := json.Unmarshal([]byte(announced), &want); err != nil {
		return fmt.Errorf("what is announced is no JSON: %w", err)
	}
	if err := json.Unmarshal([]byte(printed), &got); err != nil {
		return fmt.Errorf("what is printed is no JSON: %w", err)
	}
	return sameForm("", want, got)
}

func sameForm(at string, want, got any) error {
	if want == nil || got == nil { // null stands for a value that may be there
		return nil
	}
	switch want := want.(type) {
	case map[string]any:
		object, ok := got.(map[string]any)
		if !ok {
			return fmt.Errorf("%s is %T, not an object", at, got)
		}
		for name, value := range want {
			has, ok := object[name]
			if !ok {
				return fmt.Errorf("%s.%s is missing", at, name)
			}
			if err := sameForm(at+"."+name, value, has); err != nil {
				return err
			}
		}
	case []any:
		list, ok := got.([]any)
		if !ok || len(want) > 0 && len(list) == 0 {
			return fmt.Errorf("%s is %v, not a list like the one that is announced", at, got)
		}
		for i := range min(len(want), len(list)) {
			if err := sameForm(fmt.Sprintf("%s[%d]", at, i), want[i], list[i]); err != nil {
				return err
			}
		}
	default:
		if fmt.Sprintf("%T", want) != fmt.Sprintf("%T", got) {
			return fmt.Errorf("%s is %v, announced is %v", at, got, want)
		}
	}
	return nil
}

func TestABlockThatFailsIsNoticed(t *testing.T) {
	t.Parallel()
	for _, b := range []block{{language: "sh", code: "false\n"}, {language: "sh", code: "exit 3\n"}, {language: "sh", code: "curl -fsS http://127.0.0.1:8080/none | cat\n"}, {language: "python", code: "1/0\n"}, {language: "cobol", code: "x\n"}} {
		if out, err := newSession(t).run(b); err == nil {
			t.Errorf("%s passed: %s", b.code, out)
		}
	}
	s := newSession(t)
	if _, err := s.run(block{language: "sh", code: "export FRUIT='an apple'\nX=1\n"}); err != nil {
		t.Fatal(err)
	}
	for _, b := range []block{{language: "sh", code: "echo \"$FRUIT $X\"\n"}, {language: "python", code: "import os\nx = 1\nprint(os.environ['FRUIT'], x)\n"}} {
		if out, err := s.run(b); err != nil || strings.TrimSpace(out) != "an apple 1" {
			t.Errorf("%s: %q, %v", b.language, out, err)
		}
	}
}
