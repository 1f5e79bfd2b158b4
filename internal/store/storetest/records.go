package storetest

import (
	"net/netip"
	"testing"
	"time"

	"github.com/keypin/keypin/internal/keypin"
)

func auditTests() []test {
	return []test{
		{"AnAuditRowComesBackAsItWasWritten", anAuditRowComesBackAsItWasWritten},
		{"AuditRowsAreListedNewestFirst", auditRowsAreListedNewestFirst},
	}
}

func anAuditRowComesBackAsItWasWritten(t *testing.T, w *world) {
	workspace := w.workspace().ID
	bare, full := w.newAudit(workspace, w.now), w.newAudit(workspace, w.after(time.Second))
	bare.ActorUserID = keypin.ID{}
	full.ActorKind, full.ActorKeyID = keypin.AuthAPIKey, pointer(w.id())
	full.Origin.IP, full.Origin.UserAgent = netip.MustParseAddr("2001:db8::1"), "agént/1 🔑"
	full.Before, full.After = []byte(`{"name":"é"}`), []byte(`{"name": "ü", "n": [1, null]}`)
	w.tx(func(tx keypin.Tx) error {
		if err := tx.InsertAudit(t.Context(), bare); err != nil {
			return err
		}
		return tx.InsertAudit(t.Context(), full)
	})
	got, err := w.store.AuditEntries(t.Context(), workspace, everything)
	wantCode(t, "", err)
	wantEqual(t, []keypin.AuditEntry{*full, *bare}, got)
	if len(got) == 2 && got[1].Before != nil {
		t.Errorf("got %q for what was not there", got[1].Before)
	}
}

func auditRowsAreListedNewestFirst(t *testing.T, w *world) {
	workspace := w.workspace().ID
	var want []keypin.AuditEntry
	for i := range 7 {
		entry := w.newAudit(workspace, w.after(time.Duration(i/2)*time.Second))
		w.tx(func(tx keypin.Tx) error { return tx.InsertAudit(t.Context(), entry) })
		want = append([]keypin.AuditEntry{*entry}, want...)
	}
	for offset := range len(want) + 2 {
		got, err := w.store.AuditEntries(t.Context(), workspace, keypin.Page{Offset: offset, Limit: 3})
		wantCode(t, "", err)
		wantEqual(t, want[min(offset, len(want)):min(offset+3, len(want))], got)
	}
}

func idempotencyTests() []test {
	return []test{
		{"AnAnswerIsFoundUntilItExpires", anAnswerIsFoundUntilItExpires},
		{"AnAnswerIsReplacedOnlyOnceItExpired", anAnswerIsReplacedOnlyOnceItExpired},
		{"ManyExpiredAnswersDoNotStandInTheWay", manyExpiredAnswersDoNotStandInTheWay},
	}
}

// answer finds a stored answer in a transaction, as it is found.
func (w *world) answer(caller keypin.ID, hash [32]byte, now time.Time) (answer *keypin.IdempotentAnswer, err error) {
	w.t.Helper()
	err = w.store.Tx(w.t.Context(), func(tx keypin.Tx) error {
		var err error
		answer, err = tx.IdempotentAnswer(w.t.Context(), caller, hash, now)
		return err
	})
	return answer, err
}

func anAnswerIsFoundUntilItExpires(t *testing.T, w *world) {
	answer := w.newAnswer(w.id())
	w.tx(func(tx keypin.Tx) error { return tx.InsertIdempotentAnswer(t.Context(), answer) })
	wantFound(t, answer)(w.answer(answer.Caller, answer.KeyHash, w.now))
	wantFound(t, answer)(w.answer(answer.Caller, answer.KeyHash, answer.ExpiresAt.Add(-time.Microsecond)))
	wantNotFound(t, none(w.answer(answer.Caller, answer.KeyHash, answer.ExpiresAt)))
	wantNotFound(t, none(w.answer(answer.Caller, w.hash(), w.now)))
}

func anAnswerIsReplacedOnlyOnceItExpired(t *testing.T, w *world) {
	answer := w.newAnswer(w.id())
	w.tx(func(tx keypin.Tx) error { return tx.InsertIdempotentAnswer(t.Context(), answer) })
	again := w.newAnswer(answer.Caller)
	again.KeyHash, again.Sealed = answer.KeyHash, []byte("other")
	again.CreatedAt = answer.ExpiresAt.Add(-time.Microsecond)
	w.refused(keypin.CodeConflict, func(tx keypin.Tx) error { return tx.InsertIdempotentAnswer(t.Context(), again) })
	wantFound(t, answer)(w.answer(answer.Caller, answer.KeyHash, w.now))

	again.CreatedAt = answer.ExpiresAt
	again.ExpiresAt = again.CreatedAt.Add(keypin.IdempotencyLifetime)
	w.tx(func(tx keypin.Tx) error { return tx.InsertIdempotentAnswer(t.Context(), again) })
	wantFound(t, again)(w.answer(answer.Caller, answer.KeyHash, again.CreatedAt))
}

func manyExpiredAnswersDoNotStandInTheWay(t *testing.T, w *world) {
	var answers []*keypin.IdempotentAnswer
	caller := w.id()
	w.tx(func(tx keypin.Tx) error {
		for i := range 300 {
			answer := w.newAnswer(caller)
			answer.ExpiresAt = w.after(time.Duration(i) * time.Second)
			answers = append(answers, answer)
			if err := tx.InsertIdempotentAnswer(t.Context(), answer); err != nil {
				return err
			}
		}
		return nil
	})
	last := answers[len(answers)-1]
	again := *last
	again.CreatedAt, again.ExpiresAt = last.ExpiresAt, last.ExpiresAt.Add(time.Hour)
	w.tx(func(tx keypin.Tx) error { return tx.InsertIdempotentAnswer(t.Context(), &again) })
	wantFound(t, &again)(w.answer(caller, last.KeyHash, again.CreatedAt))
}
