package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/keypin/keypin/internal/keypin"
	"github.com/keypin/keypin/test/measure"
)

const (
	readTurn   = 250 * time.Millisecond
	slowRounds = 3 // of what looks at every key
	verifyTurn = time.Second
)

// reads compares two servers, one with few keys and one with many, in one workspace
// each, and then measures verifications at the latter.
func (b *bench) reads(ctx context.Context) (rows []measure.Row, err error) {
	few, err := b.serve(ctx, "few")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, few.Stop()) }()
	many, err := b.serve(ctx, "many")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, many.Stop()) }()
	fewIDs, err := few.seed(ctx, fewKeys)
	if err != nil {
		return nil, fmt.Errorf("seeding: %w", err)
	}
	began := time.Now()
	measure.Say("seeding %d keys", b.manyKeys)
	manyIDs, err := many.seed(ctx, b.manyKeys)
	if err != nil {
		return nil, fmt.Errorf("seeding: %w", err)
	}
	measure.Say("seeded in %.0f s", time.Since(began).Seconds())
	if b.wants("read") {
		if rows, err = b.lists(ctx, few, many, fewIDs, manyIDs); err != nil {
			return nil, err
		}
	}
	if b.wants("verify") {
		verified, err := b.verifications(ctx, many)
		return append(rows, verified...), err
	}
	return rows, nil
}

// question is a read that both servers are asked.
type question struct {
	what string
	aim  measure.Aim
	slow bool // it looks at every key, so that many keys cannot but take longer
	// ask makes the requests to a server with the keys ids.
	ask func(s server, ids []keypin.ID) []measure.Request
}

func questions() []question {
	list := func(query string) func(server, []keypin.ID) []measure.Request {
		return func(s server, _ []keypin.ID) []measure.Request {
			return []measure.Request{s.Request(http.MethodGet, "/api/v1/api-keys"+query, "")}
		}
	}
	return []question{
		{what: "get", aim: measure.AtMost(1.2), ask: someGets},
		{what: "list, first page of 50", aim: measure.AtMost(1.5), ask: list("")},
		{what: "list, last page of 50", ask: func(s server, ids []keypin.ID) []measure.Request {
			return list(fmt.Sprintf("?offset=%d", len(ids)/10*8-50))(s, ids) // eight of ten are usable
		}},
		{what: "list, page in the middle, 25 keys", ask: func(s server, ids []keypin.ID) []measure.Request {
			return list(fmt.Sprintf("?limit=25&offset=%d", len(ids)/10*4))(s, ids)
		}},
		{what: "list, `status=revoked`, first 10", ask: list("?status=revoked&limit=10")},
		{what: "list, `key_type=test`, first 10", slow: true, ask: list("?key_type=test&limit=10")},
		{what: "list, `scope=workflows:run`, first 5", slow: true, ask: list("?scope=workflows:run&limit=5")},
		{what: "list, `q=` a tenth of the names, first 5", slow: true, ask: list("?q=deploy&limit=5")},
		{what: "list, `q=` one name", slow: true, ask: list("?q=deploy+0000093")},
	}
}

// someGets asks for keys drawn from all.
func someGets(s server, ids []keypin.ID) []measure.Request {
	requests := make([]measure.Request, 5000)
	for i := range requests {
		id := ids[rand.IntN(len(ids))] //nolint:gosec // a draw for a measurement
		requests[i] = s.Request(http.MethodGet, "/api/v1/api-keys/"+id.String(), "")
	}
	return requests
}

func (b *bench) lists(ctx context.Context, few, many server, fewIDs, manyIDs []keypin.ID) (rows []measure.Row, err error) {
	for _, q := range questions() {
		measure.Say("measuring %s", q.what)
		rounds := 2*b.rounds - 1
		if q.slow {
			rounds = min(slowRounds, b.rounds)
		}
		samples, err := measure.Turns(ctx, rounds, readTurn,
			few.Requests(1, http.StatusOK, q.ask(few, fewIDs)...), many.Requests(1, http.StatusOK, q.ask(many, manyIDs)...))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", q.what, err)
		}
		rows = append(rows, measure.Row{
			What:    q.what,
			Figure:  fmt.Sprintf("%s with %s keys", measure.Milliseconds(measure.Median(samples[1], measure.P50)), measure.Grouped(len(manyIDs))),
			Against: fmt.Sprintf("%s with %s", measure.Milliseconds(measure.Median(samples[0], measure.P50)), measure.Grouped(len(fewIDs))),
			Ratio:   measure.RatioOf(samples[1], samples[0], measure.P50),
			Aim:     q.aim,
		})
	}
	return rows, nil
}

// verifications measures the public verify call, as a session and as a key, next to
// the cheapest request there is.
func (b *bench) verifications(ctx context.Context, s server) (rows []measure.Row, err error) {
	measure.Say("measuring verifications")
	asker, err := s.Create(ctx, `{"name":"Gateway","scopes":["api-keys:verify"]}`)
	if err != nil {
		return nil, err
	}
	var bodies []string
	for range 200 {
		k, err := s.Create(ctx, `{"name":"Presented","scopes":["workflows:read","voices:read"]}`)
		if err != nil {
			return nil, err
		}
		bodies = append(bodies, fmt.Sprintf(`{"key":%q,"scopes":["workflows:read"],"client_ip":"192.0.2.1"}`, k.Secret))
	}
	as := func(token string) []measure.Request {
		requests := make([]measure.Request, len(bodies))
		for i, body := range bodies {
			requests[i] = measure.NewRequest(s.Address, token, http.MethodPost, "/api/v1/api-keys/verify", body)
		}
		return requests
	}
	if err := s.accepts(ctx, as(s.Token)[0], as(asker.Secret)[0]); err != nil {
		return nil, err
	}
	health := s.Request(http.MethodGet, "/health", "")
	for _, clients := range []int{1, manyAtOnce} {
		samples, err := measure.Turns(ctx, b.rounds, verifyTurn, s.Requests(clients, http.StatusOK, health),
			s.Requests(clients, http.StatusOK, as(s.Token)...), s.Requests(clients, http.StatusOK, as(asker.Secret)...))
		if err != nil {
			return nil, err
		}
		for i, by := range []string{"a session", "a key"} {
			rows = append(rows, measure.Row{
				What:    fmt.Sprintf("verify, asked by %s, %s", by, counted(clients)),
				Figure:  measure.Throughput(samples[1+i]),
				Against: "`GET /health`: " + measure.Throughput(samples[0]),
				Ratio:   measure.RatioOf(samples[1+i], samples[0], measure.Rate),
			})
		}
	}
	return rows, nil
}

// accepts makes sure that what is measured is an acceptance.
func (s server) accepts(ctx context.Context, requests ...measure.Request) error {
	for _, r := range requests {
		var outcome struct {
			Valid bool   `json:"valid"`
			Code  string `json:"code"`
		}
		if err := s.Ask(ctx, r, http.StatusOK, &outcome); err != nil {
			return err
		}
		if !outcome.Valid {
			return fmt.Errorf("verify answers %s", outcome.Code)
		}
	}
	return nil
}
