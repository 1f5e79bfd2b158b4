package doors

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/keypin/keypin/client"
)

// goClient makes the calls with the Go client.
type goClient struct{ url string }

// goCall is one of the client's calls.
type goCall func(ctx context.Context, c *client.Client, s *step) (any, error)

func (g *goClient) do(ctx context.Context, s *step, credential string) (*result, error) {
	call, ok := goCalls[s.Call]
	if !ok {
		return nil, fmt.Errorf("the Go client has no call for %s", s.Call)
	}
	var options []client.Option
	if credential != "" {
		options = append(options, client.WithToken(credential))
	}
	if s.Workspace != "" {
		options = append(options, client.WithWorkspace(s.Workspace))
	}
	c, err := client.New(g.url, options...)
	if err != nil {
		return nil, err
	}
	data, err := call(ctx, c, s)
	var refused *client.Error
	switch {
	case errors.As(err, &refused):
		r := &refusal{Status: refused.Status, Code: string(refused.Code)}
		for _, d := range refused.Details {
			r.Fields = append(r.Fields, d.Field)
		}
		return &result{Refused: r}, nil
	case err != nil:
		return nil, err
	}
	raw, err := json.Marshal(data)
	if err != nil {
		return nil, err
	}
	out := new(result)
	return out, json.Unmarshal(raw, &out.Data)
}

// into reads the values of a step as the client's own parameters, which have the API's
// names.
func into[T any](values map[string]any) (p T, err error) {
	raw, err := json.Marshal(values)
	if err != nil {
		return p, err
	}
	return p, json.Unmarshal(raw, &p)
}

// field reads one value that may be missing, null or set.
func field[T any](values map[string]any, name string) (f client.Field[T], err error) {
	v, given := values[name]
	switch {
	case !given:
		return f, nil
	case v == nil:
		return client.Clear[T](), nil
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return f, err
	}
	var value T
	err = json.Unmarshal(raw, &value)
	return client.Set(value), err
}

func text(values map[string]any, name string) string { s, _ := values[name].(string); return s }

// shown is a new key with its plaintext, which the client would mask.
func shown(k *client.CreatedKey) (map[string]any, error) { return revealed(k, "api_key", k.Secret) }

func revealed(v any, name string, secret client.Secret) (map[string]any, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	var m map[string]any
	err = json.Unmarshal(raw, &m)
	m[name] = secret.Reveal()
	return m, err
}

func part(s *step) client.ListParams {
	n, _ := s.Query["limit"].(float64)
	return client.ListParams{Limit: int(n)}
}

