package verify_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/keypin/keypin/internal/ratelimit"
	"github.com/keypin/keypin/internal/verify"
)

// patience is that of the service.
const patience = 50 * time.Millisecond

// limited is a service in a bubble, whose one key has a limit.
func limited(t *testing.T, limit int) (*verify.Service, verify.Request) {
	h := newHouse(t)
	h.key.RateLimit = &limit
	h.options.Limiter = ratelimit.NewMemory(time.Now())
	h.options.Usage = nil
	h.options.Keys = newCache(t, verify.CacheOptions{Source: h.keys, Clock: time.Now})
	return verify.New(h.options), h.request
}

// ask makes one request and tells when it came and was answered.
func ask(t *testing.T, s *verify.Service, r verify.Request) (admitted bool, came, answered time.Time) {
	came = time.Now()
	outcome, err := s.Verify(t.Context(), &r)
	if err != nil {
		t.Error(err)
	}
	return outcome.Code == verify.CodeValid, came, time.Now()
}

func TestASteadyClientMayBeUnevenByTheServicesPatience(t *testing.T) {
	for _, limit := range []int{1, 2, 10, 30, 60, 99} {
		synctest.Test(t, func(t *testing.T) {
			s, request := limited(t, limit)
			random := rand.New(rand.NewPCG(1, uint64(limit)))
			began, calls := time.Now(), 20*limit
			for i := range calls {
				at := began.Add(time.Duration(i) * time.Minute / time.Duration(limit)).Add(time.Duration(random.Int64N(int64(patience))))
				time.Sleep(time.Until(at))
				if ok, came, _ := ask(t, s, request); !ok {
					t.Errorf("limit %d: call %d, %v after its time, was refused", limit, i, came.Sub(at))
				}
			}
		})
	}
}

func TestWhoComesTooEarlyIsRefusedAtOnce(t *testing.T) {
	for limit, early := range map[int]time.Duration{
		1:   patience + 1,
		99:  patience + 1,
		100: 1, // so many that a refusal for each window is 1 %
	} {
		synctest.Test(t, func(t *testing.T) {
			s, request := limited(t, limit)
			for range limit {
				if ok, _, _ := ask(t, s, request); !ok {
					t.Fatal("the limit is not had at once")
				}
			}
			time.Sleep(time.Minute - early)
			if ok, came, answered := ask(t, s, request); ok || came != answered {
				t.Errorf("limit %d, %v too early: admitted %v after %v", limit, early, ok, answered.Sub(came))
			}
		})
	}
}

func TestWhoDoesNotWaitForItsTurnIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, request := limited(t, 1)
		ask(t, s, request)
		time.Sleep(time.Minute - patience)
		ctx, cancel := context.WithTimeout(t.Context(), patience/2)
		defer cancel()
		if outcome, err := s.Verify(ctx, &request); err != nil || outcome.Code != verify.CodeRateLimited {
			t.Errorf("%v, %v", outcome.Code, err)
		}
	})
}

// Whoever waits, the limit holds: of all that come, only so many are admitted for which
// there is an instant between their coming and their answer.
func TestManyWhoWaitForOneTurnAreNotAllAdmitted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit = 3
		s, request := limited(t, limit)
		var mu sync.Mutex
		var admitted []time.Time // when it was answered
		var all sync.WaitGroup
		for range 3 * 60 * 100 { // a hundred each second, for three minutes
			all.Go(func() {
				if ok, _, answered := ask(t, s, request); ok {
					mu.Lock()
					admitted = append(admitted, answered)
					mu.Unlock()
				}
			})
			time.Sleep(10 * time.Millisecond)
		}
		all.Wait()
		for i := limit; i < len(admitted); i++ {
			if took := admitted[i].Sub(admitted[i-limit]); took < time.Minute {
				t.Errorf("%d admitted in %v at a limit of %d", limit+1, took, limit)
			}
		}
		if len(admitted) < 3*limit {
			t.Errorf("%d admitted in three minutes at a limit of %d", len(admitted), limit)
		}
	})
}
