package e2e

import (
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keypin/keypin/internal/keypin"
)

// fixedRequestID makes answers comparable to the byte.
const fixedRequestID = "X-Request-Id: 123e4567-e89b-12d3-a456-426614174000"

// crossing is a test of one operation by the callers of one workspace.
type crossing struct {
	op      operation
	recipe  recipe
	own     *organisation
	foreign *organisation
	hidden  []string // the markers of foreign
}

// Every operation of the OpenAPI document is called by everybody, on their own
// workspace and on another one. A new operation fails until recipes() knows it.
func TestIsolationHoldsForEveryOperationAndCaller(t *testing.T) {
	s := start(t)
	doc := readDocument(t, s)
	a, b := newOrganisation(t, s, "aurora", doc.Scopes), newOrganisation(t, s, "borealis", doc.Scopes)
	a.furnish(t)
	b.furnish(t)
	ofA, ofB := a.markers(t), b.markers(t)
	if !slices.Contains(ofB, b.label) || len(ofB) < 40 {
		t.Fatalf("only %d markers were found", len(ofB))
	}
	if seen := s.call(t, b.admin.token, "GET", keys, nil).holds(ofB); len(seen) < 10 {
		t.Fatalf("the search finds only %v where it must find much", seen)
	}
	table := recipes()
	for _, op := range doc.Operations {
		r, ok := table[op.ID]
		if !ok {
			t.Errorf("%s %s (%s) is not tested: add it to recipes() in isolation_table_test.go, with who may do it", op.Method, op.Path, op.ID)
			continue
		}
		delete(table, op.ID)
		t.Run(op.ID, func(t *testing.T) {
			x := crossing{op: op, recipe: r, own: a, foreign: b, hidden: ofB}
			x.ownWorkspace(t, doc.Scopes)
			x.withoutCredentials(t)
			before := b.snapshot(t)
			for _, c := range a.callers() {
				x.foreignWorkspace(t, c)
			}
			if diff := cmp.Diff(before, b.snapshot(t)); diff != "" {
				t.Errorf("another workspace's callers changed this (-before +after):\n%s", diff)
			}
			before = a.snapshot(t)
			back := crossing{op: op, recipe: r, own: b, foreign: a, hidden: ofA}
			back.foreignWorkspace(t, b.admin)
			if diff := cmp.Diff(before, a.snapshot(t)); diff != "" {
				t.Errorf("the second workspace's admin changed this (-before +after):\n%s", diff)
			}
		})
	}
	for id := range table {
		t.Errorf("recipes() has %s, which the service does not", id)
	}
	left := s.call(t, b.admin.token, "POST", keys+"/verify", object{"key": b.limited, "cost": 0}).must(t, 200)
	if left.get("data", "rate_limit", "remaining") != 5.0 {
		t.Errorf("another workspace's callers spent this key's limit: %s", left.Body)
	}
}

// request sends the operation as c.
func (x *crossing) request(t testing.TB, c caller, ids map[string]string, headers ...string) answer {
	t.Helper()
	return x.send(t, c.token, x.op.at(t, ids)+x.recipe.query, x.recipe.body, headers...)
}

func (x *crossing) send(t testing.TB, token, path string, body object, headers ...string) answer {
	t.Helper()
	var sent any
	if body != nil {
		sent = body
	}
	return x.own.s.call(t, token, x.op.Method, path, sent, append(headers, fixedRequestID)...)
}

// outcome is an answer as the table writes it.
func (a answer) outcome() string {
	return strings.TrimSpace(fmt.Sprintf("%d %s", a.Status, a.str("error", "code")))
}

func (x *crossing) expect(t testing.TB, c caller, what string, a answer, want string, shown ...string) {
	t.Helper()
	if a.outcome() != want {
		t.Errorf("%s, %s: answered %q, want %q: %s", c.name, what, a.outcome(), want, a.Body)
	}
	hidden := slices.DeleteFunc(slices.Clone(x.hidden), func(m string) bool { return slices.Contains(shown, m) })
	if seen := a.holds(hidden); len(seen) > 0 {
		t.Errorf("%s, %s: the answer shows %q of the other workspace: %s", c.name, what, seen, a.Body)
	}
}

