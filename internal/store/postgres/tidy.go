package postgres

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/keypin/keypin/internal/keypin"
	"github.com/keypin/keypin/internal/store/postgres/column"
	"github.com/keypin/keypin/internal/store/postgres/db"
)

const (
	// rejudgeFrom is how many of a workspace's keys may be judged otherwise than they
	// are now before they are judged again.
	rejudgeFrom = 16
	// foldFrom is how many rows a workspace's counts may be spread over before a list
	// asks to fold them, and how many changes of keys are between two foldings.
	foldFrom = 64
	// tidiedAtOnce bounds the rows of one statement that tidies.
	tidiedAtOnce = 1024
	// expiredAtOnce bounds how many expired answers go for one that comes.
	expiredAtOnce = 16
	// choresWaiting bounds what waits. What does not find room is asked for again.
	choresWaiting = 64
)

// tidying does, behind the calls and in transactions of their own, what keeps lists
// quick and tables small. Nothing is wrong without it. It runs no serializable
// transactions: it changes no fact that a change could have read.
type tidying struct {
	store   *Store
	chores  chan chore
	changes atomic.Int64 // of keys
	cancel  context.CancelFunc
	done    sync.WaitGroup
}

// chore is one thing to tidy; its error needs no report.
type chore func(ctx context.Context, queries *db.Queries) error

func startTidying(s *Store) *tidying {
	ctx, cancel := context.WithCancel(context.Background())
	t := &tidying{store: s, chores: make(chan chore, choresWaiting), cancel: cancel}
	t.done.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case c := <-t.chores:
				t.do(ctx, c)
			}
		}
	})
	return t
}

func (t *tidying) stop() {
	t.cancel()
	t.done.Wait()
}

func (t *tidying) ask(c chore) {
	select {
	case t.chores <- c:
	default:
	}
}

func (t *tidying) do(ctx context.Context, c chore) {
	ctx, cancel := context.WithTimeout(ctx, t.store.timeout)
	defer cancel()
	conn, err := t.store.pool.Acquire(ctx)
	if err != nil {
		return
	}
	defer conn.Release()
	_ = c(ctx, db.New(conn)) // whoever needs it asks again
}

// afterList asks for what a list saw to be worth it.
func (t *tidying) afterList(list *keyList) {
	if list.counts.Changes >= foldFrom {
		t.fold(list.workspace)
	}
	if list.counts.Late+list.counts.Early >= rejudgeFrom {
		t.judge(list.workspace, list.query.Now)
	}
}

// afterKeys counts changes of keys in the workspace.
func (t *tidying) afterKeys(workspace keypin.ID, n int64) {
	if after := t.changes.Add(n); after/foldFrom > (after-n)/foldFrom {
		t.fold(workspace)
	}
}

func (t *tidying) fold(workspace keypin.ID) {
	t.ask(func(ctx context.Context, queries *db.Queries) error {
		return queries.FoldKeyCounts(ctx, db.FoldKeyCountsParams{WorkspaceID: column.ID(workspace), Most: tidiedAtOnce * 4})
	})
}

func (t *tidying) judge(workspace keypin.ID, now time.Time) {
	t.ask(func(ctx context.Context, queries *db.Queries) error {
		return queries.JudgeKeys(ctx, db.JudgeKeysParams{WorkspaceID: column.ID(workspace), Now: column.Time(now), Most: tidiedAtOnce})
	})
}

// afterAnswer removes answers that expired before one was made.
func (t *tidying) afterAnswer(created time.Time) {
	t.ask(func(ctx context.Context, queries *db.Queries) error {
		return queries.DeleteExpiredAnswers(ctx, db.DeleteExpiredAnswersParams{Now: column.Time(created), Most: expiredAtOnce})
	})
}
