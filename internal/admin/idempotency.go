package admin

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/json"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/keypin/keypin/internal/keypin"
)

// flights are the requests under an Idempotency-Key that this process is working on.
type flights struct {
	mu   sync.Mutex
	open map[flight]struct{}
}

type flight struct {
	caller  keypin.ID
	keyHash [32]byte
}

func (f *flights) start(one flight) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, there := f.open[one]; there {
		return false
	}
	if f.open == nil {
		f.open = map[flight]struct{}{}
	}
	f.open[one] = struct{}{}
	return true
}

func (f *flights) land(one flight) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.open, one)
}

// once is a request under an Idempotency-Key.
type once struct {
	flight
	aead    cipher.AEAD
	random  io.Reader
	flights *flights
}

const (
	idempotencyLookup = "keypin idempotency lookup v1"
	idempotencySeal   = "keypin idempotency seal v1"
)

// begin takes the call's Idempotency-Key into flight; nil when it has none. The
// caller ends it. CodeConflict when the same key is in flight already.
func (s *Service) begin(call Call) (*once, error) {
	if call.IdempotencyKey.IsZero() {
		return nil, nil
	}
	caller := callerID(call)
	secret := []byte(call.IdempotencyKey.Reveal())
	lookup, err := hkdf.Key(sha256.New, secret, caller[:], idempotencyLookup, 32)
	if err != nil {
		return nil, broken(err)
	}
	seal, err := hkdf.Key(sha256.New, secret, caller[:], idempotencySeal, 32)
	if err != nil {
		return nil, broken(err)
	}
	block, err := aes.NewCipher(seal)
	if err != nil {
		return nil, broken(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, broken(err)
	}
	o := &once{flight: flight{caller, [32]byte(lookup)}, aead: aead, random: s.random, flights: &s.flights}
	if !s.flights.start(o.flight) {
		return nil, inFlight(nil)
	}
	return o, nil
}

// end lets the next request under the key in.
func (o *once) end() {
	if o != nil {
		o.flights.land(o.flight)
	}
}

func broken(cause error) error {
	return keypin.Wrap(keypin.CodeInternal, "Something went wrong.", cause)
}

func inFlight(cause error) error {
	return &keypin.Error{
		Code: keypin.CodeConflict, Message: "A request with this Idempotency-Key is still being worked on; try again.",
		Cause: cause, RetryAfter: time.Second,
	}
}

// request is what tells the same request from another one under one key. Input must
// encode to the same JSON whenever it asks for the same thing.
type request struct {
	Operation string
	Workspace keypin.ID
	Target    keypin.ID
	Input     any
}

func (r request) hash() ([32]byte, error) {
	b, err := json.Marshal(r)
	if err != nil {
		return [32]byte{}, broken(err)
	}
	return sha256.Sum256(b), nil
}

// repeatable makes something, or answers what an earlier run of the same request
// made. T goes through JSON. The caller has been authorised before, for a replay too.
// Errors are not kept. Without a key (o is nil) it only makes.
func repeatable[T any](
	ctx context.Context, tx keypin.Tx, o *once, now time.Time, r request, produce func() (T, error),
) (answer T, replayed bool, err error) {
	if o == nil {
		answer, err = produce()
		return answer, false, err
	}
	hash, err := r.hash()
	if err != nil {
		return answer, false, err
	}
	stored, err := tx.IdempotentAnswer(ctx, o.caller, o.keyHash, now)
	if err == nil {
		answer, err = open[T](o, stored, hash)
		return answer, true, err
	}
	if keypin.CodeOf(err) != keypin.CodeNotFound {
		return answer, false, err
	}
	if answer, err = produce(); err != nil {
		return answer, false, err
	}
	sealed, err := o.seal(answer, hash)
	if err != nil {
		return answer, false, err
	}
	err = tx.InsertIdempotentAnswer(ctx, &keypin.IdempotentAnswer{
		Caller: o.caller, KeyHash: o.keyHash, RequestHash: hash, Sealed: sealed,
		CreatedAt: now, ExpiresAt: now.Add(keypin.IdempotencyLifetime),
	})
	if keypin.CodeOf(err) == keypin.CodeConflict {
		err = inFlight(err) // in flight at another node
	}
	return answer, false, err
}

// bound is the additional data of the seal: an answer opens only for the caller and
// the request that it was made for.
func (o *once) bound(requestHash [32]byte) []byte {
	return slices.Concat(o.caller[:], requestHash[:])
}

func (o *once) seal(answer any, requestHash [32]byte) ([]byte, error) {
	plain, err := json.Marshal(answer)
	if err != nil {
		return nil, broken(err)
	}
	nonce := make([]byte, o.aead.NonceSize(), o.aead.NonceSize()+len(plain)+o.aead.Overhead())
	if _, err := io.ReadFull(o.random, nonce); err != nil {
		return nil, noRandom(err)
	}
	return o.aead.Seal(nonce, nonce, plain, o.bound(requestHash)), nil
}

func open[T any](o *once, stored *keypin.IdempotentAnswer, requestHash [32]byte) (answer T, err error) {
	if stored.RequestHash != requestHash {
		return answer, &keypin.Error{
			Code: keypin.CodeValidation, Message: "The request is not valid.",
			Details: []keypin.Detail{{
				Field: "header.Idempotency-Key", Message: "was used with another request; use a new one",
			}},
		}
	}
	n := o.aead.NonceSize()
	if len(stored.Sealed) < n {
		return answer, broken(io.ErrUnexpectedEOF)
	}
	plain, err := o.aead.Open(nil, stored.Sealed[:n], stored.Sealed[n:], o.bound(requestHash))
	if err != nil {
		return answer, broken(err)
	}
	if err := json.Unmarshal(plain, &answer); err != nil {
		return answer, broken(err)
	}
	return answer, nil
}
