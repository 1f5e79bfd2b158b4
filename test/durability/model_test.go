package durability

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
)

// What every key of the test is made with and keeps.
var scopes = []string{"workflows:read", "voices:write"}

// fields are the fields of a key that the test changes.
type fields struct {
	Name    string
	Limit   int
	Counter string // metadata["counter"]
}

// set changes the field to the value that n stands for, and gives the PATCH body
// that does so.
func (f *fields) set(field string, n int) map[string]any {
	switch field {
	case "name":
		f.Name = fmt.Sprintf("renamed %07d", n)
		return map[string]any{"name": f.Name}
	case "limit":
		f.Limit = n
		return map[string]any{"rate_limit_per_min": n}
	default:
		f.Counter = fmt.Sprint(n)
		return map[string]any{"metadata": map[string]string{"counter": f.Counter}}
	}
}

// get is the field's value as text.
func (f *fields) get(field string) string {
	switch field {
	case "name":
		return f.Name
	case "limit":
		return fmt.Sprint(f.Limit)
	default:
		return f.Counter
	}
}

// patched lists the fields that set and get know.
func patched() []string { return []string{"name", "limit", "counter"} }

// state is what a key is.
type state string

const (
	usable  state = "usable"
	graced  state = "rotated, within its grace"
	revoked state = "revoked"
)

// apiKey is what the test knows of a key for certain: what was acknowledged, or found
// after a kill.
type apiKey struct {
	shared bool       // by several clients, each of which patches another field
	mu     sync.Mutex // guards a shared one

	ID, Secret  string // Secret is "" when the answer that held it was lost
	Fields      fields
	State       state
	RotatedFrom *apiKey
	RotatedTo   *apiKey
	Changes     int // made to it after its creation; its version is one more

	checked bool // since it was last changed
}

// shown is a key as the API shows it, without what the test cannot know.
type shown struct {
	ID          string            `json:"id"`
	Name        string            `json:"name"`
	Suffix      string            `json:"key_suffix"`
	Scopes      []string          `json:"scopes"`
	Active      bool              `json:"active"`
	Limit       *int              `json:"rate_limit_per_min"`
	Metadata    map[string]string `json:"metadata"`
	RotatedFrom *string           `json:"rotated_from"`
	RotatedTo   *string           `json:"rotated_to"`
	RevokedAt   *string           `json:"revoked_at"`
	ExpiresAt   *string           `json:"expires_at"`
	Secret      string            `json:"api_key"`
}

func (s *shown) fields() *fields {
	return &fields{Name: s.Name, Limit: orZero(s.Limit), Counter: s.Metadata["counter"]}
}

// rotation is the answer of a rotation.
type rotation struct {
	Old shown `json:"old_key"`
	New shown `json:"new_key"`
}

func decode[T any](r *reply) (T, error) {
	var v T
	err := json.Unmarshal(r.data, &v)
	return v, err
}

// differences says where a shown key is not what is known of it. The plaintext is
// not looked at.
func (k *apiKey) differences(s shown) error {
	var wrong []string
	differ := func(field string, got, want any) {
		if fmt.Sprint(got) != fmt.Sprint(want) {
			wrong = append(wrong, fmt.Sprintf("%s is %v, want %v", field, got, want))
		}
	}
	differ("id", s.ID, k.ID)
	differ("name", s.Name, k.Fields.Name)
	differ("scopes", s.Scopes, scopes)
	differ("rate_limit_per_min", orZero(s.Limit), k.Fields.Limit)
	differ("metadata", s.Metadata, map[string]string{"counter": k.Fields.Counter})
	differ("rotated_from", orZero(s.RotatedFrom), k.RotatedFrom.id())
	differ("rotated_to", orZero(s.RotatedTo), k.RotatedTo.id())
	differ("active", s.Active, k.State != revoked)
	differ("revoked_at is set", s.RevokedAt != nil, k.State == revoked)
	if k.State != revoked { // one that was revoked in its grace keeps the grace's end
		differ("expires_at is set", s.ExpiresAt != nil, k.State == graced)
	}
	if k.Secret != "" {
		differ("key_suffix", s.Suffix, k.Secret[len(k.Secret)-6:])
	}
	if len(wrong) == 0 {
		return nil
	}
	return fmt.Errorf("key %s (%s): %s", k.ID, k.State, strings.Join(wrong, "; "))
}

func (k *apiKey) id() string {
	if k == nil {
		return ""
	}
	return k.ID
}

// etag is the validator that tells how often the key was changed.
func (k *apiKey) etag() string { return fmt.Sprintf(`"v%d"`, k.Changes+1) }

