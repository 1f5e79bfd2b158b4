package keypin

import (
	"fmt"
	"net/netip"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// KeyType says what a key is for.
type KeyType string

// The types of key. `public` is reserved and refused.
const (
	KeyLive     KeyType = "live"
	KeyTest     KeyType = "test"
	KeyReadOnly KeyType = "read-only"
)

// KeyTypes lists the types that can be asked for.
func KeyTypes() []KeyType { return []KeyType{KeyLive, KeyTest, KeyReadOnly} }

// DefaultPrefix is the prefix of a key whose caller asked for none: the
// deployment's brand and a word for the type, such as op_live.
func (t KeyType) DefaultPrefix(brand string) string {
	switch t {
	case KeyTest:
		return brand + "_test"
	case KeyReadOnly:
		return brand + "_read"
	default:
		return brand + "_live"
	}
}

// KeyHash is the SHA-256 of a key's plaintext: what is stored instead of it.
type KeyHash [32]byte

// APIKey is one key as it is stored. The plaintext is not part of it.
type APIKey struct {
	ID          ID
	WorkspaceID ID
	// ChainID is the ID of the first key of the chain of rotations that this key
	// belongs to (its own when it was never rotated). Limits, quotas and usage are
	// counted under it, so that rotating refills nothing.
	ChainID   ID
	CreatedBy *ID // nil when that user was deleted
	Name      string
	Type      KeyType
	Prefix    string // without the underscore that follows it
	Suffix    string // the last 6 characters of the plaintext
	Hash      KeyHash
	Scopes    []Scope // in registry order, without duplicates
	Active    bool    // false = suspended, which can be undone
	// RevokeAt is the instant from which the key is revoked for good; nil while
	// nobody revoked it. It lies in the future during the grace of a rotation. Once
	// set it only ever moves earlier.
	RevokeAt    *time.Time
	ExpiresAt   *time.Time
	RateLimit   *int // admissions in any 60 s; nil = the service's default
	AllowedIPs  []netip.Prefix
	Metadata    map[string]string
	RotatedFrom *ID
	RotatedTo   *ID
	LastUsedAt  *time.Time
	CreatedAt   time.Time
	UpdatedAt   time.Time // moves on every change made through the API, not on use
	// Version counts the changes made through the API, from 1.
	Version int64
}

// KeyState is what a key can be at one instant. It is in exactly one.
type KeyState string

// The states, and what undoes them.
const (
	KeyUsable    KeyState = "usable"
	KeyRevoked   KeyState = "revoked"   // final
	KeySuspended KeyState = "suspended" // undone by active: true
	KeyExpired   KeyState = "expired"   // undone by moving expires_at
)

// State is the key's state at now. A revoked key is revoked whatever else it is,
// and a suspended one is suspended even when it has expired.
//
// A key that was revoked by its last change, not by the end of a grace, is revoked
// at any now: a clock that is set back, or another node's slow one, revives nothing.
func (k *APIKey) State(now time.Time) KeyState { return k.Life().State(now) }

// Life is the part of a key that its state depends on.
type Life struct {
	Active              bool
	RevokeAt, ExpiresAt *time.Time
	UpdatedAt           time.Time
}

// Life is the part that State looks at.
func (k *APIKey) Life() Life {
	return Life{Active: k.Active, RevokeAt: k.RevokeAt, ExpiresAt: k.ExpiresAt, UpdatedAt: k.UpdatedAt}
}

// State is what APIKey.State says.
func (l Life) State(now time.Time) KeyState {
	switch {
	case l.RevokeAt != nil && (!l.RevokeAt.After(now) || !l.RevokeAt.After(l.UpdatedAt)):
		return KeyRevoked
	case !l.Active:
		return KeySuspended
	case l.ExpiresAt != nil && !l.ExpiresAt.After(now):
		return KeyExpired
	default:
		return KeyUsable
	}
}

// LapsesAt is the instant from which the key is usable no more; nil when there is none,
// of a suspended key, and of one that is revoked at any instant.
func (l Life) LapsesAt() *time.Time {
	earliest := l.ExpiresAt
	if earliest == nil || l.RevokeAt != nil && l.RevokeAt.Before(*earliest) {
		earliest = l.RevokeAt
	}
	if !l.Active || l.RevokeAt != nil && !l.RevokeAt.After(l.UpdatedAt) {
		return nil
	}
	return earliest
}

// EndWith revokes the key of a workspace that was deleted, as if the deletion had been a
// change of the key: so that it is revoked whatever a clock says.
func (k *APIKey) EndWith(deleted time.Time) {
	k.Active = false
	if k.RevokeAt == nil || k.RevokeAt.After(deleted) {
		k.RevokeAt = &deleted
	}
	if k.UpdatedAt.Before(*k.RevokeAt) {
		k.UpdatedAt = *k.RevokeAt
	}
}

// Preview shows which key it is without showing the key.
func (k *APIKey) Preview() string { return k.Prefix + "-xxxxxx-" + k.Suffix }

// AllowsIP reports whether a key with these allowed ranges may be used from ip. An
// empty list allows any address; a non-empty one allows no unknown (zero) address.
func AllowsIP(ranges []netip.Prefix, ip netip.Addr) bool {
	if len(ranges) == 0 {
		return true
	}
	ip = ip.Unmap()
	for _, p := range ranges {
		if p.Contains(ip) {
			return true
		}
	}
	return false
}

// AllowsIP reports whether the key may be used from ip.
func (k *APIKey) AllowsIP(ip netip.Addr) bool { return AllowsIP(k.AllowedIPs, ip) }

// Bounds of a key's fields.
const (
	MaxNameLength       = 120       // code points
	MaxRateLimit        = 1_000_000 // per minute
	MaxAllowedIPs       = 64
	MaxMetadataPairs    = 32
	MaxMetadataKey      = 64  // code points
	MaxMetadataValue    = 256 // code points
	MaxGrace            = 604800 * time.Second
	keyPrefixExpression = `^[a-z][a-z0-9]{1,15}(_[a-z0-9]{1,15}){0,2}$`
)

var keyPrefixForm = regexp.MustCompile(keyPrefixExpression)

// ParseText trims the spaces around s and checks that 1 to longest code points
// without a control character remain. The error says what would be right and does
// not repeat s.
func ParseText(s string, longest int) (string, error) {
	s = strings.TrimFunc(s, func(r rune) bool { return unicode.IsSpace(r) && !unicode.IsControl(r) })
	n := utf8.RuneCountInString(s)
	if n < 1 || n > longest || !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) {
		return "", fmt.Errorf("must be 1 to %d characters after trimming, without control characters", longest)
	}
	return s, nil
}

