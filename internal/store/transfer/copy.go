package transfer

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"slices"
)

// batch is how many rows are read, and at most written, at once.
const batch = 2000

// Reader reads rows from one snapshot.
type Reader interface {
	// Rows gives the first rows, at most limit, whose key is after that of the row after;
	// from the beginning when that is nil.
	Rows(ctx context.Context, table *Table, after Row, limit int) ([]Row, error)
}

// Source is what is copied.
type Source interface {
	// Snapshot lets read see what is committed now, and nothing later.
	Snapshot(ctx context.Context, read func(Reader) error) error
}

// Target is what is made equal. Nobody else changes it meanwhile.
type Target interface {
	Source
	// Write puts rows in place of those with the same key, or beside the others, and
	// removes those with the keys of gone, in one transaction.
	Write(ctx context.Context, table *Table, rows, gone []Row) error
	// Finish makes what the engine derives from the rows.
	Finish(ctx context.Context) error
}

// Progress is told how far a table is: rows seen, and rows of those that were written.
// The table is done when it is told so.
type Progress func(table string, rows, written int64, done bool)

// Sum is what a table holds: how many rows, and the SHA-256 of all in order.
type Sum struct {
	Table string
	Rows  int64
	Hash  [sha256.Size]byte
}

// ErrOthersRows says that the target holds what the source never held.
var ErrOthersRows = errors.New("the target holds rows that the source does not have, so it belongs to another deployment, or was in use already; copy into an empty database")

// ErrDiffer says that the two are not equal after the copy.
var ErrDiffer = errors.New("the source was changed while it was copied")

// Copy makes the target's rows equal to the source's, and then compares all of both. It
// gives what each table holds then; the error is ErrDiffer when that is not the same in
// both.
func Copy(ctx context.Context, from Source, to Target, told Progress) ([]Sum, error) {
	c := copier{ctx: ctx, told: told}
	if err := c.between(from, to, func(t *Table, source, target Reader) error { return c.copy(t, source, target, to) }); err != nil {
		return nil, err
	}
	if err := to.Finish(ctx); err != nil {
		return nil, err
	}
	var sums []Sum
	differ := false
	err := c.between(from, to, func(t *Table, source, target Reader) error {
		want, err := c.sum(t, source)
		if err != nil {
			return err
		}
		got, err := c.sum(t, target)
		if err != nil {
			return err
		}
		differ = differ || want != got
		sums = append(sums, got)
		return nil
	})
	if err == nil && differ {
		err = ErrDiffer
	}
	return sums, err
}

type copier struct {
	ctx  context.Context //nolint:containedctx // of one call of Copy, which the copier lives for
	told Progress
}

// between does something with every table, and the snapshots of both.
func (c *copier) between(from, to Source, do func(t *Table, source, target Reader) error) error {
	return from.Snapshot(c.ctx, func(source Reader) error {
		return to.Snapshot(c.ctx, func(target Reader) error {
			for _, t := range Tables() {
				if err := do(&t, source, target); err != nil {
					return fmt.Errorf("%s: %w", t.Name, err)
				}
			}
			return nil
		})
	})
}

// copy walks through both sides of a table at once, as one merges two sorted lists.
func (c *copier) copy(t *Table, source, target Reader, to Target) error {
	theirs, ours := c.walk(t, source), c.walk(t, target)
	var rows, gone []Row
	var seen, written int64
	flush := func(all bool) error {
		if !all && len(rows)+len(gone) < batch || len(rows)+len(gone) == 0 {
			return nil
		}
		if err := to.Write(c.ctx, t, rows, gone); err != nil {
			return err
		}
		written += int64(len(rows) + len(gone))
		rows, gone = nil, nil
		return nil
	}
	for theirs.next() && ours.next() && (theirs.row != nil || ours.row != nil) {
		switch order := t.order(theirs.row, ours.row); {
		case order > 0 && !t.Passing:
			return ErrOthersRows
		case order > 0:
			gone = append(gone, ours.take())
		default:
			row := theirs.take()
			if order < 0 || !equal(row, ours.take()) {
				rows = append(rows, row)
			}
			if seen++; seen%batch == 0 {
				c.told(t.Name, seen, written, false)
			}
		}
		if err := flush(false); err != nil {
			return err
		}
	}
	if err := errors.Join(theirs.err, ours.err); err != nil {
		return err
	}
	err := flush(true)
	c.told(t.Name, seen, written, true)
	return err
}

// order compares the keys of two rows; one that is not there comes last.
func (t *Table) order(a, b Row) int {
	switch {
	case a == nil:
		return 1
	case b == nil:
		return -1
	default:
		return t.compareKeys(a, b)
	}
}

func (c *copier) sum(t *Table, of Reader) (Sum, error) {
	w, all := c.walk(t, of), sha256.New()
	sum := Sum{Table: t.Name}
	for w.next() && w.row != nil {
		sum.Rows++
		digest(all, w.take())
	}
	all.Sum(sum.Hash[:0])
	return sum, w.err
}

// walk goes through a table row by row.
type walk struct {
	ctx    context.Context //nolint:containedctx // as the copier's
	table  *Table
	reader Reader
	ahead  []Row
	last   Row // the last one read
	ended  bool
	row    Row // the present one; nil at the end
	err    error
}

func (c *copier) walk(t *Table, reader Reader) *walk {
	return &walk{ctx: c.ctx, table: t, reader: reader}
}

// next makes row the present one, if it was taken; false when that failed.
func (w *walk) next() bool {
	if w.row != nil {
		return true
	}
	if len(w.ahead) == 0 && !w.ended {
		if w.ahead, w.err = w.reader.Rows(w.ctx, w.table, w.last, batch); w.err != nil {
			return false
		}
		w.ended = len(w.ahead) < batch
		if n := len(w.ahead); n > 0 {
			w.last = w.ahead[n-1]
		}
	}
	if len(w.ahead) > 0 {
		w.row, w.ahead = w.ahead[0], w.ahead[1:]
	}
	return true
}

// take gives the present row, and lets next go on.
func (w *walk) take() Row {
	row := w.row
	w.row = nil
	return row
}

// equal compares two rows of one table.
func equal(a, b Row) bool {
	return slices.EqualFunc(a, b, func(a, b any) bool {
		x, ok := a.([]byte)
		if !ok {
			return a == b
		}
		y, ok := b.([]byte)
		return ok && bytes.Equal(x, y)
	})
}

// digest writes a row so that no other row writes the same.
func digest(to hash.Hash, row Row) {
	var number [9]byte
	put := func(kind byte, n uint64) {
		number[0] = kind
		binary.BigEndian.PutUint64(number[1:], n)
		to.Write(number[:])
	}
	for _, value := range row {
		switch v := value.(type) {
		case nil:
			put('0', 0)
		case int64:
			put('i', uint64(v))
		case bool:
			if v {
				put('b', 1)
			} else {
				put('b', 0)
			}
		case []byte:
			put('x', uint64(len(v)))
			to.Write(v)
		case string:
			put('s', uint64(len(v)))
			to.Write([]byte(v))
		default:
			panic(fmt.Sprintf("transfer: a row holds a %T", value))
		}
	}
}
