package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/keypin/keypin/test/measure"
	"github.com/keypin/keypin/test/measure/bulk"
)

const (
	// missesPerTurn is so small that all turns together ask for fewer keys than the small
	// workspace has.
	missesPerTurn = 900
	missTurn      = 10 * time.Second // so many take much less
	blocksDrawn   = 200
)

// storedMisses verifies keys that are stored, each once, so that none is remembered.
func (b *bench) storedMisses(ctx context.Context, w *workspace) (measure.Load, func() error, error) {
	var secrets []string
	blocks := rand.Perm(w.n / bulk.BlockSize) //nolint:gosec // a draw for a measurement
	for _, block := range blocks[:min(blocksDrawn, len(blocks))] {
		all, err := bulk.Stored.Block(block)
		if err != nil {
			return measure.Load{}, nil, err
		}
		secrets = append(secrets, all...)
	}
	return w.misses(ctx, secrets, `"code":"valid"`)
}

// unknownMisses verifies keys that no database holds, each once.
func (b *bench) unknownMisses(ctx context.Context, w *workspace) (measure.Load, func() error, error) {
	var secrets []string
	for block := range b.rounds + 1 {
		all, err := bulk.Unknown.Block(block)
		if err != nil {
			return measure.Load{}, nil, err
		}
		secrets = append(secrets, all...)
	}
	return w.misses(ctx, secrets, `"code":"not_found"`)
}

// misses verifies the secrets, each once and in no order, whose answers hold want. When
// done, each must have made the cache ask the database.
func (w *workspace) misses(ctx context.Context, secrets []string, want string) (measure.Load, func() error, error) {
	rand.Shuffle(len(secrets), func(i, j int) { secrets[i], secrets[j] = secrets[j], secrets[i] }) //nolint:gosec // as above
	before, err := w.loads(ctx)
	if err != nil {
		return measure.Load{}, nil, err
	}
	asked := 0
	load := measure.Load{Clients: 1, Most: missesPerTurn, Client: func(ctx context.Context, _ int) (func() error, func(), error) {
		c, err := measure.Dial(ctx, w.DataAddress)
		if err != nil {
			return nil, nil, err
		}
		return func() error {
			if asked == len(secrets) {
				return errors.New("all keys were asked for")
			}
			body := fmt.Sprintf(`{"key":%q,"scopes":["workflows:read"],"client_ip":"192.0.2.1"}`, secrets[asked])
			asked++
			answer, err := c.Do(measure.NewRequest(w.DataAddress, "", http.MethodPost, keysPath+"/verify", body), http.StatusOK)
			if err == nil && !bytes.Contains(answer, []byte(want)) {
				err = fmt.Errorf("verify answers %s", answer)
			}
			return err
		}, c.Close, nil
	}}
	return load, func() error {
		after, err := w.loads(ctx)
		if err == nil && after-before != asked {
			err = fmt.Errorf("%d checks made the cache ask the database %d times", asked, after-before)
		}
		return err
	}, nil
}

// loads is how often the cache asked the database, by the node's own count.
func (w *workspace) loads(ctx context.Context) (int, error) {
	text, err := measure.Metrics(ctx, w.DataAddress)
	if err != nil {
		return 0, err
	}
	n, err := measure.Figure(text, "keypin_cache_loads_total")
	return int(n), err
}
