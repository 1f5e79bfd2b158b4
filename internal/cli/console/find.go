package console

import (
	"context"
	"iter"
	"strings"

	"github.com/keypin/keypin/client"
	"github.com/keypin/keypin/internal/cli/problem"
	"github.com/keypin/keypin/internal/cli/show"
)

// maxCandidates bounds how many are looked at to find one by its name.
const maxCandidates = 1000

// findKey fetches a key by its id, its name or its last characters. Of several with the
// same name the one that can be used is meant, for the others are what it was rotated from.
func (s *session) findKey(ref string) (*client.APIKey, error) {
	if looksSecret(ref) {
		return nil, notAsArgument()
	}
	if isUUID(ref) {
		return call(s, func(ctx context.Context, api *client.Client) (*client.APIKey, error) { return api.Keys.Get(ctx, ref) })
	}
	text := ref
	if at := strings.LastIndex(ref, "-xxxxxx-"); at >= 0 {
		text = ref[at+len("-xxxxxx-"):]
	}
	candidates, err := call(s, func(ctx context.Context, api *client.Client) ([]client.APIKey, error) {
		return firstOf(api.Keys.List(ctx, client.ListKeysParams{Status: client.KeysAll, Text: text}))
	})
	if err != nil {
		return nil, err
	}
	var usable, others []client.APIKey
	for _, k := range candidates {
		if k.Name != ref && k.KeySuffix != ref && k.Preview != ref {
			continue
		}
		if state := s.keyState(&k).Text; state == "active" {
			usable = append(usable, k)
		} else {
			others = append(others, k)
		}
	}
	matches := usable
	if len(usable) == 0 {
		matches = others
	}
	switch len(matches) {
	case 1:
		return &matches[0], nil
	case 0:
		return nil, problem.Failed("there is no key with this name, id or ending in the workspace").
			WithDo("keypin keys list --status all shows those there are; %s", s.whereLooked())
	}
	p := problem.Usage("%d keys are called so", len(matches))
	for _, k := range matches[:min(len(matches), 5)] {
		p.Fields = append(p.Fields, problem.Field{Name: k.ID, Message: show.Clean(k.Preview) + ", made " + show.Relative(s.out.Now, k.CreatedAt)})
	}
	return nil, p.WithDo("name the one that is meant by its id or its last 6 characters")
}

// firstOf collects a list up to a bound.
func firstOf[T any](list iter.Seq2[T, error]) ([]T, error) {
	var items []T
	for item, err := range list {
		if err != nil {
			return nil, err
		}
		if items = append(items, item); len(items) == maxCandidates {
			break
		}
	}
	return items, nil
}

// findWorkspace gives the id of a workspace that is named by its id or its slug; "" is
// the one that commands act in.
func (s *session) findWorkspace(ref string) (string, error) {
	if isUUID(ref) {
		return ref, nil
	}
	if ref == "" {
		return s.ownWorkspace()
	}
	all, err := call(s, func(ctx context.Context, api *client.Client) ([]client.Workspace, error) {
		return firstOf(api.Workspaces.List(ctx, client.ListParams{}))
	})
	if err != nil {
		return "", err
	}
	for _, w := range all {
		if w.Slug == ref {
			return w.ID, nil
		}
	}
	return "", problem.Failed("you are in no workspace with this slug").WithDo("keypin workspaces list shows those you are in; name one by its slug or id")
}

// ownWorkspace is the id of the workspace that commands act in.
func (s *session) ownWorkspace() (string, error) {
	if _, err := s.client(); err != nil {
		return "", err
	}
	if id := s.settings.Workspace.Value(); id != "" {
		return id, nil
	}
	me, err := call(s, func(ctx context.Context, api *client.Client) (*client.WhoAmI, error) { return api.WhoAmI(ctx) })
	if err != nil {
		return "", err
	}
	return me.WorkspaceID, nil
}

// findMember gives a row of the list of members by its id or e-mail address; pending
// tells whether an invite is meant.
func (s *session) findMember(workspace, ref string, pending bool) (*client.Member, error) {
	what, status := "member", client.MemberActive
	if pending {
		what, status = "pending invite", client.MemberPending
	}
	all, err := call(s, func(ctx context.Context, api *client.Client) ([]client.Member, error) {
		return firstOf(api.Members.List(ctx, workspace, client.ListParams{}))
	})
	if err != nil {
		return nil, err
	}
	for i := range all {
		m := &all[i]
		if m.Status == status && (strings.EqualFold(m.ID, ref) || m.UserID != "" && strings.EqualFold(m.UserID, ref) || m.Email != "" && strings.EqualFold(m.Email, ref)) {
			return m, nil
		}
	}
	return nil, problem.Failed("there is no such %s in the workspace", what).
		WithDo("keypin members list shows the members and the pending invites; name one by its id or e-mail address")
}
