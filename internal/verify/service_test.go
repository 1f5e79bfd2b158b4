package verify_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/keypin/keypin/internal/keypin"
	"github.com/keypin/keypin/internal/ratelimit"
	"github.com/keypin/keypin/internal/token"
	"github.com/keypin/keypin/internal/verify"
)

var (
	now       = time.Date(2026, 5, 6, 7, 8, 9, 0, time.UTC)
	workspace = keypin.ID{15: 1}
	stranger  = keypin.ID{15: 2}
	home      = netip.MustParseAddr("203.0.113.7")
)

// keys is a KeySource in memory that counts how often it was asked.
type keys struct {
	byHash map[keypin.KeyHash]*keypin.APIKey
	err    error
	asked  int
}

func (k *keys) KeyByHash(_ context.Context, hash keypin.KeyHash) (*keypin.APIKey, error) {
	k.asked++
	if k.err != nil {
		return nil, k.err
	}
	key, ok := k.byHash[hash]
	if !ok {
		return nil, keypin.NotFound()
	}
	return key, nil
}

// brokenLimiter is the limiter of a node that cannot reach the others.
type brokenLimiter struct{ err error }

func (b brokenLimiter) Admit(context.Context, keypin.Admission, time.Time) (keypin.RateLimit, bool, error) {
	return keypin.RateLimit{}, false, b.err
}

// house is a service with one key in it, all of whose conditions are met.
type house struct {
	keys     *keys
	options  verify.Options
	key      *keypin.APIKey
	request  verify.Request
	recorded *recorder
}

func newHouse(t *testing.T) *house {
	t.Helper()
	secret, err := token.New("op_live", rand.NewChaCha8([32]byte{9}))
	if err != nil {
		t.Fatal(err)
	}
	key := &keypin.APIKey{
		ID:          keypin.ID{15: 10},
		WorkspaceID: workspace,
		ChainID:     keypin.ID{15: 11},
		Scopes:      []keypin.Scope{"workflows:read", "voices:read"},
		Active:      true,
		RateLimit:   ptr(5),
		AllowedIPs:  []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")},
	}
	source := &keys{byHash: map[keypin.KeyHash]*keypin.APIKey{sha256.Sum256([]byte(secret.Reveal())): key}}
	clock := func() time.Time { return now }
	recorded := &recorder{}
	return &house{
		keys: source,
		key:  key,
		options: verify.Options{
			Limiter: ratelimit.NewMemory(now),
			Usage:   verify.NewUsage(recorded, clock, slog.New(slog.DiscardHandler)),
		},
		request:  verify.Request{Secret: secret, Workspace: &workspace, Needed: []keypin.Scope{"voices:read"}, ClientIP: home, UserAgent: "tool/1", Cost: 1},
		recorded: recorded,
	}
}

// service has an empty cache.
func (h *house) service(t *testing.T) *verify.Service {
	t.Helper()
	h.options.Keys = newCache(t, verify.CacheOptions{Source: h.keys})
	return verify.New(h.options)
}

func newCache(t testing.TB, options verify.CacheOptions) *verify.Cache {
	t.Helper()
	if options.Clock == nil {
		options.Clock = func() time.Time { return now }
	}
	if options.Freshness == nil {
		options.Freshness = verify.AlwaysFresh{}
	}
	if options.MaxBytes == 0 {
		options.MaxBytes = 1 << 20
	}
	cache, err := verify.NewCache(options)
	if err != nil {
		t.Fatal(err)
	}
	return cache
}

func (h *house) verify(t *testing.T) verify.Outcome {
	t.Helper()
	outcome, err := h.service(t).Verify(t.Context(), &h.request)
	if err != nil {
		t.Fatal(err)
	}
	return outcome
}

// spent is how much of the key's limit of 5 is used.
func (h *house) spent(t *testing.T) int {
	t.Helper()
	state, _, err := h.options.Limiter.Admit(t.Context(), keypin.Admission{Chain: h.key.ChainID, Limit: 5}, now)
	if err != nil {
		t.Fatal(err)
	}
	return 5 - state.Remaining
}

// wantCounted wants that one use was counted since the house was built, with the code,
// if that is one that has a key.
func (h *house) wantCounted(t *testing.T, code verify.Code) {
	t.Helper()
	flush(t, h.options.Usage)
	want := map[bucket]int64{{h.key.ChainID, now.Truncate(time.Minute), string(code)}: 1}
	if code == verify.CodeMalformed || code == verify.CodeNotFound {
		want = nil
	}
	equal(t, want, h.recorded.counts)
	var last map[keypin.ID]keypin.LastUse
	if code == verify.CodeValid {
		last = map[keypin.ID]keypin.LastUse{h.key.ID: {KeyID: h.key.ID, At: now, IP: h.request.ClientIP, UserAgent: h.request.UserAgent}}
	}
	equal(t, last, h.recorded.last)
}

