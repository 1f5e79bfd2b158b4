// Package column holds the Go types of the PostgreSQL tables' columns. They refuse,
// when a row is read, what the column should never hold.
package column

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/keypin/keypin/internal/keypin"
)

var errWrongForm = errors.New("the column holds another form of value than its table says")

// ID is a UUID.
type ID keypin.ID

// UUIDValue gives the 16 bytes.
func (id ID) UUIDValue() (pgtype.UUID, error) { return pgtype.UUID{Bytes: id, Valid: true}, nil }

// ScanUUID reads the 16 bytes.
func (id *ID) ScanUUID(v pgtype.UUID) error {
	if !v.Valid {
		return errWrongForm
	}
	*id = v.Bytes
	return nil
}

// Hash is a SHA-256, stored as its 32 bytes.
type Hash [32]byte

// BytesValue gives the 32 bytes.
func (h Hash) BytesValue() ([]byte, error) { return h[:], nil }

// ScanBytes reads exactly 32 bytes.
func (h *Hash) ScanBytes(v []byte) error {
	if len(v) != len(h) {
		return errWrongForm
	}
	copy(h[:], v)
	return nil
}

// Time is an instant, stored with its microseconds. What is finer is cut off.
type Time time.Time

// TimestamptzValue gives the instant.
func (t Time) TimestamptzValue() (pgtype.Timestamptz, error) {
	return pgtype.Timestamptz{Time: time.UnixMicro(time.Time(t).UnixMicro()), Valid: true}, nil
}

// ScanTimestamptz reads a time in UTC.
func (t *Time) ScanTimestamptz(v pgtype.Timestamptz) error {
	if !v.Valid || v.InfinityModifier != pgtype.Finite {
		return errWrongForm
	}
	*t = Time(v.Time.UTC())
	return nil
}

// Scopes is a JSON array. It reads back empty, never nil.
type Scopes []keypin.Scope

// TextValue gives the array.
func (s Scopes) TextValue() (pgtype.Text, error) {
	if len(s) == 0 {
		return text("[]")
	}
	return marshal([]keypin.Scope(s))
}

// ScanText reads the array.
func (s *Scopes) ScanText(v pgtype.Text) error { return unmarshal(v, (*[]keypin.Scope)(s)) }

// Prefixes is a JSON array of CIDR ranges. It reads back empty, never nil.
type Prefixes []netip.Prefix

// TextValue gives the array.
func (p Prefixes) TextValue() (pgtype.Text, error) {
	if len(p) == 0 {
		return text("[]")
	}
	return marshal([]netip.Prefix(p))
}

// ScanText reads the array.
func (p *Prefixes) ScanText(v pgtype.Text) error { return unmarshal(v, (*[]netip.Prefix)(p)) }

// Metadata is a JSON object of strings. It reads back empty, never nil.
type Metadata map[string]string

// TextValue gives the object.
func (m Metadata) TextValue() (pgtype.Text, error) {
	if len(m) == 0 {
		return text("{}")
	}
	return marshal(map[string]string(m))
}

// ScanText reads the object.
func (m *Metadata) ScanText(v pgtype.Text) error { return unmarshal(v, (*map[string]string)(m)) }

// Addr is an IP address, stored as text; the zero Addr as "".
type Addr netip.Addr

// TextValue gives the text.
func (a Addr) TextValue() (pgtype.Text, error) {
	if !netip.Addr(a).IsValid() {
		return text("")
	}
	return text(netip.Addr(a).String())
}

// ScanText reads the text.
func (a *Addr) ScanText(v pgtype.Text) error {
	if !v.Valid {
		return errWrongForm
	}
	return (*netip.Addr)(a).UnmarshalText([]byte(v.String))
}

func text(s string) (pgtype.Text, error) { return pgtype.Text{String: s, Valid: true}, nil }

func marshal(v any) (pgtype.Text, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return pgtype.Text{}, fmt.Errorf("encoding a JSON column: %w", err)
	}
	return text(string(b))
}

func unmarshal(v pgtype.Text, dst any) error {
	if !v.Valid {
		return errWrongForm
	}
	if err := json.Unmarshal([]byte(v.String), dst); err != nil {
		return fmt.Errorf("decoding a JSON column: %w", err)
	}
	return nil
}
