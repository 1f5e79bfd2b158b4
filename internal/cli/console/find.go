package console

import (
	"context"
	"iter"
	"strings"

	"github.com/keypin/keypin/client"
	"github.com/keypin/keypin/internal/cli/problem"
	"github.com/keypin/keypin/internal/cli/show"
)

// maxOffered bounds how many are offered to choose from.
const maxOffered = 1000

// maxSearched bounds how many keys are looked through for one. A name has as many as it
// was rotated, and a short text is in the names of very many.
const maxSearched = 5000

const toNameAKey = "name the one that is meant by its id or its last 6 characters"

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
	named := func(k *client.APIKey) bool { return k.Name == ref || k.KeySuffix == ref || k.Preview == ref }
	all, err := call(s, func(ctx context.Context, api *client.Client) ([]client.APIKey, error) {
		found := api.Keys.List(ctx, client.ListKeysParams{Status: client.KeysAll, Text: text})
		return client.Collect(where(atMost(maxSearched, found, problem.Usage("too many keys match").WithDo(toNameAKey)), named))
	})
	if err != nil {
		return nil, err
	}
	var usable []client.APIKey
	for _, k := range all {
		if s.keyState(&k).Text == "active" {
			usable = append(usable, k)
		}
	}
	matches := usable
	if len(usable) == 0 {
		matches = all
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
	return nil, p.WithDo(toNameAKey)
}

// where is a list without what does not match.
func where[T any](list iter.Seq2[T, error], match func(*T) bool) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for item, err := range list {
			if (err != nil || match(&item)) && !yield(item, err) {
				return
			}
		}
	}
}

// atMost is a list that ends with an error behind its first n.
func atMost[T any](n int, list iter.Seq2[T, error], longer error) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		seen := 0
		for item, err := range list {
			if seen++; seen > n && err == nil {
				yield(item, longer)
				return
			}
			if !yield(item, err) {
				return
			}
		}
	}
}

// firstOf collects the first n of a list. No page behind them is fetched.
func firstOf[T any](n int, list iter.Seq2[T, error]) ([]T, error) {
	var items []T
	for item, err := range list {
		if err != nil {
			return nil, err
		}
		if items = append(items, item); len(items) == n {
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
	found, err := call(s, func(ctx context.Context, api *client.Client) ([]client.Workspace, error) {
		return firstOf(1, where(api.Workspaces.List(ctx, client.ListParams{}), func(w *client.Workspace) bool { return w.Slug == ref }))
	})
	if err != nil {
		return "", err
	}
	if len(found) > 0 {
		return found[0].ID, nil
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

// findMember gives a member by its id or e-mail address.
func (s *session) findMember(workspace, ref string) (*client.Member, error) {
	// The list ends with the pending invites, which are no members yet.
	meant := func(m *client.Member) bool {
		return m.Status == client.MemberActive && (same(m.ID, ref) || same(m.UserID, ref) || same(m.Email, ref))
	}
	found, err := call(s, func(ctx context.Context, api *client.Client) ([]client.Member, error) {
		return firstOf(1, where(api.Members.List(ctx, workspace, client.ListParams{}), meant))
	})
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, problem.Failed("there is no such member in the workspace").
			WithDo("keypin members list shows the members; name one by its id or e-mail address")
	}
	return &found[0], nil
}

// findInvite gives the workspace and the id of a pending invite by its id or e-mail
// address; an id is believed.
func (s *session) findInvite(ref string) (workspace, id string, err error) {
	if workspace, err = s.ownWorkspace(); err != nil || isUUID(ref) {
		return workspace, ref, err
	}
	found, err := call(s, func(ctx context.Context, api *client.Client) ([]client.Invite, error) {
		return firstOf(1, where(api.Invites.List(ctx, workspace, client.ListParams{}), func(v *client.Invite) bool { return same(v.Email, ref) }))
	})
	if err != nil {
		return "", "", err
	}
	if len(found) == 0 {
		return "", "", problem.Failed("there is no such pending invite in the workspace").
			WithDo("keypin invites list shows those there are; name one by its id or e-mail address")
	}
	return workspace, found[0].ID, nil
}

// same tells whether a value is there and what is meant, in whatever case.
func same(value, ref string) bool { return value != "" && strings.EqualFold(value, ref) }
