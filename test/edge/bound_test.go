package edge

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/keypin/keypin/client"
	"github.com/keypin/keypin/internal/keypin"
	"github.com/keypin/keypin/internal/verify"
)

// narrowings are the changes after which a check for workflows:read from home is refused.
var narrowings = map[string]func(*keypin.APIKey){
	"revoke":  func(k *keypin.APIKey) { now := time.Now(); k.RevokeAt, k.Active = &now, false },
	"suspend": func(k *keypin.APIKey) { k.Active = false },
	"narrow":  func(k *keypin.APIKey) { k.Scopes = []keypin.Scope{"voices:read"} },
	"move":    func(k *keypin.APIKey) { k.AllowedIPs = []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")} },
	"expire":  func(k *keypin.APIKey) { now := time.Now(); k.ExpiresAt = &now },
}

// accepted is a check that let a key in.
type accepted struct {
	key   int
	began time.Time
}

// run lets keys be used through a Guard for a minute while each is narrowed once, and
// gives the acceptances that broke the bound, and how many there were in all.
type run struct {
	seed     uint64
	disturb  func(random *rand.Rand, n *network, over <-chan struct{}) // the network, until over
	sabotage func(s *service)
}

type result struct {
	broken            []string
	accepted, checked int
	asked, failed     int
}

func (r run) minute(t *testing.T) (out result) {
	t.Helper()
	random := rand.New(rand.NewPCG(r.seed, 1))
	s := newService(t, r.seed, nil)
	if r.sabotage != nil {
		r.sabotage(s)
	}
	n := &network{to: s}
	over := make(chan struct{})
	var wg sync.WaitGroup
	if r.disturb != nil {
		faults := rand.New(rand.NewPCG(r.seed, 2))
		wg.Go(func() { r.disturb(faults, n, over) })
	}
	g := newGuard(t, n)
	const keys = 30
	secrets, hashes := make([]client.Secret, keys), make([]keypin.KeyHash, keys)
	kinds := []string{"revoke", "suspend", "narrow", "move", "expire"}
	for i := range keys {
		secrets[i], hashes[i] = s.newKey(nil)
	}
	var mu sync.Mutex
	answered := make([]time.Time, keys)
	var log []accepted
	for i := range keys {
		at, kind := time.Duration(random.Int64N(int64(50*time.Second))), kinds[random.IntN(len(kinds))]
		wg.Go(func() {
			time.Sleep(at)
			s.change(hashes[i], narrowings[kind])
			mu.Lock()
			defer mu.Unlock()
			answered[i] = time.Now()
		})
	}
	began := time.Now()
	for c := range 4 {
		mine := rand.New(rand.NewPCG(r.seed, uint64(10+c)))
		wg.Go(func() {
			for time.Since(began) < time.Minute {
				time.Sleep(time.Duration(mine.Int64N(int64(20 * time.Millisecond))))
				i, at := mine.IntN(keys), time.Now()
				ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
				v, err := g.Verify(ctx, client.VerifyParams{Key: secrets[i], Scopes: []string{"workflows:read"}, ClientIP: home})
				cancel()
				mu.Lock()
				out.checked++
				switch {
				case err != nil:
					out.failed++
				case v.Valid:
					out.accepted++
					log = append(log, accepted{i, at})
				}
				mu.Unlock()
			}
		})
	}
	time.Sleep(time.Minute)
	close(over)
	n.set(func(n *network) { n.down, n.slow = false, nil })
	wg.Wait()
	g.Close()
	close(s.stop)
	for _, a := range log {
		if late := a.began.Sub(answered[a.key]); !answered[a.key].IsZero() && late > verify.Bound {
			out.broken = append(out.broken, fmt.Sprintf("key %d was let in %v after its change was answered", a.key, late))
		}
	}
	out.asked = n.count()
	return out
}

func TestWithoutFaultsAKeyIsAskedAboutOnceAndAfterAChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := run{seed: 1}.minute(t)
		if len(got.broken) > 0 || got.failed > 0 || got.accepted < 1000 {
			t.Errorf("%+v", got)
		}
		// A first time, and again after its change; more only while the stream begins.
		if got.asked > 2*30+10 {
			t.Errorf("the service was asked %d times in %d checks", got.asked, got.checked)
		}
	})
}

