package transfer_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/keypin/keypin/internal/store/transfer"
)

// side is a store in memory: by table, rows by a key that orders as theirs do.
type side struct {
	tables   map[string]map[string]transfer.Row
	writes   int // calls of Write so far
	breakAt  int // the call of Write that fails; 0 = none
	finished int
}

var errBroken = errors.New("broken off")

func (s *side) Snapshot(_ context.Context, read func(transfer.Reader) error) error {
	frozen := &side{tables: map[string]map[string]transfer.Row{}}
	for name, rows := range s.tables {
		frozen.tables[name] = maps.Clone(rows)
	}
	return read(frozen)
}

func (s *side) Rows(_ context.Context, t *transfer.Table, after transfer.Row, limit int) ([]transfer.Row, error) {
	var rows []transfer.Row
	for _, key := range slices.Sorted(maps.Keys(s.tables[t.Name])) {
		if len(rows) < limit && (after == nil || key > keyOf(t, after)) {
			rows = append(rows, s.tables[t.Name][key])
		}
	}
	return rows, nil
}

func (s *side) Write(_ context.Context, t *transfer.Table, rows, gone []transfer.Row) error {
	if s.writes++; s.writes == s.breakAt {
		return errBroken
	}
	if s.tables[t.Name] == nil {
		s.tables[t.Name] = map[string]transfer.Row{}
	}
	for _, row := range gone {
		delete(s.tables[t.Name], keyOf(t, row))
	}
	for _, row := range rows {
		s.tables[t.Name][keyOf(t, row)] = row
	}
	return nil
}

func (s *side) Finish(context.Context) error { s.finished++; return nil }

func keyOf(t *transfer.Table, row transfer.Row) string {
	var key []byte
	for _, value := range row[:t.Keys] {
		switch v := value.(type) {
		case int64:
			key = binary.BigEndian.AppendUint64(key, uint64(v))
		case []byte:
			key = append(key, v...)
		case string:
			key = append(append(key, v...), 0)
		}
	}
	return string(key)
}

// rowOf is the nth row of a table, as some version of it.
func rowOf(t *transfer.Table, n, version int) transfer.Row {
	row := make(transfer.Row, len(t.Columns))
	for i, c := range t.Columns {
		v := version
		if i < t.Keys {
			v = n
		}
		switch c.Kind {
		case transfer.ID:
			id := make([]byte, 16)
			binary.BigEndian.PutUint64(id, uint64(v))
			row[i] = id
		case transfer.Bytes:
			row[i] = fmt.Append(nil, "b", v)
		case transfer.Text:
			row[i] = fmt.Sprintf("t%05d", v)
		case transfer.JSON:
			row[i] = fmt.Sprintf(`{"v":%d}`, v)
		case transfer.Int, transfer.Time:
			row[i] = int64(v)
		case transfer.Bool:
			row[i] = v%2 == 0
		}
		if i >= t.Keys && (n+i)%7 == 0 {
			row[i] = nil
		}
	}
	return row
}

func fill(s *side, versions map[string]map[int]int) {
	s.tables = map[string]map[string]transfer.Row{}
	for _, t := range transfer.Tables() {
		s.tables[t.Name] = map[string]transfer.Row{}
		for n, version := range versions[t.Name] {
			row := rowOf(&t, n, version)
			s.tables[t.Name][keyOf(&t, row)] = row
		}
	}
}

func quiet(string, int64, int64, bool) {}

