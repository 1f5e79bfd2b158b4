package app

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/keypin/keypin/internal/config"
	"github.com/keypin/keypin/internal/keypin"
	"github.com/keypin/keypin/test/engines"
)

func votesOf(t *testing.T, c *config.Config) (votes []keypin.PageVote) {
	t.Helper()
	err := PageVotes(t.Context(), c, func(v keypin.PageVote) error {
		votes = append(votes, v)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return votes
}

func TestVotesOnPagesAreKeptAndReadWhileTheServiceRuns(t *testing.T) {
	t.Parallel()
	server, err := engines.StartPostgres(t.Context(), engines.PostgresOptions{Volatile: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	for name, database := range map[string]string{"SQLite": "", "PostgreSQL": server.URL("keypin")} {
		t.Run(name, func(t *testing.T) {
			c := testConfig(t)
			if database != "" {
				c.Database = keypin.NewSecret(database)
			}
			s := start(t, c)
			vote := func() reply {
				return ask(t, http.MethodPost, s.PublicAddr(), "/docs/feedback", "page=/docs/configuration&answer=yes&comment=Good", "Content-Type: application/x-www-form-urlencoded", "Accept: application/json")
			}
			if got := vote(); got.status != http.StatusCreated {
				t.Fatalf("%d %s", got.status, got.body)
			}
			votes := votesOf(t, c)
			if len(votes) != 1 || votes[0].Page != "/docs/configuration" || !votes[0].Helpful || votes[0].Comment != "Good" || votes[0].At.IsZero() {
				t.Errorf("got %+v", votes)
			}
			s.stop()
			if err := s.end(t); err != nil {
				t.Fatal(err)
			}
			c.ReadOnly = true
			s = start(t, c)
			if got := vote(); got.status != http.StatusServiceUnavailable {
				t.Errorf("read-only: %d %s", got.status, got.body)
			}
			if after := votesOf(t, c); len(after) != 1 {
				t.Errorf("a read-only service kept a vote: %+v", after)
			}
			s.stop()
			if err := s.end(t); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestTheDocumentationCanBeTurnedOff(t *testing.T) {
	t.Parallel()
	for _, on := range []bool{true, false} {
		c := testConfig(t)
		c.Docs = on
		s := start(t, c)
		for _, path := range []string{"/docs", "/llms.txt", "/robots.txt"} {
			status, body := get(t, s.PublicAddr(), path)
			if on != (status == http.StatusOK) || !on && !strings.Contains(body, `"not_found"`) {
				t.Errorf("docs %v: %s is %d", on, path, status)
			}
		}
		if status, _ := get(t, s.DataAddr(), "/docs"); status != http.StatusNotFound {
			t.Errorf("docs %v: the data listener answers %d", on, status)
		}
		s.stop()
		if err := s.end(t); err != nil {
			t.Error(err)
		}
	}
}

func TestPagesHaveARequestIDAndAreCountedByTheirKind(t *testing.T) {
	t.Parallel()
	c := testConfig(t)
	s := start(t, c)
	got := ask(t, http.MethodGet, s.PublicAddr(), "/docs/configuration", "")
	if !strings.HasPrefix(got.header.Get("X-Request-Id"), "req_") || got.header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("the headers are %v", got.header)
	}
	ask(t, http.MethodGet, s.PublicAddr(), "/docs/some-other-words", "")
	_, metrics := get(t, s.DataAddr(), "/metrics")
	if !strings.Contains(metrics, `route="/docs/{page}"`) || strings.Contains(metrics, "some-other-words") || strings.Contains(metrics, "configuration") {
		t.Error("pages are not counted by their kind")
	}
	s.stop()
	if err := s.end(t); err != nil {
		t.Error(err)
	}
}

func TestWhoReadsVotesIsToldOfADatabaseThatIsNotThere(t *testing.T) {
	t.Parallel()
	c := testConfig(t)
	err := PageVotes(context.Background(), c, func(keypin.PageVote) error { return nil })
	if err == nil || !strings.HasPrefix(err.Error(), "database: ") {
		t.Errorf("got %v", err)
	}
}
