package docsite

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/keypin/keypin/internal/keypin"
)

// box keeps votes in memory.
type box struct {
	mu     sync.Mutex
	votes  []keypin.PageVote
	refuse error

	bounded bool // the last change had a deadline
}

func (b *box) Tx(ctx context.Context, change func(keypin.Tx) error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, b.bounded = ctx.Deadline()
	if b.refuse != nil {
		return b.refuse
	}
	return change(boxTx{box: b})
}

// boxTx has the methods that votes need.
type boxTx struct {
	keypin.Tx
	box *box
}

func (t boxTx) DropPageVotes(_ context.Context, keep int) error {
	t.box.votes = t.box.votes[max(len(t.box.votes)-keep, 0):]
	return nil
}

func (t boxTx) InsertPageVote(_ context.Context, v *keypin.PageVote) error {
	t.box.votes = append(t.box.votes, *v)
	return nil
}

func (t boxTx) CommentPageVote(_ context.Context, id keypin.ID, page, comment string) error {
	for i, v := range t.box.votes {
		if v.ID == id && v.Page == page && v.Comment == "" {
			t.box.votes[i].Comment = comment
			return nil
		}
	}
	return keypin.NotFound()
}

// desk is a site and its votes.
type desk struct {
	*Site
	box  *box
	from string // the address of whoever votes
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	o := options(t)
	d := &desk{box: &box{}, from: "192.0.2.1"}
	o.Votes = d.box
	var err error
	if d.Site, err = New(o); err != nil {
		t.Fatal(err)
	}
	return d
}

// vote posts a form; headers come in pairs.
func (d *desk) vote(form string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "http://docs.example"+feedbackPath, strings.NewReader(form))
	r.RemoteAddr = "[" + d.from + "]:1234"
	if !strings.Contains(d.from, ":") {
		r.RemoteAddr = d.from + ":1234"
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	d.ServeHTTP(w, r)
	return w
}

func TestAVoteAndItsCommentAreKept(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	w := d.vote("page=/docs/configuration&answer=no", "Accept", "application/json")
	var made struct{ ID string }
	if err := json.Unmarshal(w.Body.Bytes(), &made); err != nil || w.Code != http.StatusCreated {
		t.Fatalf("%d: %s", w.Code, w.Body)
	}
	comment := "What is data_dir for?\nAnd — ☕?"
	w = d.vote(url.Values{"page": {"/docs/configuration"}, "id": {made.ID}, "comment": {"  " + strings.ReplaceAll(comment, "\n", "\r\n") + "\n"}}.Encode(), "Accept", "application/json")
	if w.Code != http.StatusCreated {
		t.Fatalf("%d: %s", w.Code, w.Body)
	}
	want := []keypin.PageVote{{ID: d.box.votes[0].ID, At: d.options.Clock(), Page: "/docs/configuration", Comment: comment}}
	if len(d.box.votes) != 1 || d.box.votes[0] != want[0] || d.box.votes[0].ID.String() != made.ID {
		t.Errorf("got %+v", d.box.votes)
	}
}

func TestVotingNeedsNoScript(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	page := bodyOf(t, get(t, d.Site, "/docs/configuration"))
	if !strings.Contains(page, `<form class="helpful" method="post" action="/docs/feedback">`) {
		t.Fatal("the page has no form")
	}
	w := d.vote("page=/docs/configuration&answer=yes", "Accept", "text/html", "Origin", "http://docs.example", "Sec-Fetch-Site", "same-origin")
	id := regexp.MustCompile(`name="id" value="([^"]+)"`).FindStringSubmatch(w.Body.String())
	if w.Code != http.StatusOK || id == nil || !strings.Contains(w.Body.String(), `href="/docs/configuration"`) {
		t.Fatalf("%d: %s", w.Code, w.Body)
	}
	w = d.vote("page=/docs/configuration&comment=Thanks&id=" + id[1])
	if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "Your comment is kept.") || d.box.votes[0].Comment != "Thanks" || !d.box.votes[0].Helpful {
		t.Errorf("%d: %+v", w.Code, d.box.votes)
	}
}

