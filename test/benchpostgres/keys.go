package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/keypin/keypin/test/engines"
	"github.com/keypin/keypin/test/measure"
)

const (
	fewKeys   = 10_000
	readTurn  = 250 * time.Millisecond
	starts    = 9
	startAim  = 2 * time.Second
	memoryAim = 512 << 20
	// oneCPU is what both nodes run on; PostgreSQL and the client may use the others too.
	oneCPU = "0"
)

// workspace is one of n keys, in a database with a node of its own.
type workspace struct {
	*measure.Server
	postgres *engines.Postgres
	database string
	n        int
	ids      []string // some
}

// manyKeys compares a workspace of many keys with one of few.
func (b *bench) manyKeys(ctx context.Context) (f findings, err error) {
	binaries, err := newest()
	if err != nil {
		return f, err
	}
	p, _, err := b.postgres(ctx, binaries)
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, p.Stop()) }()
	few := &workspace{postgres: p, database: "few", n: fewKeys}
	many := &workspace{postgres: p, database: "many", n: b.keys}
	for _, w := range []*workspace{few, many} {
		w.Server = b.node(p, w.database, oneCPU)
		if err := b.stock(ctx, p, w.Server, w.database, w.n); err != nil {
			return f, err
		}
		if w.ids, err = someIDs(ctx, p, w.database, w.n, 5000); err != nil {
			return f, err
		}
	}
	if f.figures, err = sizes(ctx, few, many); err != nil {
		return f, err
	}
	started, err := b.starts(ctx, few, many)
	if err != nil {
		return f, err
	}
	f.figures = append(f.figures, started)
	for _, w := range []*workspace{few, many} {
		if err := w.Start(ctx); err != nil {
			return f, err
		}
		defer func() { err = errors.Join(err, w.Stop()) }()
		if err := w.check(ctx); err != nil {
			return f, err
		}
	}
	if f.ratios, err = b.compare(ctx, few, many); err != nil {
		return f, err
	}
	memory, err := memoryOf(few, many)
	f.figures = append(f.figures, memory)
	return f, err
}

// check makes sure that the service finds as many keys as there are.
func (w *workspace) check(ctx context.Context) error {
	total, err := totalOf(ctx, w.Server)
	if err == nil && total != w.n {
		err = fmt.Errorf("the list has %d keys, want %d", total, w.n)
	}
	return err
}

// sizes tells what the databases take on the disk.
func sizes(ctx context.Context, few, many *workspace) ([]figure, error) {
	const relations = "SELECT pg_database_size(current_database()), pg_table_size('api_keys'), pg_indexes_size('api_keys')"
	var sizes [2][]int
	for i, w := range []*workspace{few, many} {
		text, err := w.postgres.Query(ctx, w.database, relations)
		if err != nil {
			return nil, err
		}
		for part := range strings.SplitSeq(text, "|") {
			n, err := strconv.Atoi(part)
			if err != nil {
				return nil, err
			}
			sizes[i] = append(sizes[i], n)
		}
	}
	var figures []figure
	for i, what := range []string{"the database", "the table of keys", "the indexes of that table"} {
		show := func(w *workspace, size int) string {
			return fmt.Sprintf("%s, %d bytes per key", mebibytes(size), size/w.n)
		}
		figures = append(figures, figure{
			fmt.Sprintf("on the disk, %s keys: %s", measure.Grouped(many.n), what), show(many, sizes[1][i]),
			measure.Grouped(few.n) + " keys: " + show(few, sizes[0][i]), "–",
		})
	}
	return figures, nil
}

func mebibytes(bytes int) string { return measure.Grouped((bytes+1<<19)>>20) + " MiB" }

// starts times both until they are ready.
func (b *bench) starts(ctx context.Context, few, many *workspace) (figure, error) {
	measure.Say("measuring starts")
	var taken [2][]time.Duration
	for range starts {
		for i, w := range []*workspace{few, many} {
			took, err := measure.TimeStart(ctx, w.Program, w.Dir, w.Env...)
			if err != nil {
				return figure{}, err
			}
			taken[i] = append(taken[i], took)
		}
	}
	show := func(all []time.Duration) string {
		slices.Sort(all)
		return fmt.Sprintf("%s (%s–%s)", measure.Milliseconds(all[len(all)/2]), measure.Milliseconds(all[0]), measure.Milliseconds(all[len(all)-1]))
	}
	return figure{
		fmt.Sprintf("start to ready, %s keys", measure.Grouped(many.n)), show(taken[1]),
		measure.Grouped(few.n) + " keys: " + show(taken[0]), measure.Judged("≤ 2 s, every time", slices.Max(taken[1]) <= startAim),
	}, nil
}

