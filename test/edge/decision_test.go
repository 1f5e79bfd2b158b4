package edge

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/keypin/keypin/client"
	"github.com/keypin/keypin/internal/keypin"
	"github.com/keypin/keypin/internal/verify"
)

func pick[T any](random *rand.Rand, of ...T) T { return of[random.IntN(len(of))] }

// randomKey is anything that a key can be.
func randomKey(random *rand.Rand) func(*keypin.APIKey) {
	return func(k *keypin.APIKey) {
		now := time.Now()
		if random.IntN(6) == 0 {
			k.RevokeAt, k.Active = &now, false
		}
		if random.IntN(6) == 0 {
			k.Active = false
		}
		if random.IntN(3) == 0 {
			at := now.Add(pick(random, -time.Hour, time.Minute, time.Hour))
			k.ExpiresAt = &at
		}
		if random.IntN(3) == 0 {
			k.AllowedIPs = []netip.Prefix{netip.MustParsePrefix(pick(random, "203.0.113.0/24", "203.0.113.7/32", "198.51.100.0/24", "2001:db8::/32"))}
		}
		k.Scopes = pick(random, nil, []keypin.Scope{"workflows:read"}, []keypin.Scope{"workflows:read", "voices:read"})
		if random.IntN(3) == 0 {
			limit := pick(random, 1, 100, 1000, 1_000_000)
			k.RateLimit = &limit
		}
	}
}

// Whatever the key and the request, the Guard decides from memory as the service would.
func TestTheGuardDecidesAsTheService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		random := rand.New(rand.NewPCG(7, 7))
		s := newService(t, 7, nil)
		n := &network{to: s}
		g := newGuard(t, n)
		defer g.Close()
		awaitFresh(t, g)
		seen := map[client.Outcome]int{}
		inMemory := 0
		for i := range 3000 {
			key, _ := s.newKey(randomKey(random))
			p := client.VerifyParams{
				Key: key, Scopes: pick(random, nil, []string{"workflows:read"}, []string{"voices:read", "workflows:read"}),
				ClientIP: pick(random, home, netip.Addr{}, netip.MustParseAddr("198.51.100.1"), netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("::ffff:203.0.113.7")),
			}
			if _, err := g.Verify(t.Context(), p); err != nil {
				t.Fatal(err)
			}
			if random.IntN(4) == 0 { // another request than the one that was asked about
				p.Scopes, p.ClientIP = nil, home
			}
			if random.IntN(50) == 0 {
				time.Sleep(2 * time.Minute)
				awaitFresh(t, g)
			}
			request := &verify.Request{Secret: keypin.NewSecret(key.Reveal()), ClientIP: p.ClientIP.Unmap(), Cost: 0}
			for _, scope := range p.Scopes {
				request.Needed = append(request.Needed, keypin.Scope(scope))
			}
			want, err := s.checks.Verify(t.Context(), request)
			if err != nil {
				t.Fatal(err)
			}
			before := n.count()
			zero := 0
			p.Cost = &zero
			got, err := g.Verify(t.Context(), p)
			if err != nil {
				t.Fatal(err)
			}
			if n.count() == before {
				inMemory++
			}
			if string(got.Code) != string(want.Code) || got.Valid != (want.Code == verify.CodeValid) || got.APIKey.ID != want.Key.ID.String() {
				t.Fatalf("%d: the Guard says %s, the service %s, of %+v asked by %+v", i, got.Code, want.Code, got.APIKey, p)
			}
			seen[got.Code]++
		}
		for _, o := range []client.Outcome{"valid", "revoked", "inactive", "expired", "ip_not_allowed", "insufficient_scope"} {
			if seen[o] < 50 {
				t.Errorf("%s was seen %d times", o, seen[o])
			}
		}
		if inMemory < 2000 {
			t.Errorf("%d of 3000 were decided from memory", inMemory)
		}
		close(s.stop)
	})
}