// ownWorkspace checks the table of who may do what, each time on new things. Where
// requests can be repeated, everybody uses one Idempotency-Key, which must join
// nobody's requests: the other workspace's admin has used it already.
func (x *crossing) ownWorkspace(t *testing.T, scopes []string) {
	var repeatable []string
	if x.op.takes("header", "Idempotency-Key") {
		repeatable = append(repeatable, "Idempotency-Key: the-same-for-everybody "+x.op.ID)
		admin := x.foreign.admin
		x.request(t, admin, x.foreign.freshFor(t, x.op, admin), repeatable...)
	}
	for i := range x.own.callers() {
		own := x.own
		if x.op.ID == "delete-workspace" {
			own = newOrganisation(t, own.s, fmt.Sprintf("doomed%d", i), scopes)
		}
		c := own.callers()[i]
		want := x.recipe.may.of(c.name)
		got := x.request(t, c, own.freshFor(t, x.op, c), repeatable...)
		x.expect(t, c, "in the workspace it is in", got, want)
		if got.Header.Get("Idempotent-Replayed") != "" {
			t.Errorf("%s got the answer to somebody else's request: %s", c.name, got.Body)
		}
		if x.op.takes("header", "X-Workspace-Id") {
			got := x.request(t, c, own.freshFor(t, x.op, c), "X-Workspace-Id: "+own.id)
			x.expect(t, c, "in the workspace it names", got, want)
		}
		if x.recipe.author != "" && c.name == "editor" {
			id, _ := own.s.createKey(t, c.token, object{"name": "of the editor"})
			x.expect(t, c, "on its own key", x.request(t, c, map[string]string{"key_id": id}), x.recipe.author)
		}
	}
}

func (x *crossing) withoutCredentials(t *testing.T) {
	want, nobody := "401 unauthorized", caller{name: "nobody"}
	if !x.op.Secured {
		want = "200"
	}
	for _, o := range []*organisation{x.own, x.foreign} {
		x.expect(t, nobody, "on "+o.label, x.request(t, nobody, o.theirs), want)
		if x.op.takes("header", "X-Workspace-Id") {
			x.expect(t, nobody, "naming "+o.label, x.request(t, nobody, o.theirs, "X-Workspace-Id: "+o.id), want)
		}
	}
}

// attempt is one way to reach into the foreign workspace, and the same request
// about things that nobody has.
type attempt struct {
	what          string
	ids, twin     map[string]string
	header, other []string // of the request and of its twin
	want          string
}

// attempts are all ways by path and header.
func (x *crossing) attempts(t testing.TB, c caller) []attempt {
	t.Helper()
	const forbidden = "403 workspace_forbidden"
	// Who may do it to a thing of their own does not find another's. An editor may do
	// it to some, and does not find it either.
	missing := x.recipe.may.of(c.name)
	if missing[0] == '2' || c.name == "editor" && x.recipe.author != "" {
		missing = "404 not_found"
	}
	theirs, nobody := x.foreign.theirs, nobodys()
	var list []attempt
	if x.op.takes("header", "X-Workspace-Id") {
		named, unknown := []string{"X-Workspace-Id: " + x.foreign.id}, []string{"X-Workspace-Id: " + nowhere}
		mine := x.own.freshFor(t, x.op, c)
		list = append(list,
			attempt{"their workspace in the header", mine, mine, named, unknown, forbidden},
			attempt{"their workspace in the header, their things", theirs, nobody, named, unknown, forbidden})
	}
	switch {
	case x.op.takes("path", "workspace_id"):
		mixed, none := maps.Clone(theirs), maps.Clone(nobody)
		mixed["workspace_id"], none["workspace_id"] = x.own.id, x.own.id
		header := []string{"X-Workspace-Id: " + x.own.id}
		list = append(list,
			attempt{"their workspace in the path", theirs, nobody, nil, nil, forbidden},
			attempt{"their workspace in the path, mine in the header", theirs, nobody, header, header, forbidden})
		if len(x.op.with("path")) > 1 {
			list = append(list, attempt{"their thing in my workspace", mixed, none, nil, nil, missing})
		}
	case x.op.takes("path", "token"):
		// Who holds an invite's token may know that it is one, but it is for one address.
		list = append(list, attempt{"their invite", theirs, nil, nil, nil, refused})
	case len(x.op.with("path")) > 0:
		list = append(list, attempt{"their thing", theirs, nobody, nil, nil, missing})
	}
	return list
}