func memoryOf(few, many *workspace) (figure, error) {
	var now, most [2]int
	for i, w := range []*workspace{few, many} {
		var err error
		if now[i], most[i], err = measure.Resident(w.PID()); err != nil {
			return figure{}, err
		}
	}
	return figure{
		fmt.Sprintf("resident memory of the node after these calls, %s keys", measure.Grouped(many.n)),
		fmt.Sprintf("%s (at most %s)", mebibytes(now[1]), mebibytes(most[1])),
		fmt.Sprintf("%s keys: %s (at most %s)", measure.Grouped(few.n), mebibytes(now[0]), mebibytes(most[0])),
		measure.Judged("≤ 512 MiB", most[1] <= memoryAim),
	}, nil
}

// compare asks both the same.
func (b *bench) compare(ctx context.Context, few, many *workspace) (rows []measure.Row, err error) {
	for _, q := range b.questions() {
		measure.Say("measuring %s", q.what)
		var loads [2]measure.Load
		var done [2]func() error
		for i, w := range []*workspace{few, many} {
			if loads[i], done[i], err = q.ask(ctx, w); err != nil {
				return nil, fmt.Errorf("%s: %w", q.what, err)
			}
		}
		samples, err := measure.Turns(ctx, q.rounds, q.turn, loads[:]...)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", q.what, err)
		}
		for i := range done {
			if err := done[i](); err != nil {
				return nil, fmt.Errorf("%s: %w", q.what, err)
			}
		}
		row := func(what string, of func(measure.Sample) time.Duration, aim measure.Aim) {
			rows = append(rows, measure.Row{
				What:    what,
				Figure:  fmt.Sprintf("%s with %s keys", measure.Milliseconds(measure.Median(samples[1], of)), measure.Grouped(many.n)),
				Against: fmt.Sprintf("%s with %s", measure.Milliseconds(measure.Median(samples[0], of)), measure.Grouped(few.n)),
				Ratio:   measure.RatioOf(samples[1], samples[0], of), Aim: aim,
			})
		}
		row(q.what+", median", measure.P50, q.aim)
		row(q.what+", p99", measure.P99, measure.Aim{})
	}
	return rows, nil
}

// question is what both are asked.
type question struct {
	what   string
	aim    measure.Aim // of the medians' ratio
	rounds int
	turn   time.Duration
	// ask makes a load, and what is to be looked at after it.
	ask func(context.Context, *workspace) (load measure.Load, done func() error, err error)
}

func (b *bench) questions() []question {
	plain := func(load func(c caller) measure.Load) func(context.Context, *workspace) (measure.Load, func() error, error) {
		return func(_ context.Context, w *workspace) (measure.Load, func() error, error) {
			return load(caller{Server: w.Server, ids: w.ids}), func() error { return nil }, nil
		}
	}
	list := func(c caller) measure.Load {
		return c.Requests(1, http.StatusOK, c.Request(http.MethodGet, keysPath+"?limit=50", ""))
	}
	return []question{
		{"get", measure.AtMost(1.2), 2*b.rounds - 1, readTurn, plain(func(c caller) measure.Load { return c.gets(1) })},
		{"list, first page of 50 with `total`", measure.AtMost(1.5), 2*b.rounds - 1, readTurn, plain(list)},
		{"verify, a stored key that the cache does not hold", measure.AtMost(1.5), b.rounds, missTurn, b.storedMisses},
		{"verify, an unknown key", measure.AtMost(1.5), b.rounds, missTurn, b.unknownMisses},
		{"create", measure.AtMost(1.2), 2*b.rounds - 1, callTurn, plain(func(c caller) measure.Load { return c.creates(1) })},
	}
}
