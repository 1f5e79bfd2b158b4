package durability

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"sync/atomic"
	"testing"
)

// client makes one change after another. Nobody else changes its keys, so of each it
// knows the order of the changes; of a shared key it changes one field that is its own.
type client struct {
	t      *testing.T
	token  string
	random *rand.Rand
	number *atomic.Int64 // a number that no other change has

	shared *apiKey // nil: the client has keys of its own
	field  string  // of the shared key

	keys     []*apiKey
	once     []done  // the changes of this round under an Idempotency-Key
	pending  *change // the change whose answer never came, at most one
	audited  int     // audit rows of all changes that are known
	outcomes outcomes
}

// done is a change that was acknowledged, with what it made.
type done struct {
	*change
	made *apiKey
}

// outcomes counts what became of the changes.
type outcomes struct{ acknowledged, happened, lost, retried, replayed int }

func (o *outcomes) add(p outcomes) {
	o.acknowledged += p.acknowledged
	o.happened += p.happened
	o.lost += p.lost
	o.retried += p.retried
	o.replayed += p.replayed
}

// run changes keys until an answer does not come, and calls acknowledged after each
// that does.
func (c *client) run(p *process, acknowledged func()) {
	for {
		next := c.next()
		rows := next.audited()
		answer, err := p.call(c.token, next.request)
		if err != nil {
			c.pending = next
			return
		}
		made, err := next.apply(answer)
		if err != nil {
			c.t.Errorf("%v: %v", next, err)
			return
		}
		c.happened(next, made, rows)
		c.outcomes.acknowledged++
		acknowledged()
	}
}

// happened takes a change that took place into the books.
func (c *client) happened(ch *change, made *apiKey, rows int) {
	c.audited += rows
	if made != nil {
		c.keys = append(c.keys, made)
	}
	if ch.idempotency != "" {
		c.once = append(c.once, done{ch, made})
	}
}

// next draws a change.
func (c *client) next() *change {
	n := int(c.number.Add(1))
	if c.shared != nil {
		return patch(c.shared, c.field, n)
	}
	idempotency := ""
	if c.random.IntN(2) == 0 {
		idempotency = fmt.Sprintf("durability-%d", n)
	}
	key := c.usableKey()
	draw := c.random.IntN(10)
	switch {
	case key == nil || draw < 3:
		return creation(n, idempotency)
	case draw < 6:
		return patch(key, patched()[c.random.IntN(len(patched()))], n)
	case draw < 9:
		return rotate(key, draw == 6, idempotency)
	default:
		return revoke(key)
	}
}

// usableKey draws one of the latest usable keys, so that chains of rotations grow;
// nil when there is none.
func (c *client) usableKey() *apiKey {
	var usables []*apiKey
	for _, k := range slices.Backward(c.keys) {
		if k.State == usable {
			usables = append(usables, k)
		}
		if len(usables) == 8 {
			break
		}
	}
	if len(usables) == 0 {
		return nil
	}
	return usables[c.random.IntN(len(usables))]
}

// settle finds out what became of the change whose answer never came: all of it
// happened, or nothing. What carried an Idempotency-Key is asked for again, and must
// then have happened once.
func (c *client) settle(p *process) error {
	ch := c.pending
	if ch == nil {
		return nil
	}
	c.pending = nil
	found, err := c.find(p, ch)
	if err != nil {
		return fmt.Errorf("%v, whose answer was lost: %w", ch, err)
	}
	if found != nil {
		c.outcomes.happened++
	} else {
		c.outcomes.lost++
	}
	if ch.idempotency != "" {
		return c.retry(p, ch, found)
	}
	if found == nil {
		return nil
	}
	rows := ch.audited()
	var made *apiKey
	switch ch.kind {
	case "create":
		made = ch.made(*found)
	case "rotate":
		made = ch.rotated(*found)
	default:
		ch.took()
	}
	c.happened(ch, made, rows)
	return nil
}

// find looks for what a change was to make: the new key of a creation or rotation,
// the changed key of another change; nil when it is not there. Whether the rest of
// the key is right shows when all keys are checked.
func (c *client) find(p *process, ch *change) (*shown, error) {
	if ch.kind == "create" {
		return c.named(p, ch.want.Name)
	}
	s, _, err := c.get(p, ch.key.ID)
	if err != nil {
		return nil, err
	}
	happened := false
	switch ch.kind {
	case "patch":
		happened = s.fields().get(ch.field) == ch.want.get(ch.field)
	case "revoke":
		happened = s.RevokedAt != nil
	case "rotate":
		if s.RotatedTo != nil {
			s, _, err = c.get(p, *s.RotatedTo)
			return s, err
		}
	}
	if !happened {
		return nil, nil
	}
	return s, nil
}

