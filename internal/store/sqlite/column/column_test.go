package column_test

import (
	"database/sql"
	"database/sql/driver"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"github.com/keypin/keypin/internal/store/sqlite/column"
)

func TestWhatAColumnStoresItReadsBack(t *testing.T) {
	for _, c := range []struct {
		value driver.Valuer
		into  sql.Scanner
	}{
		{column.ID{1, 15: 2}, new(column.ID)},
		{column.Hash{1, 31: 2}, new(column.Hash)},
		{column.Time(time.Date(2026, 3, 1, 0, 0, 0, 1000, time.UTC)), new(column.Time)},
		{column.Scopes{"a:b", "c:d"}, new(column.Scopes)},
		{column.Scopes{}, new(column.Scopes)},
		{column.Prefixes{netip.MustParsePrefix("10.0.0.0/8")}, new(column.Prefixes)},
		{column.Prefixes{}, new(column.Prefixes)},
		{column.Metadata{"a": "<é>"}, new(column.Metadata)},
		{column.Metadata{}, new(column.Metadata)},
		{column.Addr(netip.MustParseAddr("::ffff:192.0.2.1")), new(column.Addr)},
		{column.Addr{}, new(column.Addr)},
	} {
		stored, err := c.value.Value()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.into.Scan(stored); err != nil {
			t.Errorf("%T: %v", c.value, err)
		}
		if got := reflect.ValueOf(c.into).Elem().Interface(); !reflect.DeepEqual(got, any(c.value)) {
			t.Errorf("got %#v, want %#v", got, c.value)
		}
	}
}

func TestAColumnRefusesWhatItShouldNotHold(t *testing.T) {
	for _, into := range []sql.Scanner{
		new(column.ID), new(column.Hash), new(column.Time), new(column.Scopes), new(column.Prefixes), new(column.Metadata), new(column.Addr),
	} {
		for _, wrong := range []any{nil, 1.5, "x", []byte("x"), make([]byte, 17), "[1]", `{"a":1}`} {
			if err := into.Scan(wrong); err == nil {
				t.Errorf("%T took %v", into, wrong)
			}
		}
	}
}
