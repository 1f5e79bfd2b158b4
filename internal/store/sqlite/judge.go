package sqlite

import (
	"context"
	"time"

	"github.com/keypin/keypin/internal/keypin"
	"github.com/keypin/keypin/internal/store/sqlite/column"
	"github.com/keypin/keypin/internal/store/sqlite/db"
)

const (
	// rejudgeFrom is how many of a workspace's keys may be judged otherwise than they
	// are now before they are judged again.
	rejudgeFrom = 16
	// rejudgeAtOnce bounds how long changes wait behind it.
	rejudgeAtOnce = 256
)

// judgement asks to judge again, as of now, which of a workspace's keys have ended.
// Lists are right without it: it keeps small the number of keys that they correct for.
type judgement struct {
	workspace keypin.ID
	now       time.Time
}

// rejudge asks for a judgement some time soon. While another waits, it does nothing:
// the next list asks again.
func (w *writer) rejudge(j judgement) {
	select {
	case w.judgements <- j:
	default:
	}
}

// judge does a part of a judgement and asks for the rest. A failure needs no report:
// nothing was promised, and the next list asks again.
func (w *writer) judge(j judgement) {
	if exec(w.control.begin) != nil {
		return
	}
	ctx, workspace, now := context.Background(), column.ID(j.workspace), column.Time(j.now)
	late, err := w.queries.JudgeLateKeys(ctx, db.JudgeLateKeysParams{Now: &now, WorkspaceID: workspace, Most: rejudgeAtOnce})
	var early int64
	if err == nil {
		early, err = w.queries.JudgeEarlyKeys(ctx, db.JudgeEarlyKeysParams{Now: &now, WorkspaceID: workspace, Most: rejudgeAtOnce})
	}
	if err == nil {
		err = exec(w.control.commit)
	}
	if err != nil {
		_ = w.abandon() // it ends the transaction or there is none
		return
	}
	if late == rejudgeAtOnce || early == rejudgeAtOnce {
		w.rejudge(j)
	}
}