// retry sends a lost change again under its Idempotency-Key. found is what was there
// before: then this must be answered from the stored answer, and else must happen now.
func (c *client) retry(p *process, ch *change, found *shown) error {
	rows := ch.audited()
	answer, err := p.call(c.token, ch.request)
	if err != nil {
		return fmt.Errorf("retrying %v: %w", ch, err)
	}
	made, err := ch.apply(answer)
	switch {
	case err != nil:
		return fmt.Errorf("retrying %v: %w", ch, err)
	case answer.replayed != (found != nil):
		return fmt.Errorf("retrying %v: replayed is %t although the change was there: %t", ch, answer.replayed, found != nil)
	case found != nil && found.ID != made.ID:
		return fmt.Errorf("retrying %v made another key, %s instead of %s", ch, made.ID, found.ID)
	}
	c.outcomes.retried++
	c.happened(ch, made, rows)
	if ch.kind != "create" {
		return nil // two new keys of one old would show in the file
	}
	if _, err := c.named(p, ch.want.Name); err != nil {
		return fmt.Errorf("after retrying %v: %w", ch, err)
	}
	return nil
}

// replay asks again for everything that was acknowledged under an Idempotency-Key
// this round: the answers, plaintexts included, are as durable as the keys.
func (c *client) replay(p *process) error {
	for _, d := range c.once {
		answer, err := p.call(c.token, d.request)
		if err != nil {
			return fmt.Errorf("replaying %v: %w", d, err)
		}
		s, err := decode[shown](answer)
		if d.kind == "rotate" {
			var r rotation
			r, err = decode[rotation](answer)
			s = r.New
		}
		if err != nil {
			return fmt.Errorf("replaying %v: answered %d: %w", d, answer.status, err)
		}
		if !answer.replayed || s.ID != d.made.ID || s.Secret != d.made.Secret {
			return fmt.Errorf("replaying %v is not answered as the first time", d)
		}
		c.outcomes.replayed++
	}
	c.once = nil
	return nil
}

// check compares a key with what is there, and its plaintext with what verify says.
func (c *client) check(p *process, k *apiKey) error {
	s, etag, err := c.get(p, k.ID)
	if err != nil {
		return err
	}
	if err := k.differences(*s); err != nil {
		return err
	}
	if etag != k.etag() {
		return fmt.Errorf("key %s: its version is %s, and %s after the changes that are known", k.ID, etag, k.etag())
	}
	if k.Secret == "" {
		k.checked = true
		return nil
	}
	answer, err := p.call(c.token, request{method: http.MethodPost, path: "/api-keys/verify", body: map[string]any{"key": k.Secret, "cost": 0}})
	if err != nil {
		return err
	}
	outcome, err := decode[struct {
		Code   string `json:"code"`
		APIKey *shown `json:"api_key"`
	}](answer)
	want := "valid"
	if k.State == revoked {
		want = "revoked"
	}
	if err != nil {
		return fmt.Errorf("verifying key %s: answered %d: %w", k.ID, answer.status, err)
	}
	if outcome.Code != want || outcome.APIKey == nil || outcome.APIKey.ID != k.ID {
		return fmt.Errorf("key %s (%s): verify answers %q, want %q", k.ID, k.State, outcome.Code, want)
	}
	k.checked = true
	return nil
}

func (c *client) get(p *process, id string) (*shown, string, error) {
	answer, err := p.call(c.token, request{method: http.MethodGet, path: "/api-keys/" + id})
	if err != nil {
		return nil, "", err
	}
	if answer.status != http.StatusOK {
		return nil, "", fmt.Errorf("reading key %s: answered %d", id, answer.status)
	}
	s, err := decode[shown](answer)
	return &s, answer.etag, err
}

// named finds the key with the name; nil when there is none, an error when there are
// two.
func (c *client) named(p *process, name string) (*shown, error) {
	answer, err := p.call(c.token, request{method: http.MethodGet, path: "/api-keys?status=all&q=" + url.QueryEscape(name)})
	if err != nil {
		return nil, err
	}
	keys, err := decode[[]shown](answer)
	switch {
	case err != nil:
		return nil, err
	case answer.total != len(keys) || len(keys) > 1:
		return nil, fmt.Errorf("there are %d keys with the name %q (total %d)", len(keys), name, answer.total)
	case len(keys) == 0:
		return nil, nil
	}
	return &keys[0], nil
}