// disturbance makes the network do one thing after another.
func disturbance(random *rand.Rand, n *network, over <-chan struct{}) {
	pick := func(most time.Duration) time.Duration { return time.Duration(random.Int64N(int64(most))) }
	for {
		var lasts time.Duration
		switch random.IntN(5) {
		case 0: // fine
			n.set(func(n *network) { n.down, n.slow, n.streams = false, nil, nil })
			lasts = pick(3 * time.Second)
		case 1: // away
			n.set(func(n *network) { n.down = true })
			lasts = pick(2 * time.Second)
		case 2: // requests take their time
			seed := random.Uint64()
			var mu sync.Mutex
			own := rand.New(rand.NewPCG(seed, 0))
			n.set(func(n *network) {
				n.down = false
				n.slow = func() time.Duration {
					mu.Lock()
					defer mu.Unlock()
					return time.Duration(own.Int64N(int64(1500 * time.Millisecond)))
				}
			})
			lasts = pick(4 * time.Second)
		default: // streams are carried badly
			seed := random.Uint64()
			n.set(func(n *network) {
				n.down, n.slow = true, nil // cut those that are carried well
			})
			n.set(func(n *network) {
				n.down = false
				n.streams = func(ctx context.Context, from io.Reader, to *io.PipeWriter) { mangle(ctx, seed, from, to) }
			})
			lasts = pick(6 * time.Second)
		}
		select {
		case <-time.After(lasts):
		case <-over:
			return
		}
	}
}

// mangle carries a stream's events, and now and then stalls, drops one, repeats an
// earlier one, swaps two, or breaks off.
func mangle(ctx context.Context, seed uint64, from io.Reader, to *io.PipeWriter) {
	random := rand.New(rand.NewPCG(seed, 3))
	events := make(chan string, 1<<12)
	go func() {
		defer close(events)
		lines := bufio.NewReader(from)
		var event strings.Builder
		for {
			line, err := lines.ReadString('\n')
			if err != nil {
				return
			}
			event.WriteString(line)
			if line == "\n" {
				select {
				case events <- event.String():
				case <-ctx.Done():
					return
				}
				event.Reset()
			}
		}
	}()
	var earlier []string
	held := ""
	for event := range events {
		out := []string{event}
		switch hello := strings.HasPrefix(event, "event: hello"); random.IntN(12) {
		case 0:
			if wait(ctx, time.Duration(random.Int64N(int64(2500*time.Millisecond)))) != nil {
				return
			}
		case 1:
			if !hello {
				out = nil // lost
			}
		case 2:
			if len(earlier) > 1 {
				out = append(out, earlier[1+random.IntN(len(earlier)-1)])
			}
		case 3:
			if !hello && held == "" {
				held, out = event, nil // comes behind the next
			}
		case 4:
			if random.IntN(5) == 0 {
				return
			}
		}
		if len(out) > 0 && held != "" && out[0] != held {
			out, held = append(out, held), ""
		}
		for _, o := range out {
			if _, err := io.WriteString(to, o); err != nil {
				return
			}
		}
		earlier = append(earlier, event)
	}
}

func TestWhateverHappensToTheStreamNoKeyIsLetInASecondAfterItsChange(t *testing.T) {
	const runs = 20
	total := result{}
	for seed := range uint64(runs) {
		synctest.Test(t, func(t *testing.T) {
			got := run{seed: seed, disturb: disturbance}.minute(t)
			for _, b := range got.broken {
				t.Errorf("seed %d: %s", seed, b)
			}
			total.accepted += got.accepted
			total.checked += got.checked
			total.asked += got.asked
			total.failed += got.failed
		})
	}
	t.Logf("%d checks: %d let in, %d asked, %d could not be decided", total.checked, total.accepted, total.asked, total.failed)
	// The faults were felt, and yet most checks were made in memory.
	if total.failed < runs || total.asked < 5*runs || total.accepted < 100*runs {
		t.Errorf("%+v", total)
	}
}

func TestACheckerThatIsBlindWouldBeNoticed(t *testing.T) {
	for name, sabotage := range map[string]func(*service){
		"nobody is told of changes": func(s *service) { s.tell = nil },
		"the edge is not told":      func(s *service) { s.tell = s.tell[:1] },
		"the edge is told alone":    func(s *service) { s.tell = s.tell[1:] },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if got := (run{seed: 1, sabotage: sabotage}).minute(t); len(got.broken) == 0 {
					t.Errorf("%d checks, and the bound seems to hold", got.checked)
				}
			})
		})
	}
}
