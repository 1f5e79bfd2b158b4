package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/keypin/keypin/test/engines"
	"github.com/keypin/keypin/test/measure"
	"github.com/keypin/keypin/test/measure/bulk"
)

// postgres starts a server with the settings of a new one, and makes sure that a commit
// is on the disk.
func (b *bench) postgres(ctx context.Context, binaries string) (p *engines.Postgres, version string, err error) {
	if p, err = engines.StartPostgres(ctx, engines.PostgresOptions{Binaries: binaries}); err != nil {
		return nil, "", err
	}
	defer func() {
		if err != nil {
			_ = p.Stop() // the error is one already
		}
	}()
	shown, err := p.Query(ctx, "postgres", "SELECT current_setting('fsync') || ' ' || current_setting('synchronous_commit') || ' ' || current_setting('server_version')")
	if err != nil {
		return nil, "", err
	}
	settings := strings.Fields(shown)
	if len(settings) < 3 || settings[0] != "on" || settings[1] != "on" {
		return nil, "", fmt.Errorf("PostgreSQL is not durable: fsync, synchronous_commit and version are %s", shown)
	}
	version = settings[2]
	if b.machine == nil {
		machine, err := measure.Inspect(ctx, filepath.Dir(p.Log()), b.began)
		if err != nil {
			return nil, "", err
		}
		b.machine = &machine
	}
	if len(b.servers) == 0 || b.servers[len(b.servers)-1] != version {
		b.servers = append(b.servers, version)
	}
	return p, version, nil
}

// newest is the last of the PostgreSQLs that are installed.
func newest() (string, error) {
	all, err := engines.Postgreses()
	if err != nil {
		return "", err
	}
	return all[len(all)-1], nil
}

// node is one on the database, with the defaults of its configuration.
func (b *bench) node(p *engines.Postgres, database, cpus string) *measure.Server {
	return &measure.Server{
		Program: b.program, Dir: filepath.Join(b.dir, fmt.Sprintf("%s-%d", database, p.Port)), Data: true, CPUs: cpus,
		Env: []string{"KEYPIN_DATABASE=" + p.URL(database)},
	}
}

// stock makes a database with a workspace of n keys, on which the node does not run yet.
func (b *bench) stock(ctx context.Context, p *engines.Postgres, s *measure.Server, database string, n int) error {
	if err := p.CreateDatabase(ctx, database); err != nil {
		return err
	}
	if err := s.Start(ctx); err != nil {
		return err
	}
	keys, err := bulk.KeysOf(ctx, s)
	if err != nil {
		return err
	}
	keys.N = n
	if err := s.Stop(); err != nil {
		return err
	}
	measure.Say("storing %s keys", measure.Grouped(n))
	began := time.Now()
	if err := bulk.FillPostgres(ctx, p, database, keys); err != nil {
		return err
	}
	measure.Say("stored in %.0f s", time.Since(began).Seconds())
	return nil
}

// someIDs are ids of about as many keys, drawn from all n and in no order.
func someIDs(ctx context.Context, p *engines.Postgres, database string, n, most int) ([]string, error) {
	ids, err := p.Query(ctx, database, fmt.Sprintf("SELECT id FROM api_keys TABLESAMPLE BERNOULLI (%f) ORDER BY hash", min(100, 100*float64(most)/float64(n))))
	return strings.Fields(ids), err
}
