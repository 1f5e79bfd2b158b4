package keypin

import (
	"context"
	"time"
)

// Store keeps everything. Its implementations pass storetest.Exercise and
// storetest.Isolation on the real engine.
//
// Every method takes the workspace it may look into, and answers NotFound for a
// row of another one exactly as for a row that does not exist; the exceptions
// (KeyByHash, the user's and the token's look-ups) say so. Errors are *Error:
// CodeNotFound and CodeConflict as each method says, CodeUnavailable when the
// engine cannot be reached or is busy for too long (worth a retry), CodeInternal
// for the rest. No engine's error text is public.
type Store interface {
	Reader

	// Tx runs change in one transaction and returns when the commit is durable. What
	// change returns is returned unchanged, and then nothing of it is kept. change may
	// be run more than once, only uses the Tx that it is given, and does not keep it.
	// Transactions are serialisable: two that change the same rows do not interleave.
	Tx(ctx context.Context, change func(Tx) error) error

	// Ping reports whether the engine answers a query now: nil or CodeUnavailable.
	Ping(ctx context.Context) error

	// Close waits for running transactions and releases the engine.
	Close() error
}

// Reader reads. Outside a transaction each call sees all that was committed before
// it began.
type Reader interface {
	// KeyByHash finds a key of any workspace. A key of a deleted workspace comes with
	// RevokeAt no later than that deletion. CodeNotFound when there is none.
	KeyByHash(ctx context.Context, hash KeyHash) (*APIKey, error)
	// Key finds a key of the workspace. CodeNotFound.
	Key(ctx context.Context, workspace, id ID) (*APIKey, error)
	// Keys lists a page of the workspace's keys and counts all that match.
	Keys(ctx context.Context, workspace ID, query KeyQuery) (KeyPage, error)

	// ChainUsage gives, oldest first, the query's buckets in which the workspace's keys
	// of the chain were used. Another workspace's chain, as one that does not exist, has none.
	ChainUsage(ctx context.Context, workspace, chain ID, query UsageQuery) ([]UsagePoint, error)
	// WorkspaceUsage gives, oldest first, the query's buckets in which the workspace's
	// keys were used.
	WorkspaceUsage(ctx context.Context, workspace ID, query UsageQuery) ([]UsagePoint, error)
	// TopKeys lists the workspace's chains that were used most within the query's time,
	// at most limit of them, the most used first. Chains without a key are left out.
	TopKeys(ctx context.Context, workspace ID, query UsageQuery, limit int) ([]KeyUsage, error)
	// LastUse finds the newest use of a key of the workspace that was accepted.
	// CodeNotFound when it was never used.
	LastUse(ctx context.Context, workspace, key ID) (*LastUse, error)

	// User finds a user of any issuer. CodeNotFound.
	User(ctx context.Context, id ID) (*User, error)
	// UserBySubject finds the user whom issuer calls subject. CodeNotFound.
	UserBySubject(ctx context.Context, issuer, subject string) (*User, error)

	// Workspace finds a workspace that is not deleted. CodeNotFound.
	Workspace(ctx context.Context, id ID) (*Workspace, error)
	// PersonalWorkspace finds the user's own one, not deleted. CodeNotFound.
	PersonalWorkspace(ctx context.Context, user ID) (*Workspace, error)
	// OrgWorkspace finds the one bound to the issuer's organisation, not deleted.
	// CodeNotFound.
	OrgWorkspace(ctx context.Context, issuer, orgID string) (*Workspace, error)
	// WorkspacesOf lists, oldest first, the workspaces that are not deleted and in
	// which the user has a membership that is not removed, and counts them. A
	// MemberIssuer one counts only for the workspace bound to (orgIssuer, orgID).
	WorkspacesOf(ctx context.Context, user ID, orgIssuer, orgID string, page Page) ([]Workspace, int, error)
	// SlugTaken reports whether a workspace that is not deleted has the slug.
	SlugTaken(ctx context.Context, slug string) (bool, error)

	// Member finds a user's membership, a removed one too. CodeNotFound.
	Member(ctx context.Context, workspace, user ID) (*Member, error)
	// MemberByID finds a membership that is not removed, with its user's profile.
	// CodeNotFound.
	MemberByID(ctx context.Context, workspace, id ID) (*Member, error)
	// Members lists, oldest first, the memberships that are not removed, with their
	// users' profiles, and counts them.
	Members(ctx context.Context, workspace ID, page Page) ([]Member, int, error)
	// CountAdmins counts the memberships with RoleAdmin that are not removed.
	CountAdmins(ctx context.Context, workspace ID) (int, error)

	// Invite finds an invite of the workspace, whatever its status. CodeNotFound.
	Invite(ctx context.Context, workspace, id ID) (*Invite, error)
	// InviteByToken finds an invite of any workspace that is not deleted by its
	// token's hash, whatever its status. CodeNotFound.
	InviteByToken(ctx context.Context, tokenHash [32]byte) (*Invite, error)
	// PendingInvites lists, oldest first, the invites that are pending at now, and
	// counts them.
	PendingInvites(ctx context.Context, workspace ID, now time.Time, page Page) ([]Invite, int, error)

	// AuditEntries lists a page of the workspace's audit rows, newest first.
	AuditEntries(ctx context.Context, workspace ID, page Page) ([]AuditEntry, error)

	// PageVotes lists what readers thought of pages of the documentation, newest first, at
	// most limit of them: those made before the vote before, or the newest if that is zero.
	// They are of no workspace, and only the operator is told of them.
	PageVotes(ctx context.Context, before ID, limit int) ([]PageVote, error)
}

