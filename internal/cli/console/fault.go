package console

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/keypin/keypin/client"
	"github.com/keypin/keypin/internal/cli/problem"
	"github.com/keypin/keypin/internal/cli/profile"
	"github.com/keypin/keypin/internal/cli/show"
)

// notSignedIn tells how to sign in.
func (s *session) notSignedIn() *problem.Problem {
	p := &problem.Problem{What: "not signed in at " + s.settings.BaseURL.Value(), Exit: problem.ExitDenied}
	if s.settings.Withheld != "" {
		p.What += ": " + s.settings.Withheld
		return p.WithDo("keypin login --profile NAME --base-url %s, with a name of its own", s.settings.BaseURL.Value())
	}
	login := "keypin login"
	if s.settings.Named {
		login += " --profile " + s.settings.Profile
	}
	return p.WithDo("%s, or set %s (or %s)", login, profile.EnvAPIKey, profile.EnvToken)
}

// fault makes a problem of a call's error.
func (s *session) fault(err error) error {
	var e *client.Error
	if !errors.As(err, &e) {
		return err
	}
	if errors.Is(err, context.Canceled) {
		return s.interrupted(e)
	}
	p := &problem.Problem{What: sentence(e.Message), Status: e.Status, Code: string(e.Code), RequestID: e.RequestID, Exit: problem.ExitFailed}
	for _, d := range e.Details {
		p.Fields = append(p.Fields, problem.Field{Name: d.Field, Argument: s.argumentOf(d.Field), Message: d.Message})
	}
	switch {
	case errors.Is(err, client.ErrUnauthorized):
		p.Exit = problem.ExitDenied
		return s.unauthorized(p)
	case errors.Is(err, client.ErrForbidden):
		p.Exit = problem.ExitDenied
		return s.forbidden(p, e)
	case errors.Is(err, client.ErrValidation):
		p.Exit = problem.ExitUsage
		return p.WithDo("correct what is named; %s --help says what is taken", s.cmd.CommandPath())
	}
	return s.otherwise(p, e)
}

// interrupted tells what may have come of a call that was stopped.
func (s *session) interrupted(e *client.Error) *problem.Problem {
	p := problem.Interrupted(context.Canceled)
	switch e.Op {
	case "create-api-key", "rotate-api-key":
		return p.WithDo("a key may have been made already: look with keypin keys list, and revoke it if its secret is lost")
	case "create-invite":
		return p.WithDo("an invite may have been made already: look with keypin invites list")
	}
	return p
}

func (s *session) unauthorized(p *problem.Problem) *problem.Problem {
	source := s.settings.Credential.Source
	p.What = fmt.Sprintf("%s refused the credential of %s", s.settings.BaseURL.Value(), source)
	if at, ok := expiry(s.settings.Credential.Secret()); ok && at.Before(s.out.Now) {
		p.What += ", a session token that expired " + show.Relative(s.out.Now, at)
	}
	switch {
	case strings.HasPrefix(source, "profile "):
		return p.WithDo("keypin login --profile %s", s.settings.Profile)
	case source == "":
		return p.WithDo("check that it is a key or a session token of this service, whole, and not revoked or expired")
	default:
		return p.WithDo("renew %s, or unset it to use a profile", source)
	}
}

func (s *session) forbidden(p *problem.Problem, e *client.Error) *problem.Problem {
	switch {
	case e.Code == client.CodeWorkspaceForbidden && s.settings.Workspace.Source != "":
		return p.WithDo("the workspace is that of %s: choose one that keypin workspaces list shows", s.settings.Workspace.Source)
	case e.Code == client.CodeInsufficientScope:
		return p.WithDo("use a key that has the scope, or a session; keypin whoami shows the scopes of this one")
	default:
		return p.WithDo("keypin whoami shows who you are here; ask an admin of the workspace")
	}
}

