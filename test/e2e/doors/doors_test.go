package doors

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/keypin/keypin/internal/app"
	"github.com/keypin/keypin/internal/authn"
	"github.com/keypin/keypin/internal/config"
	"github.com/keypin/keypin/test/measure"
)

// door makes calls. Its error is of the door itself, such as a call that it lacks.
type door interface {
	do(ctx context.Context, s *step, credential string) (*result, error)
}

// patience bounds one call.
const patience = 30 * time.Second

// service is the built program, running.
type service struct {
	measure.Server
	config *config.Config
}

func start(t *testing.T) *service {
	t.Helper()
	dir := t.TempDir()
	s := &service{Server: measure.Server{Program: filepath.Join(dir, "keypin"), Dir: filepath.Join(dir, "data"), Data: true}, config: config.Default()}
	s.config.DataDir = s.Dir
	if err := measure.Build(t.Context(), s.Program, "github.com/keypin/keypin/cmd/keypin"); err != nil {
		t.Fatal(err)
	}
	if err := s.Start(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func emailOf(who, of string) string { return who + "@" + of + ".example.com" }

// session is a token of somebody whom no other case knows.
func (s *service) session(who, of string) (string, error) {
	token, _, err := app.MintToken(s.config, authn.LocalToken{Email: emailOf(who, of), TTL: time.Hour},
		app.Options{Clock: time.Now, Random: rand.Reader})
	if err != nil {
		return "", err
	}
	return token.Reveal(), nil
}

func TestEveryCaseIsTheSameAtEveryDoor(t *testing.T) {
	s := start(t)
	cases := readCases(t)
	base := "http://" + s.Address
	doors := map[string]door{
		"http":         &overHTTP{url: base, operations: readOperations(t)},
		"go":           &goClient{url: base},
		"python":       startPython(t, "sync", base),
		"python async": startPython(t, "async", base),
		"cli":          &cli{program: s.Program, url: base, home: t.TempDir()},
	}
	for name, d := range doors {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for i, c := range cases {
				t.Run(c.Name, func(t *testing.T) {
					t.Parallel()
					if err := s.play(t.Context(), d, &c, fmt.Sprintf("case%d-%s", i, strings.ReplaceAll(name, " ", "-"))); err != nil {
						t.Error(err)
					}
				})
			}
		})
	}
}

// play makes the calls of a case. of tells its people from those of other cases.
func (s *service) play(ctx context.Context, d door, c *testCase, of string) error {
	values, sessions := newSaved(time.Now()), map[string]string{}
	values["of"], values["bob_email"] = of, emailOf("bob", of)
	for i := range c.Steps {
		at, err := values.filled(&c.Steps[i])
		if err != nil {
			return fmt.Errorf("step %d, %s: %w", i+1, c.Steps[i].Call, err)
		}
		credential := at.As
		switch {
		case at.As == "nobody":
			credential = ""
		case !strings.HasPrefix(c.Steps[i].As, "$"):
			who := at.As
			if who == "" {
				who = "ada"
			}
			if sessions[who] == "" {
				if sessions[who], err = s.session(who, of); err != nil {
					return err
				}
			}
			credential = sessions[who]
		}
		ctx, cancel := context.WithTimeout(ctx, patience)
		got, err := d.do(ctx, at, credential)
		cancel()
		if err != nil {
			return fmt.Errorf("step %d, %s: %w", i+1, at.Call, err)
		}
		if wrong := at.judge(got); wrong != "" {
			return fmt.Errorf("step %d, %s: %s", i+1, at.Call, wrong)
		}
		if err := values.keep(got.Data, at.Save); err != nil {
			return fmt.Errorf("step %d, %s: %w", i+1, at.Call, err)
		}
	}
	return nil
}

// Every operation of the document is made by some case, but what only machines ask for.
func TestTheCasesMakeEveryCall(t *testing.T) {
	t.Parallel()
	made := map[string]bool{"ready": true}
	for _, c := range readCases(t) {
		for _, s := range c.Steps {
			made[s.Call] = true
		}
	}
	for op := range readOperations(t) {
		if !made[op] {
			t.Errorf("no case calls %s", op)
		}
	}
}

func TestMain(m *testing.M) {
	// Nothing of this machine's user configures what is tested.
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		if strings.HasPrefix(name, "KEYPIN_") || strings.HasPrefix(name, "ONEPIN_") {
			if err := os.Unsetenv(name); err != nil {
				panic(err)
			}
		}
	}
	os.Exit(m.Run())
}