func orZero[T any](p *T) T {
	var zero T
	if p == nil {
		return zero
	}
	return *p
}

// change is one request that changes a key, and what it means for what is known.
type change struct {
	request
	kind  string // create, patch, rotate or revoke
	key   *apiKey
	field string // of a patch
	want  fields // of a creation, and of a patch: what it sets
	grace bool   // of a rotation
}

func (c *change) String() string {
	return fmt.Sprintf("%s %s %s %v (Idempotency-Key: %t)", c.kind, c.key.id(), c.field, c.want, c.idempotency != "")
}

func creation(n int, idempotency string) *change {
	c := &change{kind: "create", want: fields{Name: fmt.Sprintf("created %07d", n), Limit: n, Counter: fmt.Sprint(n)}}
	c.request = request{method: http.MethodPost, path: "/api-keys", idempotency: idempotency, body: map[string]any{
		"name": c.want.Name, "scopes": scopes, "rate_limit_per_min": n, "metadata": map[string]string{"counter": c.want.Counter},
	}}
	return c
}

func patch(k *apiKey, field string, n int) *change {
	c := &change{kind: "patch", key: k, field: field}
	c.request = request{method: http.MethodPatch, path: "/api-keys/" + k.ID, body: c.want.set(field, n)}
	return c
}

func rotate(k *apiKey, grace bool, idempotency string) *change {
	c := &change{kind: "rotate", key: k, grace: grace}
	c.request = request{method: http.MethodPatch, path: "/api-keys/" + k.ID + "/rotate", idempotency: idempotency}
	if grace {
		c.body = map[string]any{"grace_period_seconds": 86400} // no grace ends while the test runs
	}
	return c
}

func revoke(k *apiKey) *change {
	return &change{kind: "revoke", key: k, request: request{method: http.MethodDelete, path: "/api-keys/" + k.ID}}
}

// audited is how many audit rows the change writes: one, and one more when a
// rotation ends an earlier grace.
func (c *change) audited() int {
	if c.kind == "rotate" && c.key.RotatedFrom != nil && c.key.RotatedFrom.State == graced {
		return 2
	}
	return 1
}

// apply takes an answer into what is known, and gives the key that the change made,
// if it made one. The error says where the answer is not what the change asks for.
func (c *change) apply(r *reply) (made *apiKey, err error) {
	if want := map[bool]int{true: http.StatusCreated, false: http.StatusOK}[c.kind == "create"]; r.status != want {
		return nil, fmt.Errorf("answered %d, want %d: %s", r.status, want, r.raw)
	}
	switch c.kind {
	case "create":
		s, err := decode[shown](r)
		if err != nil {
			return nil, err
		}
		made = c.made(s)
		return made, made.differences(s)
	case "rotate":
		s, err := decode[rotation](r)
		if err != nil {
			return nil, err
		}
		made = c.rotated(s.New)
		return made, cmp.Or(c.key.differences(s.Old), made.differences(s.New))
	}
	c.took()
	s, err := decode[shown](r)
	if err != nil {
		return nil, err
	}
	if c.key.shared { // others may have changed its other fields meanwhile
		if got := s.fields().get(c.field); got != c.want.get(c.field) {
			return nil, fmt.Errorf("a patch of %s answers another value, %s", c.field, got)
		}
		return nil, nil
	}
	return nil, c.key.differences(s)
}

// made is the key of a creation that took place.
func (c *change) made(s shown) *apiKey {
	return &apiKey{ID: s.ID, Secret: s.Secret, Fields: c.want, State: usable}
}

// rotated notes that a rotation took place, which made s.
func (c *change) rotated(s shown) *apiKey {
	old := c.key
	next := &apiKey{ID: s.ID, Secret: s.Secret, Fields: old.Fields, State: usable, RotatedFrom: old}
	if before := old.RotatedFrom; before != nil && before.State == graced {
		before.State, before.checked = revoked, false
		before.Changes++
	}
	old.RotatedTo, old.State, old.checked = next, revoked, false
	if c.grace {
		old.State = graced
	}
	old.Changes++
	return next
}

// took notes that a patch or a revocation took place.
func (c *change) took() {
	k := c.key
	k.mu.Lock()
	defer k.mu.Unlock()
	k.Changes++
	k.checked = false
	if c.kind == "revoke" {
		k.State = revoked
		return
	}
	switch c.field {
	case "name":
		k.Fields.Name = c.want.Name
	case "limit":
		k.Fields.Limit = c.want.Limit
	default:
		k.Fields.Counter = c.want.Counter
	}
}
