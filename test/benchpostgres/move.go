package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/keypin/keypin/test/engines"
	"github.com/keypin/keypin/test/measure"
	"github.com/keypin/keypin/test/measure/bulk"
)

const (
	readOnlyAim = 60 * time.Second
	// changedEach is how many keys are made, renamed and revoked between the two copies.
	changedEach = 1000
	pageSize    = 100
)

// move moves keys from SQLite to PostgreSQL as docs/operations.md says.
func (b *bench) move(ctx context.Context) (f findings, err error) {
	binaries, err := newest()
	if err != nil {
		return f, err
	}
	p, version, err := b.postgres(ctx, binaries)
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, p.Stop()) }()
	old := &measure.Server{Program: b.program, Dir: filepath.Join(b.dir, "moved"), Data: true}
	if err := old.Start(ctx); err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, old.Stop()) }()
	measure.Say("storing %s keys", measure.Grouped(b.moved))
	if err := bulk.Stock(ctx, old, b.moved, 0); err != nil {
		return f, err
	}
	if _, err := b.change(ctx, old, 0); err != nil { // so that there is a trail to copy too
		return f, err
	}
	m := moving{bench: b, postgres: p, old: old}
	measure.Say("copying")
	first, err := m.copy(ctx)
	if err != nil {
		return f, err
	}
	if m.key, err = b.change(ctx, old, 3*pageSize); err != nil {
		return f, err
	}
	measure.Say("the first copy took %.1f s; moving", first.Seconds())
	readOnly, err := m.finish(ctx)
	if err != nil {
		return f, err
	}
	keys := measure.Grouped(b.moved)
	f.figures = []figure{
		{"first `keypin copy`, " + keys + " keys, to PostgreSQL " + version, seconds(first), measure.Grouped(int(float64(b.moved)/first.Seconds())) + " keys/s", "–"},
		{
			fmt.Sprintf("second `keypin copy`, %s keys changed", measure.Grouped(3*changedEach)), seconds(m.second),
			fmt.Sprintf("restart of the old service before it: %s; start of the new node after it: %s", measure.Milliseconds(m.restart), measure.Milliseconds(m.start)), "–",
		},
		{"in all, no change accepted for", seconds(readOnly), keys + " keys", measure.Judged("≤ 60 s", readOnly <= readOnlyAim)},
	}
	return f, nil
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }

// moving is a move, and what it took.
type moving struct {
	*bench
	postgres               *engines.Postgres
	old                    *measure.Server
	key                    measure.Issued // one of the last that were made before
	restart, second, start time.Duration
}

// copy runs `keypin copy`, which compares all rows at its end.
func (m *moving) copy(ctx context.Context) (time.Duration, error) {
	cmd := exec.CommandContext(ctx, m.program, "copy", "--from", "sqlite://"+filepath.Join(m.old.Dir, "keypin.db")) //nolint:gosec // the folder is ours
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "KEYPIN_DATABASE=" + m.postgres.URL("keypin")}
	began := time.Now()
	out, err := cmd.CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("keypin copy: %w\n%s", err, out)
	}
	return time.Since(began), nil
}

// finish does the steps in which nothing can be changed. It is the time from the end of
// the service that takes changes to the first change that the new node has taken.
func (m *moving) finish(ctx context.Context) (time.Duration, error) {
	node := m.node(m.postgres, "keypin", "")
	if err := share(m.old.Dir, node.Dir); err != nil {
		return 0, err
	}
	began := time.Now()
	if err := m.old.Stop(); err != nil {
		return 0, err
	}
	m.old.Env = []string{"KEYPIN_READ_ONLY=true"}
	if err := m.old.Start(ctx); err != nil {
		return 0, err
	}
	m.restart = time.Since(began)
	if err := m.refuses(ctx); err != nil {
		return 0, err
	}
	var err error
	if m.second, err = m.copy(ctx); err != nil {
		return 0, err
	}
	starting := time.Now()
	if err := node.Start(ctx); err != nil {
		return 0, err
	}
	m.start = time.Since(starting)
	if _, err := node.Create(ctx, newKey); err != nil {
		return 0, errors.Join(err, node.Stop())
	}
	took := time.Since(began)
	return took, errors.Join(m.same(ctx, node), node.Stop())
}

