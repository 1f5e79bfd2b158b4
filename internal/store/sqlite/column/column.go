// Package column holds the Go types of the SQLite tables' columns. They refuse,
// when a row is read, what the column should never hold.
package column

import (
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/keypin/keypin/internal/keypin"
)

// ID is a UUID, stored as its 16 bytes.
type ID keypin.ID

// Value stores the 16 bytes.
func (id ID) Value() (driver.Value, error) { return id[:], nil }

// Scan reads exactly 16 bytes.
func (id *ID) Scan(src any) error { return scanBytes(id[:], src) }

// Hash is a SHA-256, stored as its 32 bytes.
type Hash [32]byte

// Value stores the 32 bytes.
func (h Hash) Value() (driver.Value, error) { return h[:], nil }

// Scan reads exactly 32 bytes.
func (h *Hash) Scan(src any) error { return scanBytes(h[:], src) }

// Time is an instant, stored as microseconds since 1970. What is finer is cut off.
type Time time.Time

// Value stores the microseconds.
func (t Time) Value() (driver.Value, error) { return time.Time(t).UnixMicro(), nil }

// Scan reads microseconds into a time in UTC.
func (t *Time) Scan(src any) error {
	micros, ok := src.(int64)
	if !ok {
		return errWrongForm
	}
	*t = Time(time.UnixMicro(micros).UTC())
	return nil
}

// Scopes is a JSON array. It reads back empty, never nil.
type Scopes []keypin.Scope

// Value stores the array.
func (s Scopes) Value() (driver.Value, error) {
	if len(s) == 0 {
		return "[]", nil
	}
	return marshal([]keypin.Scope(s))
}

// Scan reads the array.
func (s *Scopes) Scan(src any) error { return unmarshal(src, (*[]keypin.Scope)(s)) }

// Prefixes is a JSON array of CIDR ranges. It reads back empty, never nil.
type Prefixes []netip.Prefix

// Value stores the array.
func (p Prefixes) Value() (driver.Value, error) {
	if len(p) == 0 {
		return "[]", nil
	}
	return marshal([]netip.Prefix(p))
}

// Scan reads the array.
func (p *Prefixes) Scan(src any) error { return unmarshal(src, (*[]netip.Prefix)(p)) }

// Metadata is a JSON object of strings. It reads back empty, never nil.
type Metadata map[string]string

// Value stores the object.
func (m Metadata) Value() (driver.Value, error) {
	if len(m) == 0 {
		return "{}", nil
	}
	return marshal(map[string]string(m))
}

// Scan reads the object.
func (m *Metadata) Scan(src any) error { return unmarshal(src, (*map[string]string)(m)) }

// Addr is an IP address, stored as text; the zero Addr as "".
type Addr netip.Addr

// Value stores the text.
func (a Addr) Value() (driver.Value, error) {
	if !netip.Addr(a).IsValid() {
		return "", nil
	}
	return netip.Addr(a).String(), nil
}

// Scan reads the text.
func (a *Addr) Scan(src any) error {
	s, ok := src.(string)
	if !ok {
		return errWrongForm
	}
	return (*netip.Addr)(a).UnmarshalText([]byte(s))
}

var errWrongForm = errors.New("the column holds another form of value than its table says")

func scanBytes(dst []byte, src any) error {
	b, ok := src.([]byte)
	if !ok || len(b) != len(dst) {
		return errWrongForm
	}
	copy(dst, b)
	return nil
}

func marshal(v any) (driver.Value, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encoding a JSON column: %w", err)
	}
	return string(b), nil
}

func unmarshal(src, dst any) error {
	s, ok := src.(string)
	if !ok {
		return errWrongForm
	}
	if err := json.Unmarshal([]byte(s), dst); err != nil {
		return fmt.Errorf("decoding a JSON column: %w", err)
	}
	return nil
}
