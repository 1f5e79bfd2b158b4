package keypin

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"
)

// ID is a UUID (RFC 9562). New ones are version 7, so that they sort by the time
// they were made. The zero ID is the nil UUID and names nothing.
type ID [16]byte

var errBadID = errors.New("not a UUID")

// NewID makes a version 7 UUID of now's millisecond and 74 bits of random.
// It fails only when random does.
func NewID(now time.Time, random io.Reader) (ID, error) {
	var id ID
	if _, err := io.ReadFull(random, id[6:]); err != nil {
		return ID{}, fmt.Errorf("reading randomness for an id: %w", err)
	}
	var ms [8]byte
	binary.BigEndian.PutUint64(ms[:], uint64(now.UnixMilli()))
	copy(id[:6], ms[2:])
	id[6] = id[6]&0x0f | 0x70
	id[8] = id[8]&0x3f | 0x80
	return id, nil
}

// ParseID reads the 36-character form 8-4-4-4-12, in either letter case. Any
// version and variant is taken: rows of other systems keep their ids.
func ParseID(s string) (ID, error) {
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return ID{}, errBadID
	}
	var packed [32]byte
	copy(packed[0:], s[0:8])
	copy(packed[8:], s[9:13])
	copy(packed[12:], s[14:18])
	copy(packed[16:], s[19:23])
	copy(packed[20:], s[24:36])
	var id ID
	if _, err := hex.Decode(id[:], packed[:]); err != nil {
		return ID{}, errBadID
	}
	return id, nil
}

// String is the lower-case 36-character form.
func (id ID) String() string {
	var b [36]byte
	return string(id.AppendTo(b[:0]))
}

// AppendTo appends the form of String.
func (id ID) AppendTo(b []byte) []byte {
	b = hex.AppendEncode(b, id[0:4])
	b = hex.AppendEncode(append(b, '-'), id[4:6])
	b = hex.AppendEncode(append(b, '-'), id[6:8])
	b = hex.AppendEncode(append(b, '-'), id[8:10])
	return hex.AppendEncode(append(b, '-'), id[10:16])
}

// IsZero reports whether id is the nil UUID.
func (id ID) IsZero() bool { return id == ID{} }

// MarshalText makes the canonical form.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads what ParseID reads.
func (id *ID) UnmarshalText(b []byte) error {
	parsed, err := ParseID(string(b))
	if err != nil {
		return err
	}
	*id = parsed
	return nil
}
