package engines

import (
	"context"
	"errors"
)

// Replica makes a hot standby of the server, which follows it, and starts it. The
// server's programs must include pg_basebackup: the system's do.
func (p *Postgres) Replica(ctx context.Context) (r *Postgres, err error) {
	r = &Postgres{binaries: p.binaries, as: p.as}
	if r.dir, err = folder("keypin-postgres-", p.as); err != nil {
		return nil, err
	}
	if r.Port, err = FreePort(ctx); err != nil {
		return nil, errors.Join(err, r.Stop())
	}
	for i := 1; i < len(p.settings); i += 2 { // -c name=value
		if p.settings[i] != "unix_socket_directories="+p.dir {
			r.settings = append(r.settings, "-c", p.settings[i])
		}
	}
	r.settings = append(r.settings, "-c", "unix_socket_directories="+r.dir)
	backup := r.command(ctx, "pg_basebackup", "--pgdata", r.data(), "--write-recovery-conf", "--checkpoint", "fast", "--no-sync", "--dbname", p.URL("postgres"))
	if err := run(backup); err != nil {
		return nil, errors.Join(err, r.Stop())
	}
	if err := r.Start(ctx); err != nil {
		return nil, errors.Join(err, r.Stop())
	}
	return r, nil
}

// Promote makes a replica a primary.
func (p *Postgres) Promote(ctx context.Context) error {
	return p.SQL(ctx, "postgres", "SELECT pg_promote()")
}
