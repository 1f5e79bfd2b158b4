package client

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// shelf is a service that lists n workspaces, and says that the next page is elsewhere.
func shelf(t *testing.T, n int) (kp *Client, queries *[]string) {
	t.Helper()
	queries = &[]string{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*queries = append(*queries, r.URL.RawQuery)
		offset, limit := 0, 50
		for name, to := range map[string]*int{"offset": &offset, "limit": &limit} {
			if s := r.URL.Query().Get(name); s != "" {
				*to, _ = strconv.Atoi(s)
			}
		}
		var items []string
		for i := offset; i < min(offset+limit, n); i++ {
			items = append(items, fmt.Sprintf(`{"slug":"ws-%d"}`, i))
		}
		next := "null"
		if offset+limit < n {
			next = `"https://evil.example/steal?offset=0"`
		}
		_, _ = fmt.Fprintf(w, `{"data":[%s],"pagination":{"next":%s,"prev":null,"limit":%d,"total":%d}}`, strings.Join(items, ","), next, limit, n)
	}))
	t.Cleanup(server.Close)
	kp, err := New(server.URL, WithToken(testToken), WithMaxRetries(0))
	if err != nil {
		t.Fatal(err)
	}
	return kp, queries
}

func TestAnIteratorGoesToTheEndOfItsList(t *testing.T) {
	for _, c := range []struct {
		n, want int
		params  ListParams
		queries []string
	}{
		{0, 0, ListParams{}, []string{"limit=100"}},
		{100, 100, ListParams{}, []string{"limit=100"}},
		{101, 101, ListParams{}, []string{"limit=100", "limit=100&offset=100"}},
		{5, 5, ListParams{Limit: 2}, []string{"limit=2", "limit=2&offset=2", "limit=2&offset=4"}},
		{5, 2, ListParams{Limit: 2, Offset: 3}, []string{"limit=2&offset=3"}},
		{5, 0, ListParams{Offset: 9}, []string{"limit=100&offset=9"}},
	} {
		kp, queries := shelf(t, c.n)
		list := kp.Workspaces.List(t.Context(), c.params)
		for range 2 { // a list can be gone through again
			*queries = nil
			got, err := Collect(list)
			if err != nil {
				t.Fatal(err)
			}
			for i, w := range got {
				if w.Slug != fmt.Sprintf("ws-%d", c.params.Offset+i) {
					t.Fatalf("item %d is %s", i, w.Slug)
				}
			}
			if len(got) != c.want || !slices.Equal(*queries, c.queries) {
				t.Errorf("%+v of %d: %d items by %q", c.params, c.n, len(got), *queries)
			}
		}
	}
}

func TestAnIteratorFetchesNoPageThatIsNotLookedAt(t *testing.T) {
	kp, queries := shelf(t, 10)
	for w, err := range kp.Workspaces.List(t.Context(), ListParams{Limit: 2}) {
		if err != nil {
			t.Fatal(err)
		}
		if w.Slug == "ws-3" {
			break
		}
	}
	if len(*queries) != 2 {
		t.Errorf("fetched %q", *queries)
	}
}

func TestOnePageComesWithTheWholeListsTotal(t *testing.T) {
	kp, queries := shelf(t, 7)
	page, err := kp.Workspaces.ListPage(t.Context(), ListParams{Offset: 2, Limit: 3})
	if err != nil || len(page.Items) != 3 || page.Offset != 2 || page.Total != 7 || !page.More || (*queries)[0] != "limit=3&offset=2" {
		t.Errorf("%+v by %q, %v", page, *queries, err)
	}
	page, err = kp.Workspaces.ListPage(t.Context(), ListParams{})
	if err != nil || len(page.Items) != 7 || page.More || (*queries)[1] != "" {
		t.Errorf("%+v by %q, %v", page, *queries, err)
	}
}

func TestAListEndsWithItsFirstError(t *testing.T) {
	full := answers(200, `{"data":[{"slug":"a"}],"pagination":{"next":"x","limit":1,"total":2}}`)
	kp, s := scripted(t, nil, full, refuses(403, CodeForbidden), full, answers(200, `{"data":[],"pagination":{"next":"x","total":2}}`), answers(200, `{"data":[{"slug":"a"}]}`))
	var got []string
	for w, err := range kp.Workspaces.List(t.Context(), ListParams{}) {
		got = append(got, fmt.Sprint(w.Slug, errors.Is(err, ErrForbidden)))
	}
	if !slices.Equal(got, []string{"afalse", "true"}) {
		t.Errorf("%q", got)
	}
	if next := s.seen[1].URL.RawQuery; next != "limit=100&offset=1" {
		t.Errorf("after a page of one item it asked for %s", next)
	}
	if items, err := Collect(kp.Workspaces.List(t.Context(), ListParams{})); err != nil || len(items) != 1 {
		t.Errorf("a page without items is not the last: %v, %v", items, err)
	}
	if items, err := Collect(kp.Workspaces.List(t.Context(), ListParams{})); err == nil {
		t.Errorf("an answer without pagination is taken for a list: %v", items)
	}
}

func TestAListOfKeysIsSelected(t *testing.T) {
	kp, s := scripted(t, nil, answers(200, `{"data":[`+keyJSON+`],"pagination":{"next":null,"limit":5,"total":1}}`))
	p := ListKeysParams{Status: KeysAll, Text: "a&b", KeyType: KeyTest, Scope: "voices:read", CreatedBy: testID, Sort: SortName, Offset: 10, Limit: 5}
	keys, err := Collect(kp.Keys.List(t.Context(), p))
	if err != nil || len(keys) != 1 || keys[0].Name != "first" {
		t.Errorf("%v, %v", keys, err)
	}
	const want = "created_by=" + testID + "&key_type=test&limit=5&offset=10&q=a%26b&scope=voices%3Aread&sort=name&status=all"
	if got := s.seen[0].URL.RawQuery; got != want {
		t.Errorf("asked for %s", got)
	}
}