func ptr[T any](v T) *T { return &v }

// conditions are the reasons to refuse, in the contract's order, and how each
// comes about.
var conditions = []struct {
	code  verify.Code
	occur func(t *testing.T, h *house)
}{
	{verify.CodeMalformed, func(_ *testing.T, h *house) {
		h.request.Secret = keypin.NewSecret(h.request.Secret.Reveal() + "!")
	}},
	{verify.CodeNotFound, func(_ *testing.T, h *house) { h.request.Workspace = &stranger }},
	{verify.CodeRevoked, func(_ *testing.T, h *house) { h.key.RevokeAt = ptr(now) }},
	{verify.CodeInactive, func(_ *testing.T, h *house) { h.key.Active = false }},
	{verify.CodeExpired, func(_ *testing.T, h *house) { h.key.ExpiresAt = ptr(now) }},
	{verify.CodeIPNotAllowed, func(_ *testing.T, h *house) { h.request.ClientIP = netip.Addr{} }},
	{verify.CodeInsufficientScope, func(_ *testing.T, h *house) { h.request.Needed = []keypin.Scope{"voices:write"} }},
	{verify.CodeRateLimited, func(t *testing.T, h *house) {
		if _, ok, err := h.options.Limiter.Admit(t.Context(), keypin.Admission{Chain: h.key.ChainID, Limit: 5, Cost: 5}, now); !ok || err != nil {
			t.Fatalf("the limit could not be used up: %t, %v", ok, err)
		}
	}},
}

func TestOfSeveralReasonsTheEarliestIsTold(t *testing.T) {
	for set := range 1 << len(conditions) { // every set of conditions, the pairs among them
		h := newHouse(t)
		want, limited := verify.CodeValid, false
		for i := len(conditions) - 1; i >= 0; i-- {
			if set&(1<<i) != 0 {
				conditions[i].occur(t, h)
				want = conditions[i].code
				limited = limited || conditions[i].code == verify.CodeRateLimited
			}
		}
		before := h.spent(t)
		got := h.verify(t)
		if got.Code != want {
			t.Errorf("set %08b: %s, want %s", set, got.Code, want)
		}
		if hasKey := want != verify.CodeMalformed && want != verify.CodeNotFound; (got.Key != nil) != hasKey {
			t.Errorf("%s: the key is %v", want, got.Key)
		}
		if asked := want == verify.CodeValid || want == verify.CodeRateLimited; got.Limited != asked {
			t.Errorf("%s: the limit is %v", want, got.RateLimit)
		}
		if (len(got.Missing) > 0) != (want == verify.CodeInsufficientScope) {
			t.Errorf("%s: %v is missing", want, got.Missing)
		}
		if spent := h.spent(t) - before; spent != 0 && want != verify.CodeValid || spent != 1 && want == verify.CodeValid {
			t.Errorf("set %08b (%s, limited %t): %d units were spent", set, want, limited, spent)
		}
		h.wantCounted(t, want)
	}
}

func TestAMalformedKeyIsRefusedWithoutALookUp(t *testing.T) {
	h := newHouse(t)
	good := h.request.Secret.Reveal()
	for _, s := range []string{"", "x", good + "0", good[:len(good)-1], "op_live_" + strings.Repeat("0", 32)} {
		h.request.Secret = keypin.NewSecret(s)
		if got := h.verify(t); got.Code != verify.CodeMalformed {
			t.Errorf("%q: %s", s, got.Code)
		}
	}
	if h.keys.asked != 0 {
		t.Errorf("the source was asked %d times", h.keys.asked)
	}
}

func TestAnotherWorkspacesKeyAnswersLikeOneThatDoesNotExist(t *testing.T) {
	h := newHouse(t)
	h.request.Workspace = &stranger
	foreign := h.verify(t)
	h.keys.byHash = nil
	if diff := cmp.Diff(h.verify(t), foreign); diff != "" {
		t.Errorf("the two differ:\n%s", diff)
	}
}

func TestAnAskerForAllWorkspacesSeesEveryKey(t *testing.T) {
	h := newHouse(t)
	h.request.Workspace = nil
	if got := h.verify(t); got.Code != verify.CodeValid || got.Key.ID != h.key.ID {
		t.Errorf("%+v", got)
	}
}

func TestAKeyIsUsableUntilItsTimes(t *testing.T) {
	h := newHouse(t)
	h.key.RevokeAt, h.key.ExpiresAt = ptr(now.Add(1)), ptr(now.Add(1))
	if got := h.verify(t); got.Code != verify.CodeValid {
		t.Errorf("%s a nanosecond before", got.Code)
	}
}

