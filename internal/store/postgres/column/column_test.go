package column_test

import (
	"net/netip"
	"reflect"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/keypin/keypin/internal/keypin"
	"github.com/keypin/keypin/internal/store/postgres/column"
)

func TestWhatAColumnStoresItReadsBack(t *testing.T) {
	types := pgtype.NewMap()
	for _, c := range []struct {
		oid         uint32
		value, into any
	}{
		{pgtype.UUIDOID, column.ID{1, 15: 2}, new(column.ID)},
		{pgtype.ByteaOID, column.Hash{1, 31: 2}, new(column.Hash)},
		{pgtype.TimestamptzOID, column.Time(time.Date(2026, 3, 1, 0, 0, 0, 1000, time.UTC)), new(column.Time)},
		{pgtype.TimestamptzOID, column.Time(time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC)), new(column.Time)},
		{pgtype.TextOID, column.Scopes{"a:b", "c:d"}, new(column.Scopes)},
		{pgtype.TextOID, column.Scopes{}, new(column.Scopes)},
		{pgtype.TextOID, column.Prefixes{netip.MustParsePrefix("10.0.0.0/8")}, new(column.Prefixes)},
		{pgtype.TextOID, column.Prefixes{}, new(column.Prefixes)},
		{pgtype.TextOID, column.Metadata{"a": "<é>\x00"}, new(column.Metadata)},
		{pgtype.TextOID, column.Metadata{}, new(column.Metadata)},
		{pgtype.TextOID, column.Addr(netip.MustParseAddr("::ffff:192.0.2.1")), new(column.Addr)},
		{pgtype.TextOID, column.Addr{}, new(column.Addr)},
	} {
		for _, format := range []int16{pgtype.BinaryFormatCode, pgtype.TextFormatCode} {
			stored, err := types.Encode(c.oid, format, c.value, []byte{})
			if err != nil || stored == nil {
				t.Fatalf("%T: %v, %v", c.value, stored, err)
			}
			if err := types.Scan(c.oid, format, stored, c.into); err != nil {
				t.Errorf("%T: %v", c.value, err)
			}
			if got := reflect.ValueOf(c.into).Elem().Interface(); !reflect.DeepEqual(got, c.value) {
				t.Errorf("got %#v, want %#v", got, c.value)
			}
		}
	}
}

func TestATimeIsCutToItsMicrosecond(t *testing.T) {
	for _, at := range []time.Time{time.Unix(1, 1999), time.Unix(-1, 1999)} {
		stored, err := column.Time(at).TimestamptzValue()
		if err != nil || !stored.Time.Equal(keypin.Timestamp(at)) {
			t.Errorf("got %v, %v", stored, err)
		}
	}
}

func TestAColumnRefusesWhatItShouldNotHold(t *testing.T) {
	text := func(s string) pgtype.Text { return pgtype.Text{String: s, Valid: true} }
	for _, err := range []error{
		new(column.ID).ScanUUID(pgtype.UUID{}),
		new(column.Hash).ScanBytes(nil), new(column.Hash).ScanBytes(make([]byte, 31)),
		new(column.Time).ScanTimestamptz(pgtype.Timestamptz{}), new(column.Time).ScanTimestamptz(pgtype.Timestamptz{Valid: true, InfinityModifier: pgtype.Infinity}),
		new(column.Scopes).ScanText(pgtype.Text{}), new(column.Scopes).ScanText(text("{}")), new(column.Prefixes).ScanText(text("[1]")),
		new(column.Metadata).ScanText(text("[]")), new(column.Metadata).ScanText(text(`{"a":1}`)), new(column.Addr).ScanText(text("x")), new(column.Addr).ScanText(pgtype.Text{}),
	} {
		if err == nil {
			t.Error("a wrong form was taken")
		}
	}
}
