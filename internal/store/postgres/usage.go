package postgres

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"time"

	"github.com/keypin/keypin/internal/keypin"
	"github.com/keypin/keypin/internal/store/postgres/column"
	"github.com/keypin/keypin/internal/store/postgres/db"
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
	steps, buckets := bucketsOf(parts...)
	chains, err := many(ctx, r, (*db.Queries).TopChains, db.TopChainsParams{
		Steps: steps, Buckets: buckets, WorkspaceID: column.ID(workspace), Most: int64(limit),
	}, func(id column.ID) keypin.ID { return keypin.ID(id) })
	if err != nil {
		return nil, err
	}
	top := make([]keypin.KeyUsage, 0, len(chains))
	for _, chain := range chains {
		newest, err := one(ctx, r, (*db.Queries).NewestOfChain, db.NewestOfChainParams{
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
	steps, buckets := bucketsOf(queries...)
	return many(ctx, r, (*db.Queries).Usage, db.UsageParams{
		Steps: steps, Buckets: buckets, WorkspaceID: column.ID(workspace), Subject: column.ID(subject),
	}, func(row db.UsageRow) db.UsageRow { return row })
}

// LastUse reads a key's newest use.
func (r *reader) LastUse(ctx context.Context, workspace, key keypin.ID) (*keypin.LastUse, error) {
	return one(ctx, r, (*db.Queries).LastUse, db.LastUseParams{WorkspaceID: column.ID(workspace), ID: column.ID(key)},
		func(row db.LastUseRow) keypin.LastUse {
			return keypin.LastUse{KeyID: keypin.ID(row.ID), At: time.Time(*row.LastUsedAt), IP: netip.Addr(row.IP), UserAgent: row.UserAgent}
		})
}

// bucketsOf lists every bucket of the queries, and the step of each.
func bucketsOf(queries ...keypin.UsageQuery) (steps []int32, buckets []column.Time) {
	steps, buckets = []int32{}, []column.Time{}
	for _, q := range queries {
		for at := q.From; at.Before(q.To); at = at.Add(q.Step.Width()) {
			steps, buckets = append(steps, seconds(q.Step)), append(buckets, column.Time(at))
		}
	}
	return steps, buckets
}

// seconds is how a step is stored.
func seconds(step keypin.UsageStep) int32 { return int32(step.Width() / time.Second) }

// TouchKey moves the key's last use forward, not before it is needed: the uses of all
// keys are sent together.
func (t *tx) TouchKey(ctx context.Context, use keypin.LastUse) error {
	if err := t.usable(ctx); err != nil {
		return err
	}
	if t.uses == nil {
		t.uses = map[keypin.ID]keypin.LastUse{}
	}
	if before, ok := t.uses[use.KeyID]; !ok || use.At.After(before.At) {
		t.uses[use.KeyID] = use
	}
	return nil
}

// AddUsage adds the counts, not before they are needed, to every step's buckets, of
// their chains and workspaces.
func (t *tx) AddUsage(ctx context.Context, counts []keypin.UsageCount) error {
	if err := t.usable(ctx); err != nil {
		return err
	}
	t.counts = append(t.counts, counts...)
	return nil
}

// sendUsage sends what TouchKey and AddUsage left to be sent.
func sendUsage(ctx context.Context, queries *db.Queries, uses map[keypin.ID]keypin.LastUse, counts []keypin.UsageCount) error {
	if len(uses) > 0 {
		if err := queries.TouchKeys(ctx, touchKeysParams(uses)); err != nil {
			return err
		}
	}
	if len(counts) == 0 {
		return nil
	}
	rows := rowsOf(counts)
	if err := queries.AddUsage(ctx, rows); err != nil {
		return err
	}
	newest := slices.MaxFunc(counts, func(a, b keypin.UsageCount) int { return a.Minute.Compare(b.Minute) }).Minute
	for _, step := range keypin.UsageSteps() {
		err := queries.PruneUsage(ctx, db.PruneUsageParams{
			Step: seconds(step), Oldest: column.Time(step.Oldest(newest)), Most: int64(len(rows.Steps) + pruneBeyond),
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func touchKeysParams(uses map[keypin.ID]keypin.LastUse) db.TouchKeysParams {
	var p db.TouchKeysParams
	for id, use := range uses {
		p.IDs = append(p.IDs, column.ID(id))
		p.Ats = append(p.Ats, column.Time(use.At))
		ip := ""
		if use.IP.IsValid() {
			ip = use.IP.String()
		}
		p.IPs = append(p.IPs, ip)
		p.UserAgents = append(p.UserAgents, textual(use.UserAgent))
	}
	return p
}

// rowsOf are the rows that the counts add to in all steps.
func rowsOf(counts []keypin.UsageCount) db.AddUsageParams {
	type place struct {
		step               int32
		bucket             int64
		workspace, subject keypin.ID
		code               string
	}
	sums := make(map[place]int64, len(counts))
	for _, step := range keypin.UsageSteps() {
		for _, c := range counts {
			p := place{step: seconds(step), bucket: step.Floor(c.Minute).UnixMicro(), workspace: c.WorkspaceID, subject: c.ChainID, code: c.Code}
			sums[p] += c.Count
			p.subject = c.WorkspaceID
			sums[p] += c.Count
		}
	}
	var rows db.AddUsageParams
	for p, sum := range sums {
		rows.Steps = append(rows.Steps, p.step)
		rows.Buckets = append(rows.Buckets, column.Time(time.UnixMicro(p.bucket)))
		rows.WorkspaceIDs = append(rows.WorkspaceIDs, column.ID(p.workspace))
		rows.Subjects = append(rows.Subjects, column.ID(p.subject))
		rows.Codes = append(rows.Codes, p.code)
		rows.Counts = append(rows.Counts, sum)
	}
	return rows
}