func TestAddressesAreCheckedAgainstTheKeysRanges(t *testing.T) {
	for ip, want := range map[string]verify.Code{
		"203.0.113.255":        verify.CodeValid,
		"::ffff:203.0.113.255": verify.CodeValid,
		"203.0.114.0":          verify.CodeIPNotAllowed,
		"2001:db8::1":          verify.CodeIPNotAllowed,
	} {
		h := newHouse(t)
		h.request.ClientIP = netip.MustParseAddr(ip)
		if got := h.verify(t); got.Code != want {
			t.Errorf("%s: %s, want %s", ip, got.Code, want)
		}
	}
	h := newHouse(t)
	h.key.AllowedIPs, h.request.ClientIP = nil, netip.Addr{}
	if got := h.verify(t); got.Code != verify.CodeValid {
		t.Errorf("a key for anywhere, used from an unknown address: %s", got.Code)
	}
}

func TestEveryNeededScopeMustBeHeld(t *testing.T) {
	h := newHouse(t)
	h.request.Needed = []keypin.Scope{"voices:read", "voices:write", "uploads:write"}
	got := h.verify(t)
	if diff := cmp.Diff([]keypin.Scope{"voices:write", "uploads:write"}, got.Missing); diff != "" || got.Code != verify.CodeInsufficientScope {
		t.Errorf("%s (-want +got):\n%s", got.Code, diff)
	}
}

func TestTheLimitIsCountedAndTold(t *testing.T) {
	h := newHouse(t)
	reset := now.Add(time.Minute)
	for i, step := range []struct {
		cost int
		code verify.Code
		want keypin.RateLimit
	}{
		{0, verify.CodeValid, keypin.RateLimit{Limit: 5, Remaining: 5, ResetAt: now}},
		{6, verify.CodeRateLimited, keypin.RateLimit{Limit: 5, Remaining: 5, ResetAt: now, RetryAfter: time.Minute}},
		{3, verify.CodeValid, keypin.RateLimit{Limit: 5, Remaining: 2, ResetAt: reset}},
		{3, verify.CodeRateLimited, keypin.RateLimit{Limit: 5, Remaining: 2, ResetAt: reset, RetryAfter: time.Minute}},
		{2, verify.CodeValid, keypin.RateLimit{Limit: 5, Remaining: 0, ResetAt: reset}},
		{0, verify.CodeValid, keypin.RateLimit{Limit: 5, Remaining: 0, ResetAt: reset}},
	} {
		h.request.Cost = step.cost
		got := h.verify(t)
		if diff := cmp.Diff(step.want, got.RateLimit); diff != "" || got.Code != step.code {
			t.Errorf("%d: %s (-want +got):\n%s", i, got.Code, diff)
		}
	}
}

func TestAKeyWithoutALimitTakesTheDefault(t *testing.T) {
	h := newHouse(t)
	h.key.RateLimit = nil
	if got := h.verify(t); got.Code != verify.CodeValid || got.Limited {
		t.Errorf("without a default: %+v", got)
	}
	h.options.DefaultRateLimit = 1
	if got := h.verify(t); got.Code != verify.CodeValid || !got.Limited || got.RateLimit.Limit != 1 {
		t.Errorf("with a default: %+v", got)
	}
	if got := h.verify(t); got.Code != verify.CodeRateLimited {
		t.Errorf("the second call at a default of 1: %s", got.Code)
	}
}

func TestWhoOnlyLooksUsesNothing(t *testing.T) {
	for _, condition := range append(conditions, struct {
		code  verify.Code
		occur func(t *testing.T, h *house)
	}{verify.CodeValid, func(*testing.T, *house) {}}) {
		if condition.code == verify.CodeRateLimited {
			continue // a cost of 0 is admitted
		}
		h := newHouse(t)
		h.request.Cost = 0
		condition.occur(t, h)
		if got := h.verify(t); got.Code != condition.code {
			t.Errorf("%s, want %s", got.Code, condition.code)
		}
		flush(t, h.options.Usage)
		if len(h.recorded.counts)+len(h.recorded.last) > 0 {
			t.Errorf("%s: counted %v, %v", condition.code, h.recorded.counts, h.recorded.last)
		}
	}
}

func TestOfUnknownKeysOnlyTheBeginningIsTold(t *testing.T) {
	h := newHouse(t)
	var told []string
	h.options.Unknown = func(prefix string) { told = append(told, prefix) }
	known := h.request.Secret
	h.verify(t)
	for _, s := range []string{"", "x", "_x", "op_test_x", "op_live_" + strings.Repeat("0", 32), strings.Repeat("_", 3)} {
		h.request.Secret = keypin.NewSecret(s)
		h.verify(t)
	}
	h.request.Secret, h.request.Workspace = known, &stranger
	h.verify(t)
	h.request.Workspace, h.keys.byHash = nil, nil
	h.verify(t)
	equal(t, []string{"", "", "", "op_test", "op_live", "__", "op_live", "op_live"}, told)
}