// Tx reads and changes inside one transaction. Its reads see its own changes and,
// of what they return, nothing changes under it until it ends.
type Tx interface {
	Reader

	// InsertKey adds a key. CodeConflict when its ID or hash is there.
	InsertKey(ctx context.Context, key *APIKey) error
	// UpdateKey writes every field of the key but ID, WorkspaceID, ChainID, Hash,
	// Prefix, Suffix, Type, CreatedBy, CreatedAt and LastUsedAt. CodeNotFound.
	UpdateKey(ctx context.Context, key *APIKey) error
	// TouchKey makes use the key's last one, and its time LastUsedAt, unless that is as
	// late already. A key that is gone is no error.
	TouchKey(ctx context.Context, use LastUse) error

	// AddUsage adds to the counts of the chains and of their workspaces, and removes a
	// bounded number of buckets that are older than the retention at the newest of the
	// counts. Chains and workspaces that are gone are no error.
	AddUsage(ctx context.Context, counts []UsageCount) error

	// InsertUser adds a user. CodeConflict when (Issuer, Subject) is there.
	InsertUser(ctx context.Context, user *User) error
	// UpdateUser writes the profile: Email, FirstName, LastName, ImageURL. CodeNotFound.
	UpdateUser(ctx context.Context, user *User) error

	// InsertWorkspace adds a workspace. CodeSlugTaken when a workspace that is not
	// deleted has its slug; CodeConflict when the user has an own one already or the
	// organisation is bound already.
	InsertWorkspace(ctx context.Context, workspace *Workspace) error
	// UpdateWorkspace writes Name, Slug, ColorIdx, Settings, UpdatedAt and DeletedAt.
	// CodeNotFound, CodeSlugTaken.
	UpdateWorkspace(ctx context.Context, workspace *Workspace) error

	// InsertMember adds a membership. CodeConflict when the user has one there, a
	// removed one too.
	InsertMember(ctx context.Context, member *Member) error
	// UpdateMember writes Role, Source, IssuerRole, IssuerToldAt, LastActiveAt and
	// RemovedAt. CodeNotFound.
	UpdateMember(ctx context.Context, member *Member) error

	// InsertInvite adds an invite.
	InsertInvite(ctx context.Context, invite *Invite) error
	// UpdateInvite writes Role, AcceptedAt and RevokedAt. CodeNotFound.
	UpdateInvite(ctx context.Context, invite *Invite) error

	// InsertAudit adds an audit row. None is ever changed.
	InsertAudit(ctx context.Context, entry *AuditEntry) error

	// InsertPageVote adds a vote.
	InsertPageVote(ctx context.Context, vote *PageVote) error
	// CommentPageVote adds a comment to a vote on a page that has none yet. CodeNotFound.
	CommentPageVote(ctx context.Context, id ID, page, comment string) error
	// DropPageVotes removes votes beyond the newest keep: the oldest first, and not more than
	// 1000 at once.
	DropPageVotes(ctx context.Context, keep int) error

	// IdempotentAnswer finds the stored answer of an Idempotency-Key whose ExpiresAt
	// is after now. CodeNotFound.
	IdempotentAnswer(ctx context.Context, caller ID, keyHash [32]byte, now time.Time) (*IdempotentAnswer, error)
	// InsertIdempotentAnswer keeps an answer in place of an expired one of the same
	// key, and removes a bounded number of answers that expired before CreatedAt.
	// CodeConflict when one that has not expired is there.
	InsertIdempotentAnswer(ctx context.Context, answer *IdempotentAnswer) error
}

