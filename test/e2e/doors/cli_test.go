package doors

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// cli makes the calls with the command line, as a script would.
type cli struct {
	program, url string
	home         string // an empty folder: nobody is signed in
}

func (c *cli) do(ctx context.Context, s *step, credential string) (*result, error) {
	args, stdin, err := commandOf(s)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, c.program, append(args, "--json", "--yes", "--base-url", c.url)...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + c.home}
	switch {
	case strings.HasPrefix(credential, "op_") || strings.HasPrefix(credential, "mkapi_"):
		cmd.Env = append(cmd.Env, "KEYPIN_API_KEY="+credential)
	case credential != "":
		cmd.Env = append(cmd.Env, "KEYPIN_TOKEN="+credential)
	}
	if s.Workspace != "" {
		cmd.Env = append(cmd.Env, "KEYPIN_WORKSPACE_ID="+s.Workspace)
	}
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &stdout, &stderr
	err = cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return nil, err
	}
	out := new(result)
	if stdout.Len() > 0 { // also when a key is not good, or a slug not free, with exit code 1
		if err := json.Unmarshal(stdout.Bytes(), &out.Data); err != nil {
			return nil, fmt.Errorf("%w in %s", err, &stdout)
		}
		if exit != nil && (s.Call != "verify-api-key" && s.Call != "slug-available" || exit.ExitCode() != 1) {
			return nil, fmt.Errorf("ended with %w and an answer", exit)
		}
		return out, nil
	}
	if exit == nil {
		return nil, errors.New("ended well, without an answer")
	}
	if out.Refused, err = refusedBy(s, stderr.Bytes(), exit.ExitCode()); err != nil {
		return nil, err
	}
	return out, nil
}

// refusedBy reads the error that a command wrote as JSON. What it found before it sent
// anything has no status: the service would have said the same.
func refusedBy(s *step, stderr []byte, exit int) (*refusal, error) {
	var told struct {
		Error struct {
			Status  int
			Code    string
			Message string
			Details []struct{ Field string }
		}
	}
	if err := json.Unmarshal(stderr, &told); err != nil {
		return nil, fmt.Errorf("%w in %s", err, stderr)
	}
	r := &refusal{Status: told.Error.Status, Code: told.Error.Code}
	for _, d := range told.Error.Details {
		r.Fields = append(r.Fields, d.Field)
	}
	want := 1
	switch {
	case r.Status == 0 && exit == 4:
		return &refusal{Status: 401, Code: "unauthorized"}, nil
	case r.Status == 0 && exit == 2:
		r = &refusal{Status: 422, Code: "validation_error"}
		for prefix, values := range map[string]map[string]any{"body.": s.Body, "query.": s.Query} {
			for name := range values {
				if flag := flags[name]; flag != "" && strings.Contains(told.Error.Message, flag) {
					r.Fields = append(r.Fields, prefix+name)
				}
			}
		}
		return r, nil
	case r.Status == 401 || r.Status == 403:
		want = 4
	case r.Status == 422:
		want = 2
	}
	if exit != want {
		return nil, fmt.Errorf("ended with exit code %d, want %d: %s", exit, want, stderr)
	}
	return r, nil
}

// flags are the flag that gives each field of a body or of a query.
var flags = map[string]string{
	"name": "--name", "key_type": "--type", "prefix": "--prefix", "scopes": "--scope", "rate_limit_per_min": "--rate-limit", "expires_at": "--expires",
	"allowed_ips": "--allow-ip", "metadata": "--metadata", "client_ip": "--client-ip", "cost": "--cost",
	"status": "--status", "q": "--search", "scope": "--scope", "created_by": "--created-by", "sort": "--sort", "granularity": "--by",
	"grace_period_seconds": "--grace", "slug": "--slug", "color_idx": "--color", "default_language": "--language", "theme": "--theme", "role": "--role",
}

// cleared are the flags that take a value away.
var cleared = map[string][]string{
	"rate_limit_per_min": {"--rate-limit", "default"}, "expires_at": {"--expires", "never"}, "default_language": {"--language", "none"}, "theme": {"--theme", "none"},
	"scopes": {"--no-scopes"}, "allowed_ips": {"--allow-any-ip"}, "metadata": {"--no-metadata"},
}

// given are the flags of the values but those that are named.
func given(values map[string]any, without ...string) (args []string, err error) {
	for name, v := range values {
		if slices.Contains(without, name) {
			continue
		}
		flag, ok := flags[name]
		if !ok {
			return nil, fmt.Errorf("no flag gives %s", name)
		}
		switch v := v.(type) {
		case nil:
			args = append(args, cleared[name]...)
		case []any:
			for _, item := range v {
				args = append(args, flag, fmt.Sprint(item))
			}
			if len(v) == 0 {
				args = append(args, cleared[name]...)
			}
		case map[string]any:
			for key, value := range v {
				args = append(args, flag, fmt.Sprintf("%s=%v", key, value))
			}
			if len(v) == 0 {
				args = append(args, cleared[name]...)
			}
		case float64:
			args = append(args, flag, fmt.Sprintf("%.0f", v))
		default:
			args = append(args, flag, fmt.Sprint(v))
		}
	}
	return args, nil
}

