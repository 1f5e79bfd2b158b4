package main

import (
	"context"
	"fmt"
	"time"

	"github.com/keypin/keypin/test/measure"
)

const (
	// settle is how long what is idle is left alone before it is looked at.
	settle = 3 * time.Second
	// atRest is how long it is looked at: the system counts in hundredths of a second.
	atRest = 20 * time.Second
)

// idle measures what nodes cost that nobody asks.
func (b *bench) idle(ctx context.Context) ([]row, error) {
	var at []used
	var scripts float64
	for _, n := range []int{nodeCount, 0} {
		if err := b.scale(ctx, n); err != nil {
			return nil, err
		}
		wait(time.Now().Add(settle))
		counted, err := b.scripts(ctx)
		if err != nil {
			return nil, err
		}
		before, err := b.used()
		if err != nil {
			return nil, err
		}
		wait(time.Now().Add(atRest))
		after, err := b.used()
		if err != nil {
			return nil, err
		}
		at = append(at, after.since(before))
		if n > 0 {
			again, err := b.scripts(ctx)
			if err != nil {
				return nil, err
			}
			scripts = float64(again-counted) / atRest.Seconds() / float64(n)
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	if err := b.scale(ctx, nodeCount); err != nil {
		return nil, err
	}
	each := func(d time.Duration, n int) string {
		return measure.Milliseconds(time.Duration(float64(d)/atRest.Seconds()/float64(n))) + "/s"
	}
	return []row{
		{"processor time of a node that nobody asks", each(at[0].nodes, nodeCount), fmt.Sprintf("%.0f looks at Redis a second", scripts), noAim},
		{fmt.Sprintf("of PostgreSQL, for each of %d such nodes", nodeCount), each(at[0].postgres-at[1].postgres, nodeCount), "without a node, in all: " + each(at[1].postgres, 1), noAim},
		{fmt.Sprintf("of Redis, for each of %d such nodes", nodeCount), each(at[0].redis-at[1].redis, nodeCount), "without a node, in all: " + each(at[1].redis, 1), noAim},
	}, nil
}
