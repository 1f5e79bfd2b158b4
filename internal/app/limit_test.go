package app

import (
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// 32 clients ask 10 times as often as the limit allows, for three minutes, and another
// one asks its own key exactly as often as its limit allows: through the data listener's
// handler, in simulated time.
func TestTheLimitIsStrictThroughTheFrontDoor(t *testing.T) {
	for _, limit := range []int{1, 60, 300, 2000} {
		synctest.Test(t, func(t *testing.T) {
			d := openDoors(t)
			key := func() []byte {
				var made struct {
					APIKey string `json:"api_key"`
				}
				d.call(t, "", "POST", "/api/v1/api-keys", `{"name":"limited","rate_limit_per_min":`+strconv.Itoa(limit)+`}`, 201, &made)
				return []byte(`{"key":"` + made.APIKey + `","scopes":[],"client_ip":"203.0.113.7"}`)
			}
			crowded, steady := key(), key()
			const clients, lasts = 32, 3 * time.Minute
			began := time.Now()
			var mu sync.Mutex
			var at []time.Time
			var wg sync.WaitGroup
			for i := range clients {
				random := rand.New(rand.NewPCG(uint64(limit), uint64(i)))
				wg.Go(func() {
					w := &sink{header: http.Header{}}
					pause := int64(time.Minute) / int64(10*limit) * clients
					for time.Since(began) < lasts {
						time.Sleep(time.Duration(random.Int64N(2 * pause)))
						if d.check(w, crowded) {
							mu.Lock()
							at = append(at, time.Now())
							mu.Unlock()
						}
					}
				})
			}
			calls, in := 0, 0
			wg.Go(func() {
				w := &sink{header: http.Header{}}
				for ; time.Since(began) < lasts; time.Sleep(time.Until(began.Add(time.Duration(calls) * time.Minute / time.Duration(limit)))) {
					calls++
					if d.check(w, steady) {
						in++
					}
				}
			})
			wg.Wait()
			slices.SortFunc(at, time.Time.Compare)
			for i := range at {
				if j := i + limit; j < len(at) && at[j].Sub(at[i]) < time.Minute {
					t.Fatalf("limit %d: let in %d times within %v", limit, limit+1, at[j].Sub(at[i]))
				}
			}
			if len(at) < 2*limit || in*100 < calls*99 {
				t.Errorf("limit %d: the crowd got %d, the steady client %d of %d", limit, len(at), in, calls)
			}
		})
	}
}
