package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/keypin/keypin/test/cluster/nodes"
	"github.com/keypin/keypin/test/measure"
)

const (
	nodeCount = 3
	// patience bounds every wait.
	patience = 90 * time.Second
	// buckets are the parts of the rate limits.
	buckets = 256
	// makers are how many clients make keys at once.
	makers = 8
)

// service is the cluster, as the client knows it.
type service struct{ *nodes.Cluster }

func start(ctx context.Context, program string) (*service, error) {
	c, err := nodes.Start(ctx, nodes.Options{Program: program, Nodes: nodeCount})
	return &service{c}, err
}

// key is a key that is presented.
type key struct{ id, secret string }

// verification asks a data listener whether the key is good.
func verification(address string, k key) measure.Request {
	return measure.NewRequest(address, "", http.MethodPost, "/api/v1/api-keys/verify",
		fmt.Sprintf(`{"key":%q,"scopes":["workflows:read"],"client_ip":"192.0.2.1"}`, k.secret))
}

func (s *service) request(node int, k key) measure.Request {
	return verification(s.Nodes[node].Data, k)
}

// dataListeners are the addresses of the first n nodes' data listeners.
func (s *service) dataListeners(n int) (all []string) {
	for _, node := range s.Nodes[:n] {
		all = append(all, node.Data)
	}
	return all
}

// keys makes keys with the limit a minute, 0 = none.
func (s *service) keys(ctx context.Context, n, limit int) ([]key, error) {
	body := `{"name":"Presented","scopes":["workflows:read","voices:read"]}`
	if limit > 0 {
		body = fmt.Sprintf(`{"name":"Presented","scopes":["workflows:read","voices:read"],"rate_limit_per_min":%d}`, limit)
	}
	r := measure.NewRequest(s.Nodes[0].Listen, s.Token, http.MethodPost, "/api/v1/api-keys", body)
	all := make([]key, n)
	var running sync.WaitGroup
	errs := make([]error, makers)
	for maker := range makers {
		running.Go(func() {
			c, err := measure.Dial(ctx, s.Nodes[0].Listen)
			if err != nil {
				errs[maker] = err
				return
			}
			defer c.Close()
			for i := maker; i < n; i += makers {
				answer, err := c.Do(r, http.StatusCreated)
				var made struct {
					Data struct {
						ID     string
						Secret string `json:"api_key"`
					}
				}
				if err == nil {
					err = json.Unmarshal(answer, &made)
				}
				if err != nil {
					errs[maker] = fmt.Errorf("making a key: %w", err)
					return
				}
				all[i] = key{made.Data.ID, made.Data.Secret}
			}
		})
	}
	running.Wait()
	return all, first(errs)
}

// first is the first error.
func first(errs []error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// codeOf is how a verification ended.
func codeOf(answer []byte) string {
	_, rest, _ := bytes.Cut(answer, []byte(`"code":"`))
	code, _, _ := bytes.Cut(rest, []byte(`"`))
	return string(code)
}

// ask verifies a key and gives the code.
func ask(c *measure.Connection, r measure.Request) (string, error) {
	answer, err := c.Do(r, http.StatusOK)
	if err != nil {
		return "", err
	}
	return codeOf(answer), nil
}

// dial connects to the data listeners of the first n nodes.
func (s *service) dial(ctx context.Context, n int) ([]*measure.Connection, error) {
	all := make([]*measure.Connection, 0, n)
	for i := range n {
		c, err := measure.Dial(ctx, s.Nodes[i].Data)
		if err != nil {
			hangUp(all)
			return nil, err
		}
		all = append(all, c)
	}
	return all, nil
}

func hangUp(all []*measure.Connection) {
	for _, c := range all {
		if c != nil {
			c.Close()
		}
	}
}

// scale lets the first n nodes run and no other.
func (s *service) scale(ctx context.Context, n int) error {
	for i, node := range s.Nodes {
		var err error
		switch {
		case i < n && !node.Alive():
			err = node.Start(ctx)
		case i >= n && node.Alive():
			err = node.Stop()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// awaitLimits waits until the living nodes leave limits to Redis alone, which they do
// not in the first minute of a Redis that may have lost what it had counted.
func (s *service) awaitLimits(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for i := 0; i < len(s.Nodes); {
		shared := buckets
		if s.Nodes[i].Alive() {
			var err error
			if shared, err = s.sharedBuckets(ctx, i); err != nil {
				return err
			}
		}
		if shared == buckets {
			i++
			continue
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s leaves %d parts of the limits to Redis, of %d", s.Nodes[i].Name, shared, buckets)
		case <-tick.C:
		}
	}
	return nil
}

// sharedBuckets reads how many parts of the limits the node leaves to Redis.
func (s *service) sharedBuckets(ctx context.Context, node int) (int, error) {
	return s.metric(ctx, node, `keypin_limiter_buckets{mode="redis"}`)
}

// redisFailures is how many calls of Redis failed at the living nodes since their start.
// Whoever makes them goes on without Redis for a while, as rate_limits_without_redis says,
// and what is seen of limits then is not what holds with it.
func (s *service) redisFailures(ctx context.Context) (sum int, err error) {
	for i, node := range s.Nodes {
		if !node.Alive() {
			continue
		}
		n, err := s.metric(ctx, i, "keypin_limiter_errors_total")
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return sum, nil
}

// metric reads one of a node's figures.
func (s *service) metric(ctx context.Context, node int, name string) (int, error) {
	text, err := measure.Metrics(ctx, s.Nodes[node].Data)
	if err != nil {
		return 0, err
	}
	n, err := measure.Figure(text, name)
	return int(n), err
}

// nodeTimes is processor time of the living nodes together.
func (s *service) nodeTimes() (sum time.Duration, err error) {
	for _, node := range s.Nodes {
		if !node.Alive() {
			continue
		}
		one, err := measure.ProcessorTime(node.PID())
		if err != nil {
			return 0, err
		}
		sum += one
	}
	return sum, nil
}

// used is processor time of the living nodes together, and of what they stand on.
type used struct{ nodes, postgres, redis time.Duration }

func (s *service) used() (u used, err error) {
	var err1, err2, err3 error
	u.nodes, err1 = s.nodeTimes()
	u.postgres, err2 = measure.ProcessorTimeWithChildren(s.Postgres.Pid())
	u.redis, err3 = measure.ProcessorTime(s.Redis.Pid())
	return u, errors.Join(err1, err2, err3)
}

func (u used) since(before used) used {
	return used{u.nodes - before.nodes, u.postgres - before.postgres, u.redis - before.redis}
}

// scripts is how often Redis has run a script.
func (s *service) scripts(ctx context.Context) (int, error) {
	text, err := s.Redis.Do(ctx, "INFO", "commandstats")
	if err != nil {
		return 0, err
	}
	return scriptsIn(text)
}

// scriptsIn reads it out of what Redis says about its commands.
func scriptsIn(text string) (n int, err error) {
	for line := range strings.Lines(text) {
		name, figures, _ := strings.Cut(line, ":")
		switch name {
		case "cmdstat_eval", "cmdstat_evalsha", "cmdstat_fcall":
			_, calls, _ := strings.Cut(figures, "calls=")
			calls, _, _ = strings.Cut(calls, ",")
			one, err := strconv.Atoi(calls)
			if err != nil {
				return 0, fmt.Errorf("reading %q: %w", strings.TrimSpace(line), err)
			}
			n += one
		}
	}
	return n, nil
}
