package admin

import (
	"net/netip"
	"time"

	"github.com/keypin/keypin/internal/keypin"
)

// Call is what a use case knows of its caller.
type Call struct {
	Principal *keypin.Principal
	// Workspace is the one that the caller named (X-Workspace-Id or the path); nil
	// means the caller's own: a key's, the session's organisation's, or the user's.
	Workspace *keypin.ID
	Origin    keypin.Origin
	// IdempotencyKey makes the change repeatable for 24 h; zero when not given.
	IdempotencyKey keypin.Secret
	// IfVersion refuses a change unless the key's Version is one of these
	// (CodePreconditionFailed); nil = not asked.
	IfVersion []int64
}

// WhoAmI is the caller as the service sees it.
type WhoAmI struct {
	Kind        keypin.AuthKind
	UserID      keypin.ID
	WorkspaceID keypin.ID
	KeyID       *keypin.ID     // nil for a session
	Scopes      []keypin.Scope // sorted by name; none for a session, whose role decides
	Role        keypin.Role    // "" for a key
}

// NewKey is what a caller asks for. Its fields are parsed already; zero fields
// take the defaults.
type NewKey struct {
	Name       string
	Type       keypin.KeyType // "" = live
	Prefix     string         // "" = by type
	Scopes     []keypin.Scope // normalised
	RateLimit  *int
	ExpiresAt  *time.Time // later than now, which CreateKey judges: a replay may come after it
	AllowedIPs []netip.Prefix
	Metadata   map[string]string
}

// Issued is a new key and, for this once, its plaintext.
type Issued struct {
	Key    keypin.APIKey
	Secret keypin.Secret
	// At is the instant that the answer describes, earlier than now when Replayed.
	At       time.Time
	Replayed bool // answered from a stored answer
}

// KeyPatch changes the fields that are not nil. The pointers to pointers clear
// their field when they hold nil.
type KeyPatch struct {
	Name       *string
	Scopes     *[]keypin.Scope // normalised; replaces the whole list
	Active     *bool
	RateLimit  **int
	ExpiresAt  **time.Time // later than now when set, which UpdateKey judges
	AllowedIPs *[]netip.Prefix
	Metadata   *map[string]string
}

// Rotation says how a key is replaced.
type Rotation struct {
	// Grace lets the old secret work for so long, up to keypin.MaxGrace; 0 = revoked at once.
	Grace time.Duration
	// ExpiresAt is the new key's: nil keeps the old key's, a pointer to nil clears it.
	// RotateKey judges that it is later than now.
	ExpiresAt **time.Time
}

// Rotated is both ends of a rotation.
type Rotated struct {
	Old keypin.APIKey
	New Issued
}

// NewWorkspace is what a caller asks for; parsed already.
type NewWorkspace struct {
	Name     string
	Slug     string // "" = made of the name, with a number behind it when taken
	ColorIdx int
}

// WorkspacePatch changes the fields that are not nil.
type WorkspacePatch struct {
	Name     *string
	Slug     *string
	ColorIdx *int
}

// SettingsPatch changes the fields that are not nil; a pointer to "" clears one.
type SettingsPatch struct {
	DefaultLanguage *string
	Theme           *string
}

// MemberEntry is a row of the list of members: a member, or a pending invite.
type MemberEntry struct {
	Member *keypin.Member
	Invite *keypin.Invite
}

// Invited is a new invite and, for this once, its token.
type Invited struct {
	Invite   keypin.Invite
	Token    keypin.Secret
	At       time.Time
	Replayed bool
}

// CreatedWorkspace is a new workspace.
type CreatedWorkspace struct {
	Workspace keypin.Workspace
	Replayed  bool
}
