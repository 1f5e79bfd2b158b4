package admin

import (
	"context"
	"strconv"
	"time"

	"github.com/keypin/keypin/internal/keypin"
)

// UsageRange is the time that a caller asks about. It is widened to whole buckets.
type UsageRange struct {
	From *time.Time       // nil = an hour, a day or 30 days before To, by the step
	To   *time.Time       // nil = now
	Step keypin.UsageStep // "" = hour
}

// Usage is how keys were used in a time.
type Usage struct {
	Query  keypin.UsageQuery
	Points []keypin.UsagePoint // one for each bucket, oldest first
	Totals map[string]int64    // of all points, by outcome; only those that occurred
}

// KeyUsage is how a key was used. The points are those of its chain.
type KeyUsage struct {
	Usage
	Last *keypin.LastUse // of the key itself; nil = it was never used
}

// WorkspaceUsage is how the keys of a workspace were used.
type WorkspaceUsage struct {
	Usage
	Top []keypin.KeyUsage // the most used ones, most used first
}

const day = 24 * time.Hour

// usageLimits says how long a time can be asked for at once, and how long it is when
// the caller does not say.
var usageLimits = map[keypin.UsageStep]struct{ most, usual time.Duration }{
	keypin.UsageMinute: {day, time.Hour},
	keypin.UsageHour:   {31 * day, day},
	keypin.UsageDay:    {400 * day, 30 * day},
}

// KeyUsage tells how a key was used, and the others of its chain of rotations: they
// are counted together, as for limits. Who may read keys may. CodeValidation,
// CodeNotFound; CodeInsufficientScope for a key without api-keys:read.
func (s *Service) KeyUsage(ctx context.Context, call Call, id keypin.ID, asked UsageRange) (KeyUsage, error) {
	query, err := asked.query(s.now())
	if err != nil {
		return KeyUsage{}, err
	}
	key, err := s.Key(ctx, call, id)
	if err != nil {
		return KeyUsage{}, err
	}
	points, err := s.store.ChainUsage(ctx, key.WorkspaceID, key.ChainID, query)
	if err != nil {
		return KeyUsage{}, err
	}
	last, err := s.store.LastUse(ctx, key.WorkspaceID, key.ID)
	if err != nil && keypin.CodeOf(err) != keypin.CodeNotFound {
		return KeyUsage{}, err
	}
	return KeyUsage{Usage: usageOf(query, points), Last: last}, nil
}

// WorkspaceUsage tells how the keys of the workspace were used, and which most.
// CodeValidation; CodeInsufficientScope for a key without api-keys:read.
func (s *Service) WorkspaceUsage(ctx context.Context, call Call, asked UsageRange) (WorkspaceUsage, error) {
	query, err := asked.query(s.now())
	if err != nil {
		return WorkspaceUsage{}, err
	}
	a, err := s.read(ctx, call)
	if err != nil {
		return WorkspaceUsage{}, err
	}
	if err := a.mayReadKeys(); err != nil {
		return WorkspaceUsage{}, err
	}
	points, err := s.store.WorkspaceUsage(ctx, a.workspaceID, query)
	if err != nil {
		return WorkspaceUsage{}, err
	}
	top, err := s.store.TopKeys(ctx, a.workspaceID, query, keypin.MaxTopKeys)
	if err != nil {
		return WorkspaceUsage{}, err
	}
	return WorkspaceUsage{Usage: usageOf(query, points), Top: top}, nil
}

// query checks the range at now. What is not kept any more is refused: empty buckets
// would say that nothing was used.
func (r UsageRange) query(now time.Time) (keypin.UsageQuery, error) {
	step := r.Step
	if step == "" {
		step = keypin.UsageHour
	}
	limits, ok := usageLimits[step]
	var faults keypin.Faults
	if !ok {
		faults.Add("query.granularity", "must be minute, hour or day")
		return keypin.UsageQuery{}, faults.Err()
	}
	oldest, to := step.Oldest(now), now
	if r.To != nil {
		to = *r.To
	}
	from := to.Add(-limits.usual)
	if from.Before(oldest) {
		from = oldest
	}
	if r.From != nil {
		from = *r.From
	}
	query := keypin.UsageQuery{From: step.Floor(from), To: step.Ceil(to), Step: step}
	if query.From.Before(oldest) {
		faults.Add("query.from", "must be within the last "+long(step.Kept())+", for which counts by "+string(step)+" are kept")
	}
	if from.After(now) {
		faults.Add("query.from", "must not be in the future")
	}
	switch {
	case !to.After(from):
		faults.Add("query.to", "must be after from, and after what is kept")
	case to.Sub(from) > limits.most:
		faults.Add("query.to", "must be at most "+long(limits.most)+" after from")
	}
	return query, faults.Err()
}

// long writes a duration of hours or days.
func long(d time.Duration) string {
	if d <= 2*day {
		return strconv.Itoa(int(d.Hours())) + " hours"
	}
	return strconv.Itoa(int(d/day)) + " days"
}

// usageOf fills in the buckets in which nothing was used.
func usageOf(query keypin.UsageQuery, found []keypin.UsagePoint) Usage {
	u := Usage{Query: query, Points: make([]keypin.UsagePoint, 0, query.Buckets()), Totals: map[string]int64{}}
	for at := query.From; at.Before(query.To); at = at.Add(query.Step.Width()) {
		point := keypin.UsagePoint{At: at, Counts: map[string]int64{}}
		if len(found) > 0 && found[0].At.Equal(at) {
			point, found = found[0], found[1:]
		}
		for code, n := range point.Counts {
			u.Totals[code] += n
		}
		u.Points = append(u.Points, point)
	}
	return u
}