func TestRotatingRefillsNothing(t *testing.T) {
	h := newHouse(t)
	h.request.Cost = 5
	if got := h.verify(t); got.Code != verify.CodeValid {
		t.Fatal(got.Code)
	}
	h.key.ID = keypin.ID{15: 12} // the next key of the same chain
	if got := h.verify(t); got.Code != verify.CodeRateLimited {
		t.Errorf("after rotating: %s", got.Code)
	}
}

func TestAChangeHoldsFromItsInvalidation(t *testing.T) {
	h := newHouse(t)
	service := h.service(t)
	for _, want := range []verify.Code{verify.CodeValid, verify.CodeRevoked} {
		got, err := service.Verify(t.Context(), &h.request)
		if err != nil || got.Code != want {
			t.Errorf("%s, %v, want %s", got.Code, err, want)
		}
		h.key.RevokeAt = ptr(now)
		if err := h.options.Keys.InvalidateKeys(t.Context(), []keypin.KeyHash{got.Hash}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestNothingIsDecidedWhenAPartDoesNotAnswer(t *testing.T) {
	cause := errors.New("disk on fire")
	for name, breakIt := range map[string]func(h *house){
		"the source is unavailable": func(h *house) { h.keys.err = keypin.Wrap(keypin.CodeUnavailable, "Busy.", cause) },
		"the source fails":          func(h *house) { h.keys.err = cause },
		"the limiter fails":         func(h *house) { h.options.Limiter = brokenLimiter{cause} },
		"the source lies": func(h *house) {
			for hash := range h.keys.byHash {
				h.keys.byHash[hash] = nil
			}
		},
	} {
		h := newHouse(t)
		breakIt(h)
		got, err := h.service(t).Verify(t.Context(), &h.request)
		if diff := cmp.Diff(verify.Outcome{}, got); diff != "" || keypin.CodeOf(err) != keypin.CodeUnavailable {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
		var e *keypin.Error
		if !errors.As(err, &e) || e.RetryAfter <= 0 || strings.Contains(e.Message, "disk") {
			t.Errorf("%s: %#v", name, e)
		}
		if name != "the source lies" && !errors.Is(err, cause) {
			t.Errorf("%s: the cause is lost: %v", name, err)
		}
	}
}

func TestWhatACallerIsToldOfItsOwnKey(t *testing.T) {
	limit := keypin.RateLimit{Limit: 5, RetryAfter: 7 * time.Second}
	missing := []keypin.Scope{"voices:write"}
	unauthorized := &keypin.Error{Code: keypin.CodeUnauthorized, Message: "The credentials are not valid."}
	for _, c := range []struct {
		outcome verify.Outcome
		want    error
	}{
		{verify.Outcome{Code: verify.CodeValid, RateLimit: limit, Limited: true}, nil},
		{verify.Outcome{Code: verify.CodeMalformed}, unauthorized},
		{verify.Outcome{Code: verify.CodeNotFound}, unauthorized},
		{verify.Outcome{Code: verify.CodeRevoked}, unauthorized},
		{verify.Outcome{Code: verify.CodeInactive}, unauthorized},
		{verify.Outcome{Code: verify.CodeExpired}, unauthorized},
		{verify.Outcome{Code: verify.CodeIPNotAllowed}, &keypin.Error{
			Code: keypin.CodeForbidden, Message: "This key may not be used from this address.",
		}},
		{verify.Outcome{Code: verify.CodeInsufficientScope, Missing: missing}, &keypin.Error{
			Code: keypin.CodeInsufficientScope, Message: "This key lacks a scope that the request needs.", Needed: missing,
		}},
		{verify.Outcome{Code: verify.CodeRateLimited, RateLimit: limit, Limited: true}, &keypin.Error{
			Code: keypin.CodeRateLimited, Message: "This key has reached its limit per minute.", RateLimit: &limit, RetryAfter: 7 * time.Second,
		}},
		{verify.Outcome{Code: verify.CodeQuotaExceeded}, &keypin.Error{
			Code: keypin.CodeQuotaExceeded, Message: "This key has used up its quota.",
		}},
		{verify.Outcome{}, &keypin.Error{Code: keypin.CodeInternal, Message: "The credentials could not be checked."}},
	} {
		if diff := cmp.Diff(c.want, c.outcome.CallerError()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.outcome.Code, diff)
		}
	}
}

func TestACheckOfAKnownKeyAllocatesNothing(t *testing.T) {
	h := newHouse(t)
	h.key.RateLimit = ptr(keypin.MaxRateLimit)
	service, ctx := h.service(t), t.Context()
	if n := testing.AllocsPerRun(1000, func() {
		if got, err := service.Verify(ctx, &h.request); err != nil || got.Code != verify.CodeValid {
			t.Errorf("%s, %v", got.Code, err)
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