// Page is a part of a list. Offset and Limit are in rows.
type Page struct {
	Offset int // ≥ 0
	Limit  int // 1–100
}

// KeyStatus is a half of the list of keys, or both.
type KeyStatus string

// The halves. Every key is in exactly one of the first two.
const (
	StatusActive  KeyStatus = "active"  // usable
	StatusRevoked KeyStatus = "revoked" // all else
	StatusAll     KeyStatus = "all"
)

// KeySort is an order of the list of keys. Equal rows are ordered newest first.
type KeySort string

// The orders. Keys that were never used come last by SortLastUsed, first by
// SortLeastRecentlyUsed.
const (
	SortNewest            KeySort = "-created_at"
	SortOldest            KeySort = "created_at"
	SortName              KeySort = "name" // by code point, ignoring ASCII case
	SortNameReverse       KeySort = "-name"
	SortLastUsed          KeySort = "-last_used_at"
	SortLeastRecentlyUsed KeySort = "last_used_at"
)

// KeySorts lists the orders that can be asked for.
func KeySorts() []KeySort {
	return []KeySort{SortNewest, SortOldest, SortName, SortNameReverse, SortLastUsed, SortLeastRecentlyUsed}
}

// KeyQuery selects keys of a workspace. Zero fields select nothing away.
type KeyQuery struct {
	Page
	Status    KeyStatus
	Now       time.Time // the instant at which Status is judged
	Text      string    // part of the name (ASCII case ignored), or of the suffix
	Type      KeyType
	Scope     Scope
	CreatedBy *ID
	Sort      KeySort
}

// KeyPage is a page of keys and the number of all that match.
type KeyPage struct {
	Keys  []APIKey
	Total int
}

// AuditEntry says who changed what. It is written in the transaction of the change.
type AuditEntry struct {
	ID          ID
	WorkspaceID ID
	At          time.Time
	ActorKind   AuthKind
	ActorUserID ID
	ActorKeyID  *ID
	Action      string // such as api_key.rotate
	TargetKind  string // such as api_key
	TargetID    ID
	Origin      Origin
	// Before and After are JSON objects without secrets; nil where there is none.
	Before, After []byte
}

// PageVote is what a reader of the documentation thought of a page. It does not tell who
// that was.
type PageVote struct {
	ID      ID
	At      time.Time
	Page    string // its path, such as /docs/quickstart
	Helpful bool
	Comment string // at most MaxVoteComment characters; "" = none
}

const (
	// MaxVoteComment is how many characters a comment on a page has at most.
	MaxVoteComment = 1000
	// MaxPageVotes is about how many votes are kept: the newest.
	MaxPageVotes = 20_000
)

// IdempotentAnswer is the sealed answer of a request that carried an
// Idempotency-Key. Only the key's hash is stored, and only the key opens Sealed.
type IdempotentAnswer struct {
	Caller      ID // the user or the key that asked
	KeyHash     [32]byte
	RequestHash [32]byte // tells the same request from another one
	Sealed      []byte
	CreatedAt   time.Time
	ExpiresAt   time.Time
}

// IdempotencyLifetime is how long an answer can be had again.
const IdempotencyLifetime = 24 * time.Hour

// Invalidator tells every node's cache that keys changed. The control plane calls
// it after the commit and before the answer.
type Invalidator interface {
	// InvalidateKeys drops the keys with the hashes.
	InvalidateKeys(ctx context.Context, hashes []KeyHash) error
	// InvalidateWorkspace drops every key of the workspace.
	InvalidateWorkspace(ctx context.Context, workspace ID) error
}

// Follower is told of the changes that are made on every node, this one among them. A
// change may be told more than once.
type Follower interface {
	Invalidator
	// InvalidateAll drops everything: changes may have been missed.
	InvalidateAll(ctx context.Context) error
}
