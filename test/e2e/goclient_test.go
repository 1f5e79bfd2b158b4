package e2e

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	sdk "github.com/keypin/keypin/client"
	"github.com/keypin/keypin/internal/keypin"
)

// connect makes a Go client of the service.
func (s *service) connect(t testing.TB, token string, options ...sdk.Option) *sdk.Client {
	t.Helper()
	c, err := sdk.New(s.URL, append([]sdk.Option{sdk.WithToken(token)}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// got is a result that must not have failed: got(c.WhoAmI(ctx))(t).
func got[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func TestTheGoClientLeadsAKeysLife(t *testing.T) {
	s, ctx := start(t), t.Context()
	c := s.connect(t, s.session(t, "ada@example.com", "", ""))
	expires := time.Now().Add(time.Hour).UTC().Truncate(time.Second)
	var meta sdk.ResponseMeta
	made := got(c.Keys.Create(ctx, sdk.CreateKeyParams{Name: "Marketing API Key", KeyType: sdk.KeyReadOnly, Scopes: []string{"voices:read", "workflows:read"},
		RateLimitPerMin: new(100), Prefix: "mkapi", ExpiresAt: &expires, AllowedIPs: []string{"10.0.0.0/8", "::1"}, Metadata: map[string]string{"team": "growth"}}, sdk.CaptureMeta(&meta)))(t)
	secret := made.Secret
	if meta.Status != 201 || meta.Attempts != 1 || meta.Replayed || !strings.HasPrefix(meta.RequestID, "req_") || !strings.HasPrefix(secret.Reveal(), "mkapi_") {
		t.Errorf("%+v", meta)
	}
	want := made.APIKey
	want.Name, want.KeyType, want.KeyPrefix, want.KeySuffix = "Marketing API Key", "read-only", "mkapi", secret.Reveal()[len(secret.Reveal())-6:]
	want.Preview, want.Scopes, want.Active = "mkapi-xxxxxx-"+want.KeySuffix, []string{"workflows:read", "voices:read"}, true
	want.RateLimitPerMin, want.ExpiresAt, want.AllowedIPs, want.Metadata = new(100), &expires, []string{"10.0.0.0/8", "::1"}, map[string]string{"team": "growth"}
	if diff := cmp.Diff(want, made.APIKey); diff != "" {
		t.Errorf("made (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(made.APIKey, *got(c.Keys.Get(ctx, made.ID))(t)); diff != "" {
		t.Errorf("got (-made +got):\n%s", diff)
	}

	verify := func(secret sdk.Secret, scopes ...string) *sdk.Verification {
		t.Helper()
		return got(c.Keys.Verify(ctx, sdk.VerifyParams{Key: secret, Scopes: scopes, ClientIP: netip.MustParseAddr("10.1.2.3"), Cost: new(10)}))(t)
	}
	if v := verify(secret, "voices:read"); !v.Valid || v.APIKey.ID != made.ID || v.APIKey.Metadata["team"] != "growth" || v.RateLimit.Limit != 100 || v.RateLimit.Remaining != 90 {
		t.Errorf("%+v", v)
	}
	if v := verify(secret, "voices:write"); v.Valid || v.Code != sdk.OutcomeInsufficientScope {
		t.Errorf("%+v", v)
	}
	if v := got(c.Keys.Verify(ctx, sdk.VerifyParams{Key: secret}))(t); v.Code != sdk.OutcomeIPNotAllowed {
		t.Errorf("%+v", v)
	}
	if v := verify(sdk.NewSecret("no key")); v.Code != sdk.OutcomeMalformed || v.APIKey != nil {
		t.Errorf("%+v", v)
	}

	rotation := got(c.Keys.Rotate(ctx, made.ID, sdk.RotateKeyParams{Grace: time.Minute, ExpiresAt: sdk.Clear[time.Time]()}))(t)
	if rotation.OldKey.RotatedTo != rotation.NewKey.ID || rotation.NewKey.RotatedFrom != made.ID || rotation.NewKey.ExpiresAt != nil || !verify(secret).Valid || !verify(rotation.NewKey.Secret).Valid {
		t.Errorf("%+v", rotation)
	}
	revoked := got(c.Keys.Revoke(ctx, rotation.NewKey.ID))(t)
	again := got(c.Keys.Revoke(ctx, rotation.NewKey.ID))(t)
	if diff := cmp.Diff(revoked, again); diff != "" || revoked.RevokedAt == nil || revoked.Active {
		t.Errorf("revoked %+v, again:\n%s", revoked, diff)
	}
	if v := verify(rotation.NewKey.Secret); v.Code != sdk.OutcomeRevoked {
		t.Errorf("%+v", v)
	}
	if all := s.Log.String(); strings.Contains(all, secret.Reveal()) {
		t.Error("the key is in the service's log")
	}
}

func TestTheGoClientTellsAbsentFromNull(t *testing.T) {
	s, ctx := start(t), t.Context()
	c := s.connect(t, s.session(t, "ada@example.com", "", ""))
	expires := time.Now().Add(time.Hour).UTC().Truncate(time.Second)
	made := got(c.Keys.Create(ctx, sdk.CreateKeyParams{Name: "a", Scopes: []string{"voices:read"}, RateLimitPerMin: new(5), ExpiresAt: &expires,
		AllowedIPs: []string{"10.0.0.1"}, Metadata: map[string]string{"a": "b"}}))(t)
	last := made.APIKey
	for _, step := range []struct {
		name   string
		params sdk.UpdateKeyParams
		change func(*sdk.APIKey)
	}{
		{"nothing", sdk.UpdateKeyParams{}, func(*sdk.APIKey) {}},
		{"a name", sdk.UpdateKeyParams{Name: sdk.Set("b")}, func(k *sdk.APIKey) { k.Name = "b" }},
		{"suspend", sdk.UpdateKeyParams{Active: sdk.Set(false)}, func(k *sdk.APIKey) { k.Active = false }},
		{"no limit", sdk.UpdateKeyParams{RateLimitPerMin: sdk.Clear[int]()}, func(k *sdk.APIKey) { k.RateLimitPerMin = nil }},
		{"a limit", sdk.UpdateKeyParams{RateLimitPerMin: sdk.Set(7)}, func(k *sdk.APIKey) { k.RateLimitPerMin = new(7) }},
		{"no expiry", sdk.UpdateKeyParams{ExpiresAt: sdk.Clear[time.Time]()}, func(k *sdk.APIKey) { k.ExpiresAt = nil }},
		{"no scopes", sdk.UpdateKeyParams{Scopes: sdk.Set[[]string](nil)}, func(k *sdk.APIKey) { k.Scopes = []string{} }},
		{"any address", sdk.UpdateKeyParams{AllowedIPs: sdk.Clear[[]string]()}, func(k *sdk.APIKey) { k.AllowedIPs = []string{} }},
		{"no pairs", sdk.UpdateKeyParams{Metadata: sdk.Set[map[string]string](nil)}, func(k *sdk.APIKey) { k.Metadata = map[string]string{} }},
	} {
		updated := got(c.Keys.Update(ctx, made.ID, step.params, sdk.IfMatch(last.ETag)))(t)
		want := last
		step.change(&want)
		want.UpdatedAt, want.ETag = updated.UpdatedAt, updated.ETag
		if diff := cmp.Diff(want, *updated); diff != "" {
			t.Errorf("%s (-want +got):\n%s", step.name, diff)
		}
		last = *updated
	}
	if _, err := c.Keys.Update(ctx, made.ID, sdk.UpdateKeyParams{Name: sdk.Set("c")}, sdk.IfMatch(made.ETag)); !errors.Is(err, sdk.ErrPreconditionFailed) {
		t.Errorf("an update of what has changed since: %v", err)
	}
}

func TestTheGoClientGoesThroughLists(t *testing.T) {
	s, ctx := start(t), t.Context()
	c := s.connect(t, s.session(t, "ada@example.com", "", ""))
	var want []string
	for i := range 105 {
		name := fmt.Sprintf("key %03d", i)
		got(c.Keys.Create(ctx, sdk.CreateKeyParams{Name: name}))(t)
		want = append(want, name)
	}
	for name, c2 := range map[string]struct {
		params sdk.ListKeysParams
		want   []string
	}{
		"pages of 100":     {sdk.ListKeysParams{Sort: sdk.SortName}, want},
		"pages of 10":      {sdk.ListKeysParams{Sort: sdk.SortOldestFirst, Limit: 10}, want},
		"the end":          {sdk.ListKeysParams{Sort: sdk.SortName, Offset: 100, Limit: 2}, want[100:]},
		"a part of a name": {sdk.ListKeysParams{Status: sdk.KeysAll, Text: "Y 10", Sort: sdk.SortName, Limit: 3}, want[100:]},
		"none":             {sdk.ListKeysParams{Status: sdk.KeysRevoked}, nil},
	} {
		var names []string
		for _, key := range got(sdk.Collect(c.Keys.List(ctx, c2.params)))(t) {
			names = append(names, key.Name)
		}
		if diff := cmp.Diff(c2.want, names); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	page := got(c.Keys.ListPage(ctx, sdk.ListKeysParams{Offset: 50, Limit: 5}))(t)
	if len(page.Items) != 5 || page.Total != 105 || page.Offset != 50 || !page.More || page.Items[0].Name != "key 054" {
		t.Errorf("%d of %d from %d, more %v", len(page.Items), page.Total, page.Offset, page.More)
	}
}

func TestTheGoClientManagesWorkspacesAndTheirMembers(t *testing.T) {
	s, ctx := start(t), t.Context()
	ada, bob := s.connect(t, s.session(t, "ada@example.com", "", "")), s.connect(t, s.session(t, "bob@example.com", "", ""))
	if free := got(ada.Workspaces.SlugAvailable(ctx, "acme"))(t); !free {
		t.Error("acme is taken before anybody took it")
	}
	w := got(ada.Workspaces.Create(ctx, sdk.CreateWorkspaceParams{Name: "Acme", Slug: "acme", ColorIdx: 3}))(t)
	if free := got(ada.Workspaces.SlugAvailable(ctx, "acme"))(t); free || w.Name != "Acme" || w.Slug != "acme" || w.ColorIdx != 3 {
		t.Errorf("%+v, free: %v", w, free)
	}
	updated := got(ada.Workspaces.Update(ctx, w.ID, sdk.UpdateWorkspaceParams{Name: sdk.Set("Acme Labs"), ColorIdx: sdk.Set(0)}))(t)
	if fetched := got(ada.Workspaces.Get(ctx, w.ID))(t); *fetched != *updated || updated.Name != "Acme Labs" || updated.Slug != "acme" || updated.ColorIdx != 0 {
		t.Errorf("%+v, fetched %+v", updated, fetched)
	}
	if all := got(sdk.Collect(ada.Workspaces.List(ctx, sdk.ListParams{Limit: 1})))(t); len(all) != 2 || !slices.Contains(all, *updated) {
		t.Errorf("%+v", all)
	}
	got(ada.Workspaces.UpdateSettings(ctx, w.ID, sdk.UpdateSettingsParams{DefaultLanguage: sdk.Set("pt-BR"), Theme: sdk.Set(sdk.ThemeDark)}))(t)
	got(ada.Workspaces.UpdateSettings(ctx, w.ID, sdk.UpdateSettingsParams{Theme: sdk.Clear[sdk.Theme]()}))(t)
	if settings := got(ada.Workspaces.Settings(ctx, w.ID))(t); *settings != (sdk.WorkspaceSettings{DefaultLanguage: "pt-BR"}) {
		t.Errorf("%+v", settings)
	}

	invite := got(ada.Invites.Create(ctx, w.ID, sdk.CreateInviteParams{Email: "bob@example.com", Role: sdk.RoleViewer}))(t)
	spare := got(ada.Invites.Create(ctx, w.ID, sdk.CreateInviteParams{Email: "eve@example.com", Role: sdk.RoleViewer}))(t)
	if changed := got(ada.Invites.SetRole(ctx, w.ID, invite.ID, sdk.RoleEditor))(t); changed.Role != sdk.RoleEditor || changed.Status != sdk.InvitePending {
		t.Errorf("%+v", changed)
	}
	if pending := got(sdk.Collect(ada.Invites.List(ctx, w.ID, sdk.ListParams{Limit: 1})))(t); len(pending) != 2 || pending[1].ID != spare.ID {
		t.Errorf("%+v", pending)
	}
	if gone := got(ada.Invites.Revoke(ctx, w.ID, spare.ID))(t); gone.Status != sdk.InviteRevoked {
		t.Errorf("%+v", gone)
	}
	joined := got(bob.Invites.Accept(ctx, invite.Token))(t)
	if joined.WorkspaceID != w.ID || joined.Role != sdk.RoleEditor || joined.Email != "bob@example.com" || joined.Status != sdk.MemberActive {
		t.Errorf("%+v", joined)
	}
	if _, err := bob.Invites.Accept(ctx, spare.Token); !errors.Is(err, sdk.ErrGone) {
		t.Errorf("a revoked invite: %v", err)
	}
	if me := got(bob.WhoAmI(ctx, sdk.InWorkspace(w.ID)))(t); me.AuthKind != sdk.AuthSession || me.WorkspaceID != w.ID || me.Role != sdk.RoleEditor || me.UserID != joined.UserID || me.APIKeyID != "" {
		t.Errorf("%+v", me)
	}
	if changed := got(ada.Members.SetRole(ctx, w.ID, joined.ID, sdk.RoleViewer))(t); changed.Role != sdk.RoleViewer {
		t.Errorf("%+v", changed)
	}
	if all := got(sdk.Collect(ada.Members.List(ctx, w.ID, sdk.ListParams{Limit: 1})))(t); len(all) != 2 || all[1].ID != joined.ID {
		t.Errorf("%+v", all)
	}
	if removed := got(ada.Members.Remove(ctx, w.ID, joined.ID))(t); removed.ID != joined.ID {
		t.Errorf("%+v", removed)
	}
	if deleted := got(ada.Workspaces.Delete(ctx, w.ID))(t); !deleted.Deleted || deleted.ID != w.ID {
		t.Errorf("%+v", deleted)
	}
}

func TestTheGoClientActsInItsWorkspace(t *testing.T) {
	s, ctx := start(t), t.Context()
	token := s.session(t, "ada@example.com", "", "")
	home := s.connect(t, token)
	w := got(home.Workspaces.Create(ctx, sdk.CreateWorkspaceParams{Name: "Acme"}))(t)
	there := s.connect(t, token, sdk.WithWorkspace(w.ID))
	made := got(there.Keys.Create(ctx, sdk.CreateKeyParams{Name: "there", Scopes: []string{"api-keys:read"}}))(t)
	if _, err := home.Keys.Get(ctx, made.ID); !errors.Is(err, sdk.ErrNotFound) {
		t.Errorf("a key of another workspace: %v", err)
	}
	if key := got(home.Keys.Get(ctx, made.ID, sdk.InWorkspace(w.ID)))(t); key.WorkspaceID != w.ID {
		t.Errorf("%+v", key)
	}
	me := got(s.connect(t, made.Secret.Reveal()).WhoAmI(ctx))(t)
	if me.AuthKind != sdk.AuthAPIKey || me.APIKeyID != made.ID || me.WorkspaceID != w.ID || me.Role != "" || !slices.Equal(me.Scopes, []string{"api-keys:read"}) {
		t.Errorf("%+v", me)
	}
}

func TestTheGoClientProbes(t *testing.T) {
	s, ctx := start(t), t.Context()
	for _, url := range []string{s.URL, s.DataURL} {
		c := got(sdk.New(url))(t)
		if p := got(c.Health(ctx))(t); p.Status != "ok" || p.Version != "test" {
			t.Errorf("%s: %+v", url, p)
		}
		if p := got(c.Ready(ctx))(t); p.Status != "ok" {
			t.Errorf("%s: %+v", url, p)
		}
	}
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := got(sdk.New(s.URL))(t).Ready(ctx); !errors.Is(err, sdk.ErrUnavailable) {
		t.Errorf("a service that stopped: %v", err)
	}
}

func TestTheGoClientTellsErrorsApart(t *testing.T) {
	s, ctx := start(t), t.Context()
	c := s.connect(t, s.session(t, "ada@example.com", "acme", keypin.RoleAdmin), sdk.WithMaxRetries(0))
	viewer := s.connect(t, s.session(t, "vi@example.com", "acme", keypin.RoleViewer))
	made := got(c.Keys.Create(ctx, sdk.CreateKeyParams{Name: "a", RateLimitPerMin: new(1)}))(t)
	limited := s.connect(t, made.Secret.Reveal(), sdk.WithMaxRetries(0))
	got(limited.WhoAmI(ctx))(t)
	revoked := got(c.Keys.Create(ctx, sdk.CreateKeyParams{Name: "b"}))(t)
	got(c.Keys.Revoke(ctx, revoked.ID))(t)
	got(c.Workspaces.Create(ctx, sdk.CreateWorkspaceParams{Name: "x", Slug: "taken"}))(t)
	const nobody = "0190a0b0-0000-7000-8000-000000000000"
	for name, want := range map[string]struct {
		err  error
		kind error
		code sdk.Code
	}{
		"no token":             {failure(got(sdk.New(s.URL))(t).WhoAmI(ctx)), sdk.ErrUnauthorized, sdk.CodeUnauthorized},
		"a revoked key":        {failure(s.connect(t, revoked.Secret.Reveal()).WhoAmI(ctx)), sdk.ErrUnauthorized, sdk.CodeUnauthorized},
		"a viewer who creates": {failure(viewer.Keys.Create(ctx, sdk.CreateKeyParams{Name: "x"})), sdk.ErrForbidden, sdk.CodeForbidden},
		"a foreign workspace":  {failure(c.Workspaces.Get(ctx, nobody)), sdk.ErrForbidden, sdk.CodeWorkspaceForbidden},
		"no such key":          {failure(c.Keys.Get(ctx, nobody)), sdk.ErrNotFound, sdk.CodeNotFound},
		"no such invite":       {failure(c.Invites.Accept(ctx, sdk.NewSecret("nothing"))), sdk.ErrNotFound, sdk.CodeNotFound},
		"an update too late":   {failure(c.Keys.Update(ctx, revoked.ID, sdk.UpdateKeyParams{Name: sdk.Set("x")})), sdk.ErrConflict, sdk.CodeKeyRevoked},
		"a slug that is taken": {failure(c.Workspaces.Create(ctx, sdk.CreateWorkspaceParams{Name: "x", Slug: "taken"})), sdk.ErrConflict, sdk.CodeSlugTaken},
		"a key over its limit": {failure(limited.WhoAmI(ctx)), sdk.ErrRateLimited, sdk.CodeRateLimited},
	} {
		e, ok := errors.AsType[*sdk.Error](want.err)
		if !ok || !errors.Is(e, want.kind) || e.Code != want.code || !strings.HasPrefix(e.RequestID, "req_") || e.Message == "" {
			t.Errorf("%s: %v", name, want.err)
		}
		if e.Code == sdk.CodeRateLimited && (e.RetryAfter <= 0 || e.RateLimit == nil || e.RateLimit.Limit != 1 || e.RateLimit.Remaining != 0) {
			t.Errorf("%s: %+v", name, e)
		}
	}
	const mine = "req_123e4567-e89b-12d3-a456-426614174000"
	err := failure(c.Keys.Create(ctx, sdk.CreateKeyParams{Scopes: []string{"no:such"}, RateLimitPerMin: new(0)}, sdk.RequestID(mine)))
	e, ok := errors.AsType[*sdk.Error](err)
	if !ok || e.RequestID != mine || !errors.Is(err, sdk.ErrValidation) {
		t.Fatalf("%v", err)
	}
	fields := map[string]bool{}
	for _, d := range e.Details {
		fields[d.Field] = true
	}
	if diff := cmp.Diff(map[string]bool{"body.name": true, "body.scopes[0]": true, "body.rate_limit_per_min": true}, fields); diff != "" {
		t.Errorf("the fields at fault (-want +got):\n%s", diff)
	}
}

// failure is the error of a call whose result does not matter.
func failure[T any](_ T, err error) error { return err }

// lossy loses the answers to the first requests of every call, after the service has
// given them.
type lossy struct {
	lose int

	mu       sync.Mutex
	requests map[string]int // by Idempotency-Key
	statuses []int          // of what was lost
}

func (l *lossy) RoundTrip(r *http.Request) (*http.Response, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	resp, err := client.Transport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	once := r.Header.Get("Idempotency-Key")
	l.requests[once]++
	if once == "" || l.requests[once] > l.lose {
		return resp, nil
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return nil, err
	}
	l.statuses = append(l.statuses, resp.StatusCode)
	return nil, errors.New("the connection broke")
}

func TestAGoClientThatLosesItsAnswersMakesNothingTwice(t *testing.T) {
	s, ctx := start(t), t.Context()
	token := s.session(t, "ada@example.com", "", "")
	l := &lossy{lose: 2, requests: map[string]int{}}
	c, honest := s.connect(t, token, sdk.WithHTTPClient(&http.Client{Transport: l})), s.connect(t, token)
	var meta sdk.ResponseMeta
	replayed := sdk.CaptureMeta(&meta)
	check := func(what string, status int) {
		t.Helper()
		if !meta.Replayed || meta.Attempts != 3 || !slices.Equal(l.statuses, []int{status, status}) {
			t.Errorf("%s: %+v, lost were %v", what, meta, l.statuses)
		}
		meta, l.statuses = sdk.ResponseMeta{}, nil
	}
	valid := func(secret sdk.Secret) bool {
		t.Helper()
		return got(honest.Keys.Verify(ctx, sdk.VerifyParams{Key: secret}))(t).Valid
	}

	made := got(c.Keys.Create(ctx, sdk.CreateKeyParams{Name: "one"}, replayed))(t)
	check("create", 201)
	if all := got(sdk.Collect(honest.Keys.List(ctx, sdk.ListKeysParams{Status: sdk.KeysAll})))(t); len(all) != 1 || all[0].ID != made.ID || !valid(made.Secret) {
		t.Errorf("a creation made %d keys", len(all))
	}

	rotation := got(c.Keys.Rotate(ctx, made.ID, sdk.RotateKeyParams{}, sdk.IfMatch(made.ETag), replayed))(t)
	check("rotate", 200)
	if all := got(sdk.Collect(honest.Keys.List(ctx, sdk.ListKeysParams{Status: sdk.KeysAll})))(t); len(all) != 2 || !valid(rotation.NewKey.Secret) || valid(made.Secret) {
		t.Errorf("a creation and a rotation made %d keys", len(all))
	}

	w := got(c.Workspaces.Create(ctx, sdk.CreateWorkspaceParams{Name: "Acme"}, replayed))(t)
	check("create workspace", 201)
	if all := got(sdk.Collect(honest.Workspaces.List(ctx, sdk.ListParams{})))(t); len(all) != 2 {
		t.Errorf("a creation made %d workspaces beside the user's own", len(all)-1)
	}

	invite := got(c.Invites.Create(ctx, w.ID, sdk.CreateInviteParams{Email: "bob@example.com", Role: sdk.RoleViewer}, replayed))(t)
	check("invite", 201)
	if all := got(sdk.Collect(honest.Invites.List(ctx, w.ID, sdk.ListParams{})))(t); len(all) != 1 || all[0].ID != invite.ID {
		t.Errorf("an invitation made %d invites", len(all))
	}
	got(s.connect(t, s.session(t, "bob@example.com", "", "")).Invites.Accept(ctx, invite.Token))(t)
}
