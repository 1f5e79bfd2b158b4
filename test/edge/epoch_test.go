package edge

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/keypin/keypin/client"
	"github.com/keypin/keypin/internal/keypin"
	"github.com/keypin/keypin/internal/verify"
)

// code is the outcome of a check, or "error".
func code(t *testing.T, g *client.Guard, key client.Secret) client.Outcome {
	t.Helper()
	v, err := g.Verify(t.Context(), client.VerifyParams{Key: key, Scopes: []string{"workflows:read"}, ClientIP: home})
	if err != nil {
		return "error"
	}
	return v.Code
}

// awaitFresh waits, in simulated time, until the Guard trusts its memory.
func awaitFresh(t *testing.T, g *client.Guard) {
	t.Helper()
	for range 200 {
		if g.Fresh() {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("the stream does not come back")
}

func TestARestartedServiceIsANewBeginning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := newService(t, 1, nil)
		n := &network{to: first}
		g := newGuard(t, n)
		defer g.Close()
		key, hash := first.newKey(nil)
		awaitFresh(t, g)
		if got := code(t, g, key); got != client.OutcomeValid {
			t.Fatal(got)
		}
		// The key is revoked, and the process that told it dies at once.
		n.set(func(n *network) { n.down = true })
		close(first.stop)
		first.change(hash, narrowings["revoke"])
		second := newService(t, 2, first.rows)
		defer close(second.stop)
		n.set(func(n *network) { n.down, n.to = false, second })
		time.Sleep(verify.Bound)
		awaitFresh(t, g)
		if got := code(t, g, key); got != client.OutcomeRevoked {
			t.Errorf("after the restart the key is %s", got)
		}
	})
}

func TestWhoMissedMoreThanIsKeptForgetsEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(t, 1, nil)
		n := &network{to: s}
		g := newGuard(t, n)
		defer g.Close()
		key, hash := s.newKey(nil)
		_, other := s.newKey(nil)
		awaitFresh(t, g)
		if got := code(t, g, key); got != client.OutcomeValid {
			t.Fatal(got)
		}
		n.set(func(n *network) { n.down = true })
		s.change(hash, narrowings["revoke"])
		for range 1 << 14 { // as many changes as a feed keeps
			s.change(other, func(*keypin.APIKey) {})
		}
		time.Sleep(2 * time.Second)
		n.set(func(n *network) { n.down = false })
		awaitFresh(t, g)
		if got := code(t, g, key); got != client.OutcomeRevoked {
			t.Errorf("the key is %s", got)
		}
		close(s.stop)
	})
}

// split sends streams to one service and checks to another, as a balancer may.
type split struct{ streams, checks *network }

func (s split) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.HasSuffix(r.URL.Path, "/invalidations") {
		return s.streams.RoundTrip(r)
	}
	return s.checks.RoundTrip(r)
}

func TestWhatAnotherProcessAnswersIsNotRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one := newService(t, 1, nil)
		two := newService(t, 2, one.rows)
		asked := &network{to: two}
		c, err := client.New("http://keypin.test", client.WithHTTPClient(&http.Client{Transport: split{&network{to: one}, asked}}))
		if err != nil {
			t.Fatal(err)
		}
		g, err := client.NewGuard(c)
		if err != nil {
			t.Fatal(err)
		}
		defer g.Close()
		key, _ := two.newKey(nil)
		awaitFresh(t, g)
		for range 3 {
			if got := code(t, g, key); got != client.OutcomeValid {
				t.Fatal(got)
			}
		}
		if n := asked.count(); n != 3 {
			t.Errorf("asked %d times in 3 checks", n)
		}
		close(one.stop)
		close(two.stop)
	})
}

func TestWhoCannotAskRefusesOnceItsMemoryIsTooOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(t, 1, nil)
		n := &network{to: s}
		g := newGuard(t, n)
		defer g.Close()
		key, _ := s.newKey(nil)
		awaitFresh(t, g)
		code(t, g, key)
		n.set(func(n *network) { n.down = true })
		time.Sleep(700 * time.Millisecond)
		if got := code(t, g, key); got != client.OutcomeValid {
			t.Errorf("within the bound the key is %s", got)
		}
		time.Sleep(time.Second)
		if got := code(t, g, key); got != "error" {
			t.Errorf("beyond the bound the key is %s", got)
		}
		n.set(func(n *network) { n.down = false })
		awaitFresh(t, g)
		before := n.count()
		if got := code(t, g, key); got != client.OutcomeValid || n.count() != before {
			t.Errorf("after the stream resumed the key is %s, asked %d times", got, n.count()-before)
		}
		close(s.stop)
	})
}