// command is how a call is made: its words, then what these functions give.
type command struct {
	words string
	args  func(s *step) []string // what is named without a flag
	stdin func(s *step) string
	// not are fields that args or stdin give.
	not []string
}

func of(name string) func(*step) []string {
	return func(s *step) []string { return []string{s.Path[name]} }
}

func body(name string) func(*step) []string {
	return func(s *step) []string { return []string{text(s.Body, name)} }
}

func in(name string) func(*step) []string {
	return func(s *step) []string { return []string{"--workspace", s.Path["workspace_id"], s.Path[name]} }
}

func all(s *step) []string { return append(inWorkspace(s), "--all") }

func inWorkspace(s *step) []string {
	if id, ok := s.Path["workspace_id"]; ok {
		return []string{"--workspace", id}
	}
	return nil
}

var commands = map[string]command{
	"health": {words: "health"},
	"whoami": {words: "whoami"},

	"list-api-keys":  {words: "keys list", args: all, not: []string{"limit"}},
	"create-api-key": {words: "keys create", args: body("name"), not: []string{"name"}},
	"get-api-key":    {words: "keys get", args: of("key_id")},
	"update-api-key": {words: "keys update", not: []string{"active"}, args: func(s *step) []string {
		switch s.Body["active"] {
		case true:
			return []string{s.Path["key_id"], "--resume"}
		case false:
			return []string{s.Path["key_id"], "--suspend"}
		default:
			return []string{s.Path["key_id"]}
		}
	}},
	"delete-api-key": {words: "keys revoke", args: of("key_id")},
	"rotate-api-key": {words: "keys rotate", not: []string{"grace_period_seconds"}, args: func(s *step) []string {
		if grace, ok := s.Body["grace_period_seconds"].(float64); ok {
			return []string{s.Path["key_id"], "--grace", fmt.Sprintf("%.0fs", grace)}
		}
		return []string{s.Path["key_id"]}
	}},
	"verify-api-key":    {words: "keys verify -", stdin: func(s *step) string { return text(s.Body, "key") + "\n" }, not: []string{"key"}},
	"get-api-key-usage": {words: "keys usage", args: of("key_id")},
	"get-usage":         {words: "keys usage"},

	"list-workspaces":           {words: "workspaces list", args: all, not: []string{"limit"}},
	"create-workspace":          {words: "workspaces create", args: body("name"), not: []string{"name"}},
	"get-workspace":             {words: "workspaces get", args: of("workspace_id")},
	"update-workspace":          {words: "workspaces update", args: of("workspace_id")},
	"delete-workspace":          {words: "workspaces delete", args: of("workspace_id")},
	"slug-available":            {words: "workspaces slug", args: func(s *step) []string { return []string{text(s.Query, "slug")} }, not: []string{"slug"}},
	"get-workspace-settings":    {words: "workspaces settings", args: of("workspace_id")},
	"update-workspace-settings": {words: "workspaces settings", args: of("workspace_id")},

	"list-members":  {words: "members list", args: all, not: []string{"limit"}},
	"update-member": {words: "members update", args: in("member_id")},
	"remove-member": {words: "members remove", args: in("member_id")},
	"list-invites":  {words: "invites list", args: all, not: []string{"limit"}},
	"create-invite": {words: "invites create", args: func(s *step) []string { return append(inWorkspace(s), text(s.Body, "email")) }, not: []string{"email"}},
	"update-invite": {words: "invites update", args: in("invite_id")},
	"revoke-invite": {words: "invites revoke", args: in("invite_id")},
	"accept-invite": {words: "invites accept -", stdin: func(s *step) string { return s.Path["token"] + "\n" }},
}

// commandOf is the command line of a step, without the flags that all have, and what it
// reads.
func commandOf(s *step) (args []string, stdin string, err error) {
	c, ok := commands[s.Call]
	if !ok {
		return nil, "", fmt.Errorf("the command line has no command for %s", s.Call)
	}
	args = strings.Fields(c.words)
	for _, values := range []map[string]any{s.Query, s.Body} {
		more, err := given(values, c.not...)
		if err != nil {
			return nil, "", err
		}
		args = append(args, more...)
	}
	if c.args != nil {
		args = append(args, c.args(s)...)
	}
	if c.stdin != nil {
		stdin = c.stdin(s)
	}
	return args, stdin, nil
}