// ParseKeyName checks a key's name.
func ParseKeyName(s string) (string, error) { return ParseText(s, MaxNameLength) }

// ParseKeyPrefix checks a prefix that a caller asks for.
func ParseKeyPrefix(s string) (string, error) {
	if !keyPrefixForm.MatchString(s) {
		return "", fmt.Errorf("must match %s", keyPrefixExpression)
	}
	return s, nil
}

// ParseKeyType checks a key type.
func ParseKeyType(s string) (KeyType, error) {
	for _, t := range KeyTypes() {
		if s == string(t) {
			return t, nil
		}
	}
	return "", fmt.Errorf("must be live, test or read-only (public is reserved)")
}

// CheckRateLimit checks a limit per minute.
func CheckRateLimit(n int64) error {
	if n < 1 || n > MaxRateLimit {
		return fmt.Errorf("must be a whole number from 1 to %d", MaxRateLimit)
	}
	return nil
}

// CheckScopesForType tells which of scopes a key of type t must not hold.
func CheckScopesForType(t KeyType, scopes []Scope) (refused []Scope) {
	if t != KeyReadOnly {
		return nil
	}
	for _, s := range scopes {
		if !s.ReadOnly() {
			refused = append(refused, s)
		}
	}
	return refused
}

// ParseAddressRange reads an address or a CIDR range. An IPv4 address inside IPv6
// is read as IPv4; a zone, and bits set beyond the range's length, are refused.
func ParseAddressRange(s string) (netip.Prefix, error) {
	err := fmt.Errorf("must be an IP address or a CIDR range such as 203.0.113.0/24")
	if len(s) > 64 {
		return netip.Prefix{}, err
	}
	if a, perr := netip.ParseAddr(s); perr == nil {
		if a.Zone() != "" {
			return netip.Prefix{}, err
		}
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, perr := netip.ParsePrefix(s)
	if perr != nil || p.Addr().Is4In6() {
		return netip.Prefix{}, err
	}
	if p != p.Masked() {
		return netip.Prefix{}, fmt.Errorf("has bits set beyond the length of its range; clear them, as in 203.0.113.0/24")
	}
	return p, nil
}

// FormatAddressRange prints what ParseAddressRange reads, a range of one address
// as that address.
func FormatAddressRange(p netip.Prefix) string {
	if p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.String()
}