func TestAWrongVoteIsRefusedAndNothingComesBack(t *testing.T) {
	t.Parallel()
	const secret = "op_live_0000000000000000000000000009BlC0"
	for name, c := range map[string]struct {
		form    string
		headers []string
		want    int
	}{
		"another site":           {"page=/docs/edge&answer=yes", []string{"Sec-Fetch-Site", "cross-site"}, 403},
		"a sister site":          {"page=/docs/edge&answer=yes", []string{"Sec-Fetch-Site", "same-site"}, 403},
		"another origin":         {"page=/docs/edge&answer=yes", []string{"Origin", "https://evil.example"}, 403},
		"no such page":           {"page=/docs/secret-page&answer=yes", nil, 422},
		"no page":                {"answer=yes", nil, 422},
		"no answer":              {"page=/docs/edge", nil, 422},
		"another answer":         {"page=/docs/edge&answer=perhaps", nil, 422},
		"a long comment":         {"page=/docs/edge&answer=no&comment=" + strings.Repeat("é", 1001), nil, 422},
		"a very long comment":    {"page=/docs/edge&answer=no&comment=" + strings.Repeat("x", maxVote), nil, 413},
		"a key in the comment":   {"page=/docs/edge&answer=no&comment=mine+is+" + secret, nil, 422},
		"an escape sequence":     {"page=/docs/edge&answer=no&comment=%1b%5b2J", nil, 422},
		"bytes that are no text": {"page=/docs/edge&answer=no&comment=%ff", nil, 422},
		"JSON":                   {`{"page":"/docs/edge"}`, []string{"Content-Type", "application/json"}, 415},
		"a comment on nothing":   {"page=/docs/edge&id=01a2235d-2f63-722a-b5d3-caf259c51acf&comment=x", nil, 404},
		"an id that is none":     {"page=/docs/edge&id=1&comment=x", nil, 422},
		"an empty comment":       {"page=/docs/edge&id=01a2235d-2f63-722a-b5d3-caf259c51acf&comment=+", nil, 422},
	} {
		for _, accept := range []string{"application/json", "text/html"} {
			d := newDesk(t)
			w := d.vote(c.form, append(c.headers, "Accept", accept)...)
			if w.Code != c.want || len(d.box.votes) > 0 {
				t.Errorf("%s: %d, want %d; %s", name, w.Code, c.want, w.Body)
			}
			for _, not := range []string{secret, "secret-page", "perhaps", "evil.example"} {
				if strings.Contains(w.Body.String(), not) {
					t.Errorf("%s: the answer repeats %s", name, not)
				}
			}
		}
	}
}

func TestVotesAreBoundedByAddressAndAllTogether(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	kept := func() int { return len(d.box.votes) }
	for range 2 * votesOfOne {
		d.vote("page=/docs/edge&answer=yes")
	}
	if kept() != votesOfOne {
		t.Errorf("%d votes of one address were kept, want %d", kept(), votesOfOne)
	}
	w := d.vote("page=/docs/edge&answer=yes", "Accept", "application/json")
	if w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") == "" {
		t.Errorf("%d, Retry-After %q", w.Code, w.Header().Get("Retry-After"))
	}
	for i := range 2 * votesOfOne { // one network, many addresses
		d.from = fmt.Sprintf("2001:db8::%x", i+1)
		d.vote("page=/docs/edge&answer=yes")
	}
	if kept() != 2*votesOfOne {
		t.Errorf("%d votes were kept, want %d", kept(), 2*votesOfOne)
	}
	for i := range 2 * votesOfAll {
		d.from = fmt.Sprintf("198.51.100.%d", i%250)
		d.vote("page=/docs/edge&answer=yes")
	}
	if kept() != votesOfAll {
		t.Errorf("%d votes were kept, want %d", kept(), votesOfAll)
	}
}