var goCalls = map[string]goCall{
	"health": func(ctx context.Context, c *client.Client, _ *step) (any, error) { return c.Health(ctx) },
	"whoami": func(ctx context.Context, c *client.Client, _ *step) (any, error) { return c.WhoAmI(ctx) },

	"list-api-keys": func(ctx context.Context, c *client.Client, s *step) (any, error) {
		return client.Collect(c.Keys.List(ctx, client.ListKeysParams{
			Status: client.KeyStatus(text(s.Query, "status")), Text: text(s.Query, "q"), KeyType: client.KeyType(text(s.Query, "key_type")),
			Scope: text(s.Query, "scope"), CreatedBy: text(s.Query, "created_by"), Sort: client.KeySort(text(s.Query, "sort")), Limit: part(s).Limit,
		}))
	},
	"create-api-key": func(ctx context.Context, c *client.Client, s *step) (any, error) {
		p, err := into[client.CreateKeyParams](s.Body)
		if err != nil {
			return nil, err
		}
		k, err := c.Keys.Create(ctx, p)
		if err != nil {
			return nil, err
		}
		return shown(k)
	},
	"get-api-key": func(ctx context.Context, c *client.Client, s *step) (any, error) {
		return c.Keys.Get(ctx, s.Path["key_id"])
	},
	"update-api-key": func(ctx context.Context, c *client.Client, s *step) (any, error) {
		var p client.UpdateKeyParams
		var errs [7]error
		p.Name, errs[0] = field[string](s.Body, "name")
		p.Scopes, errs[1] = field[[]string](s.Body, "scopes")
		p.Active, errs[2] = field[bool](s.Body, "active")
		p.RateLimitPerMin, errs[3] = field[int](s.Body, "rate_limit_per_min")
		p.ExpiresAt, errs[4] = field[time.Time](s.Body, "expires_at")
		p.AllowedIPs, errs[5] = field[[]string](s.Body, "allowed_ips")
		p.Metadata, errs[6] = field[map[string]string](s.Body, "metadata")
		if err := errors.Join(errs[:]...); err != nil {
			return nil, err
		}
		return c.Keys.Update(ctx, s.Path["key_id"], p)
	},
	"delete-api-key": func(ctx context.Context, c *client.Client, s *step) (any, error) {
		return c.Keys.Revoke(ctx, s.Path["key_id"])
	},
	"rotate-api-key": func(ctx context.Context, c *client.Client, s *step) (any, error) {
		grace, _ := s.Body["grace_period_seconds"].(float64)
		expires, err := field[time.Time](s.Body, "expires_at")
		if err != nil {
			return nil, err
		}
		r, err := c.Keys.Rotate(ctx, s.Path["key_id"], client.RotateKeyParams{Grace: time.Duration(grace) * time.Second, ExpiresAt: expires})
		if err != nil {
			return nil, err
		}
		made, err := shown(&r.NewKey)
		return map[string]any{"old_key": r.OldKey, "new_key": made}, err
	},
	"verify-api-key": func(ctx context.Context, c *client.Client, s *step) (any, error) {
		p, err := into[struct {
			Key, UserAgent string
			Scopes         []string
			ClientIP       netip.Addr `json:"client_ip"`
			Cost           *int
		}](s.Body)
		if err != nil {
			return nil, err
		}
		return c.Keys.Verify(ctx, client.VerifyParams{Key: client.NewSecret(p.Key), Scopes: p.Scopes, ClientIP: p.ClientIP, Cost: p.Cost})
	},
	"get-api-key-usage": func(ctx context.Context, c *client.Client, s *step) (any, error) {
		return c.Keys.Usage(ctx, s.Path["key_id"], client.UsageParams{Granularity: client.Granularity(text(s.Query, "granularity"))})
	},
	"get-usage": func(ctx context.Context, c *client.Client, s *step) (any, error) {
		return c.Usage(ctx, client.UsageParams{Granularity: client.Granularity(text(s.Query, "granularity"))})
	},

	"list-workspaces": func(ctx context.Context, c *client.Client, s *step) (any, error) {
		return client.Collect(c.Workspaces.List(ctx, part(s)))
	},
	"create-workspace": func(ctx context.Context, c *client.Client, s *step) (any, error) {
		p, err := into[client.CreateWorkspaceParams](s.Body)
		if err != nil {
			return nil, err
		}
		return c.Workspaces.Create(ctx, p)
	},
	"get-workspace": func(ctx context.Context, c *client.Client, s *step) (any, error) {
		return c.Workspaces.Get(ctx, s.Path["workspace_id"])
	},
	"update-workspace": func(ctx context.Context, c *client.Client, s *step) (any, error) {
		var p client.UpdateWorkspaceParams
		var errs [3]error
		p.Name, errs[0] = field[string](s.Body, "name")
		p.Slug, errs[1] = field[string](s.Body, "slug")
		p.ColorIdx, errs[2] = field[int](s.Body, "color_idx")
		if err := errors.Join(errs[:]...); err != nil {
			return nil, err
		}
		return c.Workspaces.Update(ctx, s.Path["workspace_id"], p)
	},
	"delete-workspace": func(ctx context.Context, c *client.Client, s *step) (any, error) {
		return c.Workspaces.Delete(ctx, s.Path["workspace_id"])
	},
	"slug-available": func(ctx context.Context, c *client.Client, s *step) (any, error) {
		free, err := c.Workspaces.SlugAvailable(ctx, text(s.Query, "slug"))
		return map[string]any{"slug": s.Query["slug"], "available": free}, err
	},
	"get-workspace-settings": func(ctx context.Context, c *client.Client, s *step) (any, error) {
		return c.Workspaces.Settings(ctx, s.Path["workspace_id"])
	},
	"update-workspace-settings": func(ctx context.Context, c *client.Client, s *step) (any, error) {
		var p client.UpdateSettingsParams
		var err1, err2 error
		p.DefaultLanguage, err1 = field[string](s.Body, "default_language")
		p.Theme, err2 = field[client.Theme](s.Body, "theme")
		if err := errors.Join(err1, err2); err != nil {
			return nil, err
		}
		return c.Workspaces.UpdateSettings(ctx, s.Path["workspace_id"], p)
	},

	"list-members": func(ctx context.Context, c *client.Client, s *step) (any, error) {
		return client.Collect(c.Members.List(ctx, s.Path["workspace_id"], part(s)))
	},
	"update-member": func(ctx context.Context, c *client.Client, s *step) (any, error) {
		return c.Members.SetRole(ctx, s.Path["workspace_id"], s.Path["member_id"], client.Role(text(s.Body, "role")))
	},
	"remove-member": func(ctx context.Context, c *client.Client, s *step) (any, error) {
		return c.Members.Remove(ctx, s.Path["workspace_id"], s.Path["member_id"])
	},
	"list-invites": func(ctx context.Context, c *client.Client, s *step) (any, error) {
		return client.Collect(c.Invites.List(ctx, s.Path["workspace_id"], part(s)))
	},
	"create-invite": func(ctx context.Context, c *client.Client, s *step) (any, error) {
		made, err := c.Invites.Create(ctx, s.Path["workspace_id"], client.CreateInviteParams{Email: text(s.Body, "email"), Role: client.Role(text(s.Body, "role"))})
		if err != nil {
			return nil, err
		}
		return revealed(made, "token", made.Token)
	},
	"update-invite": func(ctx context.Context, c *client.Client, s *step) (any, error) {
		return c.Invites.SetRole(ctx, s.Path["workspace_id"], s.Path["invite_id"], client.Role(text(s.Body, "role")))
	},
	"revoke-invite": func(ctx context.Context, c *client.Client, s *step) (any, error) {
		return c.Invites.Revoke(ctx, s.Path["workspace_id"], s.Path["invite_id"])
	},
	"accept-invite": func(ctx context.Context, c *client.Client, s *step) (any, error) {
		return c.Invites.Accept(ctx, client.NewSecret(s.Path["token"]))
	},
}
