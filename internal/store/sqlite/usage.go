package sqlite

import (
	"bytes"
	"cmp"
	"context"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/keypin/keypin/internal/keypin"
	"github.com/keypin/keypin/internal/store/sqlite/column"
	"github.com/keypin/keypin/internal/store/sqlite/db"
)

// pruneBeyond is how many more old rows of a step are deleted than rows are written:
// enough for what a pause or a shorter retention has left to go away in time, and few
// enough to keep nobody waiting.
const pruneBeyond = 64

// ChainUsage reads the counts of a chain of the workspace.
func (r *reader) ChainUsage(ctx context.Context, workspace, chain keypin.ID, query keypin.UsageQuery) ([]keypin.UsagePoint, error) {
	rows, err := r.usage(ctx, workspace, chain, query)
	if err != nil {
		return nil, err
	}
	byBucket := map[time.Time]map[string]int64{}
	for _, row := range rows {
		at := time.Time(row.Bucket)
		if byBucket[at] == nil {
			byBucket[at] = map[string]int64{}
		}
		byBucket[at][row.Code] += row.Count
	}
	points := make([]keypin.UsagePoint, 0, len(byBucket))
	for at, counts := range byBucket {
		points = append(points, keypin.UsagePoint{At: at, Counts: counts})
	}
	slices.SortFunc(points, func(a, b keypin.UsagePoint) int { return a.At.Compare(b.At) })
	return points, nil
}

// WorkspaceUsage reads the counts of all chains of the workspace together, which are
// kept under the workspace's own id.
func (r *reader) WorkspaceUsage(ctx context.Context, workspace keypin.ID, query keypin.UsageQuery) ([]keypin.UsagePoint, error) {
	return r.ChainUsage(ctx, workspace, workspace, query)
}

// TopKeys reads which chains of the workspace were used most. It sums every chain's
// counts, so it asks for the coarsest buckets that fill the time.
func (r *reader) TopKeys(ctx context.Context, workspace keypin.ID, query keypin.UsageQuery, limit int) ([]keypin.KeyUsage, error) {
	parts := query.Coarse()
	chains, err := many(ctx, r, r.queries.TopChains, db.TopChainsParams{
		Buckets: bucketsOf(parts...), WorkspaceID: column.ID(workspace), Most: int64(limit),
	}, func(id column.ID) keypin.ID { return keypin.ID(id) })
	if err != nil {
		return nil, err
	}
	top := make([]keypin.KeyUsage, 0, len(chains))
	for _, chain := range chains {
		newest, err := one(ctx, r, r.queries.NewestOfChain, db.NewestOfChainParams{
			ChainID: column.ID(chain), WorkspaceID: column.ID(workspace),
		}, func(row db.NewestOfChainRow) db.NewestOfChainRow { return row })
		if keypin.CodeOf(err) == keypin.CodeNotFound { // counted, but its keys are gone
			continue
		}
		if err != nil {
			return nil, err
		}
		used := keypin.KeyUsage{ChainID: chain, KeyID: keypin.ID(newest.ID), Name: newest.Name, Counts: map[string]int64{}}
		rows, err := r.usage(ctx, workspace, chain, parts...)
		if err != nil {
			return nil, err
		}
		for _, row := range rows {
			used.Counts[row.Code] += row.Count
			used.Total += row.Count
		}
		top = append(top, used)
	}
	slices.SortStableFunc(top, func(a, b keypin.KeyUsage) int { return cmp.Compare(b.Total, a.Total) }) // counted since
	return top, nil
}

// usage reads the counts of a subject in all buckets of the queries.
func (r *reader) usage(ctx context.Context, workspace, subject keypin.ID, queries ...keypin.UsageQuery) ([]db.UsageRow, error) {
	return many(ctx, r, r.queries.Usage, db.UsageParams{
		Buckets: bucketsOf(queries...), WorkspaceID: column.ID(workspace), Subject: column.ID(subject),
	}, func(row db.UsageRow) db.UsageRow { return row })
}