func TestWhateverStoodInTheTargetACopyMakesItEqual(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		versions := rapid.MapOfN(rapid.IntRange(0, 60), rapid.IntRange(0, 2), 0, 40)
		theirs, ours := map[string]map[int]int{}, map[string]map[int]int{}
		for _, table := range transfer.Tables() {
			theirs[table.Name], ours[table.Name] = versions.Draw(t, table.Name), versions.Draw(t, "target's "+table.Name)
			if !table.Passing { // rows are never deleted
				maps.DeleteFunc(ours[table.Name], func(n, _ int) bool { _, ok := theirs[table.Name][n]; return !ok })
			}
		}
		source, target := &side{}, &side{}
		fill(source, theirs)
		fill(target, ours)
		if target.breakAt = rapid.IntRange(0, 12).Draw(t, "broken off at"); target.breakAt > 0 {
			if _, err := transfer.Copy(context.Background(), source, target, quiet); err != nil && !errors.Is(err, errBroken) {
				t.Fatal(err)
			}
		}
		sums, err := transfer.Copy(context.Background(), source, target, quiet)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(source.tables, target.tables); diff != "" {
			t.Fatalf("(-source +target)\n%s", diff)
		}
		for _, sum := range sums {
			if sum.Rows != int64(len(theirs[sum.Table])) {
				t.Errorf("%s: %d rows, want %d", sum.Table, sum.Rows, len(theirs[sum.Table]))
			}
		}
		writes := target.writes
		again, err := transfer.Copy(context.Background(), source, target, quiet)
		if err != nil || target.writes != writes {
			t.Errorf("a second copy wrote %d times: %v", target.writes-writes, err)
		}
		if diff := cmp.Diff(sums, again); diff != "" {
			t.Errorf("the sums differ: %s", diff)
		}
	})
}

func TestAnotherDeploymentsRowsAreNotTouched(t *testing.T) {
	t.Parallel()
	for _, table := range transfer.Tables() {
		source, target := &side{}, &side{}
		fill(source, map[string]map[int]int{table.Name: {1: 1, 3: 1}})
		fill(target, map[string]map[int]int{table.Name: {1: 1, 2: 1}})
		_, err := transfer.Copy(t.Context(), source, target, quiet)
		if errors.Is(err, transfer.ErrOthersRows) == table.Passing {
			t.Errorf("%s: %v", table.Name, err)
		}
	}
}

// changing is a source to which a row comes between two looks.
type changing struct {
	*side
	looks int
}

func (c *changing) Snapshot(ctx context.Context, read func(transfer.Reader) error) error {
	if c.looks++; c.looks == 2 {
		users := transfer.Tables()[0]
		row := rowOf(&users, 99, 1)
		c.tables[users.Name][keyOf(&users, row)] = row
	}
	return c.side.Snapshot(ctx, read)
}

func TestASourceThatChangesMeanwhileIsNoticed(t *testing.T) {
	t.Parallel()
	source, target := &changing{side: &side{}}, &side{}
	fill(source.side, map[string]map[int]int{"users": {1: 1}})
	fill(target, nil)
	if _, err := transfer.Copy(t.Context(), source, target, quiet); !errors.Is(err, transfer.ErrDiffer) {
		t.Errorf("got %v", err)
	}
	if _, err := transfer.Copy(t.Context(), source, target, quiet); err != nil {
		t.Errorf("once more: %v", err)
	}
}

func TestProgressIsToldAndATableIsSaidToBeDone(t *testing.T) {
	t.Parallel()
	versions := map[int]int{}
	for n := range 4500 {
		versions[n] = 1
	}
	source, target := &side{}, &side{}
	fill(source, map[string]map[int]int{"users": versions})
	fill(target, nil)
	var got []string
	if _, err := transfer.Copy(t.Context(), source, target, func(table string, rows, written int64, done bool) {
		if table == "users" {
			got = append(got, fmt.Sprint(rows, written, done))
		}
	}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"2000 0 false", "4000 2000 false", "4500 4500 true"}, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestJSONOfTheSameMeaningIsTheSame(t *testing.T) {
	t.Parallel()
	for _, same := range [][]string{
		{`{"a":1,"b":[true,null,"x"]}`, `{ "b": [true, null, "x"],  "a": 1}`}, {`"<>&"`, `"\u003c>&"`}, {`{"n":12345678901234567890}`, `{"n": 12345678901234567890}`},
	} {
		for _, text := range same {
			if got, err := transfer.CanonicalJSON(text); err != nil || got != same[0] {
				t.Errorf("%s is %s, %v", text, got, err)
			}
		}
	}
	if got, err := transfer.CanonicalJSON("{"); err == nil || got != "" {
		t.Errorf("what is no JSON is %q", got)
	}
}
