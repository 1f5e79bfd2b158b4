package limit

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/keypin/keypin/internal/app"
	"github.com/keypin/keypin/internal/authn"
	"github.com/keypin/keypin/internal/config"
)

const (
	window = time.Minute
	lasts  = 130 * time.Second // more than two windows
)

// service is a running Keypin and what its clients need.
type service struct {
	t            *testing.T
	public, data string
	token        string
	http         *http.Client
}

func start(t *testing.T) *service {
	t.Helper()
	c := config.Default()
	c.Listen, c.DataListen, c.DataDir = "127.0.0.1:0", "127.0.0.1:0", filepath.Join(t.TempDir(), "data")
	o := app.Options{Clock: time.Now, Random: rand.Reader, Logger: slog.New(slog.DiscardHandler), Version: "test"}
	a, err := app.New(t.Context(), c, o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	select {
	case <-a.Ready():
	case err := <-ended:
		stop()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	token, _, err := app.MintToken(c, authn.LocalToken{Email: "ada@example.com", TTL: time.Hour}, o)
	if err != nil {
		t.Fatal(err)
	}
	return &service{
		t: t, public: "http://" + a.PublicAddr().String(), data: "http://" + a.DataAddr().String(), token: token.Reveal(),
		http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}, Timeout: 30 * time.Second},
	}
}

// post makes a call and decodes its data.
func (s *service) post(url string, body, into any) {
	raw, err := json.Marshal(body)
	if err != nil {
		s.t.Error(err)
		return
	}
	r, err := http.NewRequest(http.MethodPost, url, bytes.NewReader(raw))
	if err != nil {
		s.t.Error(err)
		return
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+s.token)
	answer, err := s.http.Do(r)
	if err != nil {
		s.t.Error(err)
		return
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err == nil {
		err = json.Unmarshal(text, &struct{ Data any }{into})
	}
	if err != nil || answer.StatusCode/100 != 2 {
		s.t.Errorf("answered %d, %v: %s", answer.StatusCode, err, text)
	}
}

// key makes a key with a limit.
func (s *service) key(limit int) string {
	var made struct {
		APIKey string `json:"api_key"`
	}
	s.post(s.public+"/api/v1/api-keys", map[string]any{"name": "limited", "rate_limit_per_min": limit}, &made)
	return made.APIKey
}

// admitted checks the key once. The admission was given between asked and answered.
func (s *service) admitted(key string) (asked, answered time.Time, valid bool) {
	var outcome struct{ Valid bool }
	asked = time.Now()
	s.post(s.data+"/api/v1/api-keys/verify", map[string]any{"key": key}, &outcome)
	return asked, time.Now(), outcome.Valid
}

// span is when an admission was given, as far as a client can tell.
type span struct{ asked, answered time.Time }

func TestInNoMinuteIsAKeyLetInMoreOftenThanItsLimit(t *testing.T) {
	const limit, clients = 120, 32
	s := start(t)
	crowded, steady := s.key(limit), s.key(limit)
	began := time.Now()
	var mu sync.Mutex
	var log []span
	var wg sync.WaitGroup
	// 32 clients together ask 10 times as often as the limit allows.
	for i := range clients {
		wg.Go(func() {
			every := window / (10 * limit / clients)
			tick := time.NewTicker(every)
			defer tick.Stop()
			for at := began.Add(every * time.Duration(i) / clients); at.Sub(began) < lasts; at = <-tick.C {
				if asked, answered, ok := s.admitted(crowded); ok {
					mu.Lock()
					log = append(log, span{asked, answered})
					mu.Unlock()
				}
			}
		})
	}
	// One asks another key as often as its limit allows: the next time when the interval
	// has passed since the last answer, so that a busy machine's hesitations never make it
	// ask more often than that.
	calls, in := 0, 0
	wg.Go(func() {
		for time.Since(began) < lasts {
			calls++
			_, answered, ok := s.admitted(steady)
			if ok {
				in++
			}
			<-time.After(time.Until(answered.Add(window / limit)))
		}
	})
	wg.Wait()
	// Admissions that were surely given within one window: asked after its begin and
	// answered before its end.
	slices.SortFunc(log, func(a, b span) int { return a.asked.Compare(b.asked) })
	most := 0
	for i := range log {
		n := 0
		for _, a := range log[i:] {
			if a.answered.Sub(log[i].asked) < window {
				n++
			}
		}
		most = max(most, n)
	}
	t.Logf("up to %d in a minute at a limit of %d, %d in %v; the steady client got %d of %d", most, limit, len(log), lasts, in, calls)
	if most > limit || len(log) < 2*limit {
		t.Errorf("up to %d in a minute at a limit of %d, %d in %v", most, limit, len(log), lasts)
	}
	if in*100 < calls*99 || calls < 2*limit*95/100 {
		t.Errorf("the steady client got %d of %d", in, calls)
	}
}