// What one address is refused counts against nobody else, whatever address it is.
func TestOneWhoVotesWithoutEndTakesNothingFromTheOthers(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"192.0.2.1", "::1", "::", "0.0.0.1", "::ffff:192.0.2.1"} {
		d := newDesk(t)
		d.from = address
		for range 2 * votesOfAll {
			d.vote("page=/docs/edge&answer=yes")
		}
		d.from = "198.51.100.7"
		if w := d.vote("page=/docs/edge&answer=yes"); w.Code != http.StatusOK || len(d.box.votes) != votesOfOne+1 {
			t.Errorf("after %s: %d, %d votes are kept", address, w.Code, len(d.box.votes))
		}
	}
}

func TestWhoHasManyAddressesFillsNoMemoryWithThem(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	asked := &asked{Limiter: d.options.Limiter, of: map[keypin.ID]bool{}}
	d.options.Limiter = asked
	for i := range 2 * votesOfAll {
		d.from = fmt.Sprintf("2001:db8:%x::1", i+1)
		d.vote("page=/docs/edge&answer=yes")
	}
	if len(asked.of) != votesOfAll+1 {
		t.Errorf("%d were counted, want %d addresses and all together", len(asked.of), votesOfAll)
	}
}

// asked remembers whom a limiter was asked about.
type asked struct {
	keypin.Limiter
	of map[keypin.ID]bool
}

func (a *asked) Admit(ctx context.Context, ask keypin.Admission, now time.Time) (keypin.RateLimit, bool, error) {
	a.of[ask.Chain] = true
	return a.Limiter.Admit(ctx, ask, now)
}

// byteReader is randomness that is always the same.
type byteReader byte

func (b byteReader) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(b)
	}
	return len(p), nil
}

func TestTheOldestVotesAreDroppedNowAndThen(t *testing.T) {
	t.Parallel()
	for random, want := range map[byteReader]int{0: keypin.MaxPageVotes, 1: keypin.MaxPageVotes + 1, dropEvery: keypin.MaxPageVotes} {
		d := newDesk(t)
		d.options.Random = random
		d.box.votes = make([]keypin.PageVote, keypin.MaxPageVotes)
		d.vote("page=/docs/edge&answer=yes")
		if n := len(d.box.votes); n != want || d.box.votes[n-1].Page != "/docs/edge" {
			t.Errorf("with the byte %d, %d votes are kept, want %d", random, n, want)
		}
	}
}

func TestCommentsAreWordsInAnyScript(t *testing.T) {
	t.Parallel()
	for _, comment := range []string{"نمی\u200cخواهم", "👨\u200d👩\u200d👧", "クリア ✓"} {
		d := newDesk(t)
		if w := d.vote(url.Values{"page": {"/docs/edge"}, "answer": {"no"}, "comment": {comment}}.Encode()); w.Code != http.StatusOK || d.box.votes[0].Comment != comment {
			t.Errorf("%q: %d", comment, w.Code)
		}
	}
}

func TestAVoteThatCannotBeKeptIsSaidToBeLost(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err  error
		want int
	}{{keypin.E(keypin.CodeUnavailable, "read-only"), 503}, {keypin.E(keypin.CodeInternal, "inside"), 500}, {fmt.Errorf("at 10.0.0.9"), 500}} {
		d := newDesk(t)
		d.box.refuse = c.err
		var log bytes.Buffer
		d.options.Logger = slog.New(slog.NewTextHandler(&log, nil))
		w := d.vote("page=/docs/edge&answer=yes", "Accept", "application/json")
		if !strings.Contains(log.String(), "level=ERROR") || !d.box.bounded {
			t.Errorf("%v: logged is %q, the time is bounded: %v", c.err, log.String(), d.box.bounded)
		}
		if w.Code != c.want || strings.Contains(w.Body.String(), "inside") || strings.Contains(w.Body.String(), "10.0.0.9") {
			t.Errorf("%d: %s", w.Code, w.Body)
		}
	}
}

func TestTheFormsAddressIsForVotesOnly(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	answer := get(t, s, feedbackPath)
	if answer.StatusCode != http.StatusMethodNotAllowed || answer.Header.Get("Allow") != http.MethodPost || !strings.Contains(bodyOf(t, answer), "Votes are sent by the form") {
		t.Errorf("%d, Allow %q", answer.StatusCode, answer.Header.Get("Allow"))
	}
}
