package keypin

import (
	"net/netip"
	"time"
)

// Identity is what a session token says of its bearer, after every check passed.
type Identity struct {
	Issuer   string
	Subject  string
	IssuedAt time.Time // the token's iat
	Email    string    // "" when the token does not tell, or tells that it is not verified
	// EmailUnverified says that the token told an address and that nobody has checked
	// that it is the bearer's.
	EmailUnverified bool
	FirstName       string
	LastName        string
	ImageURL        string
	Org             *Org
}

// Org is the organisation that a session token is bound to.
type Org struct {
	ID   string
	Slug string
	Name string // "" when the token does not tell
	Role Role   // the issuer's role, translated
}

// AuthKind says how a caller proved who it is. Its values are OnePin's: `clerk`
// stands for a session of any issuer.
type AuthKind string

// The kinds of caller.
const (
	AuthSession AuthKind = "clerk"
	AuthAPIKey  AuthKind = "api_key"
)

// Principal is an authenticated caller, before a workspace is chosen.
type Principal struct {
	Kind AuthKind
	// UserID is the session's user, or the user who created the key; the nil UUID
	// when that user was deleted.
	UserID ID
	// Key is the calling key, nil for a session.
	Key *APIKey
	// Identity is the session's, nil for a key.
	Identity *Identity
}

// Origin is where a request came from, for the audit row.
type Origin struct {
	RequestID string
	IP        netip.Addr // zero when not known
	UserAgent string     // with anything that looks like a key removed
}