// LastUse reads a key's newest use.
func (r *reader) LastUse(ctx context.Context, workspace, key keypin.ID) (*keypin.LastUse, error) {
	return one(ctx, r, r.queries.LastUse, db.LastUseParams{WorkspaceID: column.ID(workspace), ID: column.ID(key)},
		func(row db.LastUseRow) keypin.LastUse {
			return keypin.LastUse{KeyID: keypin.ID(row.ID), At: time.Time(*row.LastUsedAt), IP: netip.Addr(row.IP), UserAgent: row.UserAgent}
		})
}

// bucketsOf lists every bucket of the queries as JSON.
func bucketsOf(queries ...keypin.UsageQuery) string {
	b := []byte{'['}
	for _, q := range queries {
		for at := q.From; at.Before(q.To); at = at.Add(q.Step.Width()) {
			if len(b) > 1 {
				b = append(b, ',')
			}
			b = append(b, '[')
			b = strconv.AppendInt(b, seconds(q.Step), 10)
			b = append(b, ',')
			b = strconv.AppendInt(b, at.UnixMicro(), 10)
			b = append(b, ']')
		}
	}
	return string(append(b, ']'))
}

// seconds is how a step is stored.
func seconds(step keypin.UsageStep) int64 { return int64(step.Width() / time.Second) }

// TouchKey moves the key's last use forward.
func (t *tx) TouchKey(ctx context.Context, use keypin.LastUse) error {
	at := column.Time(use.At)
	err := update(ctx, t, t.queries.TouchKey, db.TouchKeyParams{At: &at, ID: column.ID(use.KeyID)})
	if keypin.CodeOf(err) == keypin.CodeNotFound { // gone, or used since
		return nil
	}
	if err != nil {
		return err
	}
	return execute(ctx, t, t.queries.KeepUse, db.KeepUseParams{
		KeyID: column.ID(use.KeyID), UsedAt: at, IP: column.Addr(use.IP), UserAgent: use.UserAgent,
	})
}

// AddUsage adds the counts to every step's buckets, of their chains and workspaces.
func (t *tx) AddUsage(ctx context.Context, counts []keypin.UsageCount) error {
	for _, step := range keypin.UsageSteps() {
		rows, newest := rowsOf(step, counts)
		for _, row := range rows {
			if err := execute(ctx, t, t.queries.AddUsage, row); err != nil {
				return err
			}
		}
		if len(rows) == 0 {
			continue
		}
		err := execute(ctx, t, t.queries.PruneUsage, db.PruneUsageParams{
			Step: seconds(step), Oldest: column.Time(step.Oldest(newest)), Most: int64(len(rows) + pruneBeyond),
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// rowsOf are the rows that the counts add to in a step, in the order of the table, and
// the newest minute among them.
func rowsOf(step keypin.UsageStep, counts []keypin.UsageCount) (rows []db.AddUsageParams, newest time.Time) {
	type place struct {
		bucket             int64
		workspace, subject keypin.ID
		code               string
	}
	sums := make(map[place]int64, len(counts))
	for _, c := range counts {
		if c.Minute.After(newest) {
			newest = c.Minute
		}
		p := place{bucket: step.Floor(c.Minute).UnixMicro(), workspace: c.WorkspaceID, subject: c.ChainID, code: c.Code}
		sums[p] += c.Count
		p.subject = c.WorkspaceID
		sums[p] += c.Count
	}
	rows = make([]db.AddUsageParams, 0, len(sums))
	for p, sum := range sums {
		rows = append(rows, db.AddUsageParams{
			Step: seconds(step), Bucket: column.Time(time.UnixMicro(p.bucket)), WorkspaceID: column.ID(p.workspace), Subject: column.ID(p.subject),
			Code: p.code, Count: sum,
		})
	}
	slices.SortFunc(rows, func(a, b db.AddUsageParams) int {
		return cmp.Or(
			time.Time(a.Bucket).Compare(time.Time(b.Bucket)),
			bytes.Compare(a.WorkspaceID[:], b.WorkspaceID[:]), bytes.Compare(a.Subject[:], b.Subject[:]), cmp.Compare(a.Code, b.Code))
	})
	return rows, newest
}