// share gives a folder the issuer's key of another, as nodes that are their own issuer
// have to.
func share(from, to string) error {
	const file = "issuer.key"
	key, err := os.ReadFile(filepath.Join(from, file))
	if err != nil {
		return err
	}
	if err := os.MkdirAll(to, 0o700); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(to, file), key, 0o600) //nolint:gosec // both folders are ours
}

// refuses makes sure that the old service takes no change and checks keys.
func (m *moving) refuses(ctx context.Context) error {
	c, err := measure.Dial(ctx, m.old.Address)
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := c.Do(m.old.Request(http.MethodPost, keysPath, newKey), http.StatusServiceUnavailable); err != nil {
		return err
	}
	return m.checks(ctx, m.old)
}

// checks makes sure that the server lets the last key in.
func (m *moving) checks(ctx context.Context, s *measure.Server) error {
	c, err := measure.Dial(ctx, s.DataAddress)
	if err != nil {
		return err
	}
	defer c.Close()
	answer, err := c.Do(measure.NewRequest(s.DataAddress, "", http.MethodPost, keysPath+"/verify", fmt.Sprintf(`{"key":%q}`, m.key.Secret)), http.StatusOK)
	if err == nil && !strings.Contains(string(answer), `"code":"valid"`) {
		err = fmt.Errorf("verify answers %s", answer)
	}
	return err
}

// same makes sure that the new node has the keys of the old service, and one more.
func (m *moving) same(ctx context.Context, node *measure.Server) error {
	before, err1 := totalOf(ctx, m.old)
	after, err2 := totalOf(ctx, node)
	if err := errors.Join(err1, err2, m.checks(ctx, node)); err != nil {
		return err
	}
	if after != before+1 {
		return fmt.Errorf("%d keys were moved, and one made; there are %d", before, after)
	}
	return nil
}

// change makes keys, renames stored ones, and revokes others. It gives the last one made.
func (b *bench) change(ctx context.Context, s *measure.Server, offset int) (last measure.Issued, err error) {
	ids, err := listed(ctx, s, offset, 2*changedEach)
	if err != nil {
		return last, err
	}
	for _, id := range ids[:changedEach] {
		if err := s.Ask(ctx, s.Request(http.MethodPatch, keysPath+"/"+id, `{"name":"renamed"}`), http.StatusOK, nil); err != nil {
			return last, err
		}
	}
	for _, id := range ids[changedEach:] {
		if err := s.Ask(ctx, s.Request(http.MethodDelete, keysPath+"/"+id, ""), http.StatusOK, nil); err != nil {
			return last, err
		}
	}
	for range changedEach {
		if last, err = s.Create(ctx, newKey); err != nil {
			return last, err
		}
	}
	return last, nil
}

// page is a page of a list of keys.
type page struct {
	Data []struct {
		ID string `json:"id"`
	} `json:"data"`
	Pagination struct {
		Total int `json:"total"`
	} `json:"pagination"`
}

func ask(ctx context.Context, s *measure.Server, query string) (p page, err error) {
	c, err := measure.Dial(ctx, s.Address)
	if err != nil {
		return p, err
	}
	defer c.Close()
	body, err := c.Do(s.Request(http.MethodGet, keysPath+query, ""), http.StatusOK)
	if err != nil {
		return p, err
	}
	return p, json.Unmarshal(body, &p)
}

// totalOf is how many usable keys the workspace of the server's session has.
func totalOf(ctx context.Context, s *measure.Server) (int, error) {
	p, err := ask(ctx, s, "?limit=1")
	return p.Pagination.Total, err
}

// listed gives the ids of so many usable keys.
func listed(ctx context.Context, s *measure.Server, offset, n int) (ids []string, err error) {
	for len(ids) < n {
		p, err := ask(ctx, s, fmt.Sprintf("?limit=%d&offset=%d", pageSize, offset+len(ids)))
		if err != nil {
			return nil, err
		}
		if len(p.Data) == 0 {
			return nil, errors.New("there are too few keys")
		}
		for _, k := range p.Data {
			ids = append(ids, k.ID)
		}
	}
	return ids[:n], nil
}