// foreignWorkspace tries everything that c could.
func (x *crossing) foreignWorkspace(t *testing.T, c caller) {
	for _, try := range x.attempts(t, c) {
		got := x.request(t, c, try.ids, try.header...)
		x.expect(t, c, try.what, got, try.want)
		if try.twin != nil {
			sameToTheByte(t, c.name+", "+try.what, got, x.request(t, c, try.twin, try.other...))
		}
		if x.op.Method == http.MethodGet {
			head := x.own.s.call(t, c.token, "HEAD", x.op.at(t, try.ids)+x.recipe.query, nil, append(try.header, fixedRequestID)...)
			if head.Status != got.Status {
				t.Errorf("%s, %s: HEAD answers %d, GET %d", c.name, try.what, head.Status, got.Status)
			}
		}
	}
	creator, _ := x.foreign.s.call(t, x.foreign.admin.token, "GET", keys+"/"+x.foreign.theirs["key_id"], nil).must(t, 200).get("data", "created_by").(string)
	for _, p := range probes(x.foreign, creator)[x.op.ID] {
		want := x.recipe.may.of(c.name)
		if p.may != (may{}) {
			want = p.may.of(c.name)
		}
		path := x.op.at(t, x.own.theirs)
		got := x.send(t, c.token, path+p.query, p.body)
		x.expect(t, c, "probing "+p.query+fmt.Sprint(p.body), got, want, p.shown)
		if p.twinQuery != "" || p.twinBody != nil {
			sameToTheByte(t, c.name+", probing "+p.query+fmt.Sprint(p.body), got, x.send(t, c.token, path+p.twinQuery, p.twinBody))
		}
	}
}

var anyTimestamp = regexp.MustCompile(`"timestamp":"[^"]*"`)

// sameToTheByte compares answers but for when they were given.
func sameToTheByte(t testing.TB, what string, got, twin answer) {
	t.Helper()
	plain := func(a answer) answer {
		a.Header = a.Header.Clone()
		a.Header.Del("Date")
		// A timestamp ends in as many digits as it needs, which the length follows.
		a.Header.Del("Content-Length")
		a.Body = anyTimestamp.ReplaceAllString(a.Body, "")
		return a
	}
	if diff := cmp.Diff(plain(twin), plain(got)); diff != "" {
		t.Errorf("%s: it can be told from what does not exist (-nothing +theirs):\n%s", what, diff)
	}
}

// Who is in two organisations acts, with a token of one, in that one only.
func TestIsolationATokenOfOneOrganisationOpensNoOther(t *testing.T) {
	s := start(t)
	doc := readDocument(t, s)
	a, b := newOrganisation(t, s, "aurora", doc.Scopes), newOrganisation(t, s, "borealis", doc.Scopes)
	b.furnish(t)
	const email = "both@example.com"
	inA, inB := s.session(t, email, "aurora", keypin.RoleAdmin), s.session(t, email, "borealis", keypin.RoleAdmin)
	for token, id := range map[string]string{inA: a.id, inB: b.id} {
		if got := s.call(t, token, "GET", "/api/v1/auth/whoami", nil).must(t, 200).str("data", "workspace_id"); got != id {
			t.Fatalf("the token acts in %s, want %s", got, id)
		}
	}
	hidden := slices.DeleteFunc(b.markers(t), func(m string) bool {
		// What the user is called is the same in both.
		return m == email || m == s.call(t, inA, "GET", "/api/v1/auth/whoami", nil).str("data", "user_id")
	})
	before := b.snapshot(t)
	table := recipes()
	for _, op := range doc.Operations {
		x := crossing{op: op, recipe: table[op.ID], own: a, foreign: b, hidden: hidden}
		x.foreignWorkspace(t, caller{name: "admin", token: inA, email: email})
	}
	if got := s.call(t, inA, "GET", workspaces, nil).must(t, 200); len(got.holds(hidden)) > 0 || !strings.Contains(got.Body, a.id) {
		t.Errorf("the list of workspaces is not that of the token's organisation: %s", got.Body)
	}
	if diff := cmp.Diff(before, b.snapshot(t)); diff != "" {
		t.Errorf("a token of another organisation changed this (-before +after):\n%s", diff)
	}
}