func (s *session) otherwise(p *problem.Problem, e *client.Error) *problem.Problem {
	base := s.settings.BaseURL
	switch {
	case errors.Is(e, client.ErrRateLimited):
		return p.WithDo("try again in %s", show.Span(max(e.RetryAfter, 10*time.Second)))
	case errors.Is(e, client.ErrUpgradeRequired):
		return p.WithDo("install a newer keypin; this one is %s", s.process.Version)
	case errors.Is(e, client.ErrNotFound):
		return p.WithDo("look for it with %s list; %s", parentPath(s), s.whereLooked())
	case errors.Is(e, client.ErrUnavailable) && e.Status == 0:
		p.What = fmt.Sprintf("%s does not answer: %s", base.Value(), strings.TrimPrefix(p.What, "no answer: "))
		if base.Source == "default" {
			return p.WithDo("start a service here with keypin serve, or name another with --base-url or keypin login")
		}
		return p.WithDo("check that the service runs and that the address (of %s) is right", base.Source)
	case errors.Is(e, client.ErrUnavailable):
		return p.WithDo("try again in a while; keypin health shows how the service is")
	case e.Code == "":
		return p.WithDo("check the address %s (of %s)", base.Value(), base.Source)
	case e.Code == client.CodeInternal:
		return p.WithDo("try again; if it stays, give the request id to who runs the service")
	}
	return p
}

func (s *session) whereLooked() string {
	if id := s.settings.Workspace; id.Value() != "" {
		return "it was looked for in the workspace of " + id.Source
	}
	return "it was looked for in your own workspace"
}

func parentPath(s *session) string {
	if parent := s.cmd.Parent(); parent != nil && parent.HasParent() {
		return parent.CommandPath()
	}
	return "keypin keys"
}

// sentence is a message without its full stop.
func sentence(s string) string { return strings.TrimSuffix(show.Clean(s), ".") }

var index = regexp.MustCompile(`\[\d+\]|^(body\.metadata)\..*`)

// argumentOf is the flag or argument behind a field of the request; "" = none.
func (s *session) argumentOf(field string) string {
	plain := index.ReplaceAllString(field, "$1")
	for _, name := range fieldNames()[plain] {
		flag, isFlag := strings.CutPrefix(name, "--")
		if !isFlag && strings.Contains(s.cmd.Use, name) || isFlag && s.cmd.Flag(flag) != nil {
			return name
		}
	}
	return ""
}

// fieldNames are the flags and arguments behind the fields.
func fieldNames() map[string][]string {
	return map[string][]string{
		"body.name":                 {"--name", "NAME"},
		"body.scopes":               {"--scope"},
		"body.key_type":             {"--type"},
		"body.rate_limit_per_min":   {"--rate-limit"},
		"body.prefix":               {"--prefix"},
		"body.expires_at":           {"--expires"},
		"body.allowed_ips":          {"--allow-ip"},
		"body.metadata":             {"--metadata"},
		"body.grace_period_seconds": {"--grace"},
		"body.client_ip":            {"--client-ip"},
		"body.cost":                 {"--cost"},
		"body.slug":                 {"--slug"},
		"body.color_idx":            {"--color"},
		"body.email":                {"EMAIL"},
		"body.role":                 {"--role"},
		"body.default_language":     {"--language"},
		"body.theme":                {"--theme"},
		"query.limit":               {"--limit"},
		"query.status":              {"--status"},
		"query.q":                   {"--search"},
		"query.key_type":            {"--type"},
		"query.scope":               {"--scope"},
		"query.created_by":          {"--created-by"},
		"query.sort":                {"--sort"},
		"query.from":                {"--from"},
		"query.to":                  {"--to"},
		"query.granularity":         {"--by"},
		"path.key_id":               {"KEY"},
		"path.workspace_id":         {"WORKSPACE", "--workspace"},
		"path.member_id":            {"MEMBER"},
		"path.invite_id":            {"INVITE"},
		"header.X-Workspace-Id":     {"--workspace"},
	}
}
