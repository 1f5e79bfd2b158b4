package authn

import (
	"crypto/sha256"
	"encoding/binary"
	"testing"
	"time"

	"github.com/keypin/keypin/internal/keypin"
)

func TestARememberedTokenStillExpires(t *testing.T) {
	l := openLocal(t, t.TempDir())
	clock := &fakeClock{now: documented}
	v, err := New(Options{Local: l, Clock: clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	token := mint(t, l, LocalToken{Email: "ada@example.com", TTL: time.Minute}, documented)
	first := accepted(t, v, token)
	if again := accepted(t, v, token); again != first {
		t.Error("the token was not remembered")
	}
	clock.advance(time.Minute + leeway - time.Millisecond)
	accepted(t, v, token)
	clock.advance(time.Millisecond)
	refused(t, v, token, refuseExpired)
	clock.advance(-time.Hour)
	refused(t, v, token, refuseFuture)
}

func TestTheMemoryOfTokensIsBounded(t *testing.T) {
	var r recent
	keys := &keySet{}
	for n := range uint64(3 * maxRecent) {
		hash := sha256.Sum256(binary.BigEndian.AppendUint64(nil, n))
		r.add(hash, verified{identity: &keypin.Identity{}, keys: keys, until: documented})
		if len(r.tokens) > maxRecent {
			t.Fatalf("%d tokens are remembered", len(r.tokens))
		}
		if r.find(hash, documented.Add(-time.Second), func(string) *keySet { return keys }) == nil {
			t.Fatal("the newest token is not remembered")
		}
	}
}
