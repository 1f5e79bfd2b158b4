package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/keypin/keypin/test/measure"
	"github.com/keypin/keypin/test/measure/bulk"
)

// hotKeys are so many keys, presented in turn, that none reaches its limit: each is
// admitted a million times a minute.
const (
	hotKeys   = 64
	rateLimit = 1_000_000
)

// service is the program with the keys that are presented to it.
type service struct {
	*measure.Server
	keys  []string
	asker string // a key that may verify others on the public listener
}

// serve starts the program with its defaults, fills its database, and makes the keys
// that are presented.
func (b *bench) serve(ctx context.Context) (*service, error) {
	s := &service{Server: &measure.Server{Program: filepath.Join(b.dir, "keypin"), Dir: filepath.Join(b.dir, "data"), Data: true}}
	if err := s.Start(ctx); err != nil {
		return nil, err
	}
	measure.Say("storing %d keys", b.keys)
	if err := bulk.Stock(ctx, s.Server, b.keys, 0); err != nil {
		return nil, err
	}
	for range hotKeys {
		k, err := s.Create(ctx, fmt.Sprintf(`{"name":"Presented","scopes":["workflows:read","voices:read"],"rate_limit_per_min":%d}`, rateLimit))
		if err != nil {
			return nil, err
		}
		s.keys = append(s.keys, k.Secret)
	}
	asker, err := s.Create(ctx, `{"name":"Gateway","scopes":["api-keys:verify"]}`)
	s.asker = asker.Secret
	return s, err
}

// on starts the program anew on the cores.
func (s *service) on(ctx context.Context, c cores) error {
	if err := s.Stop(); err != nil {
		return err
	}
	s.CPUs, s.Env = c.server, c.environment()
	return s.Start(ctx)
}

// verification asks whether the key is good. Token is for the public listener.
func verification(address, token, key string) measure.Request {
	return measure.NewRequest(address, token, http.MethodPost, "/api/v1/api-keys/verify",
		fmt.Sprintf(`{"key":%q,"scopes":["workflows:read"],"client_ip":"192.0.2.1"}`, key))
}

// forwarded is what a proxy asks before it lets a request with the key through.
func forwarded(address, key string) measure.Request {
	var b bytes.Buffer
	fmt.Fprintf(&b, "GET /forward-auth?scope=workflows:read HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n"+
		"X-Forwarded-For: 192.0.2.1\r\n\r\n", address, key)
	return b.Bytes()
}

// each makes a request of every key.
func each(keys []string, request func(key string) measure.Request) []measure.Request {
	all := make([]measure.Request, len(keys))
	for i, key := range keys {
		all[i] = request(key)
	}
	return all
}

// outcomes are how many verifications ended how, by code.
func (s *service) outcomes(ctx context.Context) (map[string]int, error) {
	text, err := measure.Metrics(ctx, s.DataAddress)
	if err != nil {
		return nil, err
	}
	counted := map[string]int{}
	for line := range strings.Lines(text) {
		rest, ok := strings.CutPrefix(strings.TrimSpace(line), `keypin_verifications_total{code="`)
		code, rest, _ := strings.Cut(rest, `",door="`)
		_, figure, whole := strings.Cut(rest, `"} `)
		if !ok || !whole {
			continue
		}
		n, err := strconv.ParseFloat(figure, 64)
		if err != nil {
			return nil, fmt.Errorf("a counter that cannot be read: %w", err)
		}
		counted[code] += int(n)
	}
	return counted, nil
}

// all makes sure that the verifications between two countings, at least so many, had
// the one outcome.
func all(code string, before, after map[string]int, requests int) error {
	for other, n := range after {
		if n -= before[other]; n > 0 && other != code {
			return fmt.Errorf("%d verifications ended with %s, and all should with %s", n, other, code)
		}
	}
	if n := after[code] - before[code]; n < requests {
		return fmt.Errorf("of %d requests %d ended with %s", requests, n, code)
	}
	return nil
}
