package keypin

import (
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"
)

// Role is what a member may do in a workspace.
type Role string

// The roles, strongest first.
const (
	RoleAdmin  Role = "admin"
	RoleEditor Role = "editor"
	RoleViewer Role = "viewer"
)

// ParseRole checks a role's name.
func ParseRole(s string) (Role, error) {
	switch r := Role(s); r {
	case RoleAdmin, RoleEditor, RoleViewer:
		return r, nil
	}
	return "", fmt.Errorf("must be admin, editor or viewer")
}

// User is a person that an issuer vouched for, made on first sight of
// (Issuer, Subject).
type User struct {
	ID        ID
	Issuer    string
	Subject   string
	Email     string // "" when the issuer does not tell
	FirstName string
	LastName  string
	ImageURL  string
	CreatedAt time.Time
}

// Workspace owns keys and has members.
type Workspace struct {
	ID        ID
	Name      string // 1–200 code points
	Slug      string // 1–50, kebab case, unique
	ColorIdx  int    // 0–6
	CreatedBy ID
	// PersonalOf is the user whose own workspace this is; nil for any other.
	PersonalOf *ID
	// OrgIssuer and OrgID bind the workspace to an organisation of an issuer; both
	// are "" for any other.
	OrgIssuer string
	OrgID     string
	Settings  Settings
	CreatedAt time.Time
	UpdatedAt time.Time
	DeletedAt *time.Time
}

// Settings are the defaults that every member of a workspace sees.
type Settings struct {
	DefaultLanguage string // "" = not set
	Theme           string // "" = not set
}

// MemberSource says who decides a membership.
type MemberSource string

// The sources. An issuer's membership holds only for session tokens that name the
// workspace's organisation, so that who leaves it there is out here.
const (
	MemberLocal  MemberSource = "local"
	MemberIssuer MemberSource = "issuer"
)

// Member is a user's place in a workspace.
type Member struct {
	ID          ID
	WorkspaceID ID
	UserID      ID
	Role        Role
	Source      MemberSource
	// IssuerRole is the role that the issuer last told for a MemberIssuer; the
	// Role follows it when it changes, and is ours to change in between.
	IssuerRole Role
	// IssuerToldAt is when the role was last settled: the iat of the token that told
	// IssuerRole, or a later change or removal made here. A token not issued after it says
	// nothing about the role. nil while no token ever told one.
	IssuerToldAt *time.Time
	LastActiveAt *time.Time
	CreatedAt    time.Time
	// RemovedAt keeps the row of a removed member of an organisation, so that the
	// next session token does not bring them back.
	RemovedAt *time.Time

	// Of the user, filled by the lists.
	Email, FirstName, LastName, ImageURL string
}

// InviteStatus is what became of an invite.
type InviteStatus string

// The statuses of an invite.
const (
	InvitePending  InviteStatus = "pending"
	InviteAccepted InviteStatus = "accepted"
	InviteRevoked  InviteStatus = "revoked"
	InviteExpired  InviteStatus = "expired"
)

// InviteLifetime is how long an invite can be accepted.
const InviteLifetime = 14 * 24 * time.Hour

// Invite lets whoever holds its token join a workspace. The token is stored as
// its SHA-256.
type Invite struct {
	ID          ID
	WorkspaceID ID
	Email       string
	Role        Role
	TokenHash   [32]byte
	InvitedBy   ID
	CreatedAt   time.Time
	ExpiresAt   time.Time
	AcceptedAt  *time.Time
	RevokedAt   *time.Time
}

// Status is the invite's status at now.
func (i *Invite) Status(now time.Time) InviteStatus {
	switch {
	case i.AcceptedAt != nil:
		return InviteAccepted
	case i.RevokedAt != nil:
		return InviteRevoked
	case !i.ExpiresAt.After(now):
		return InviteExpired
	default:
		return InvitePending
	}
}

// Bounds of a workspace's fields.
const (
	MaxWorkspaceName = 200
	MaxSlug          = 50
	MaxColorIdx      = 6
	slugExpression   = `^[a-z0-9]+(-[a-z0-9]+)*$`
)

var (
	slugForm     = regexp.MustCompile(slugExpression)
	languageForm = regexp.MustCompile(`^[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}$`)
	emailForm    = regexp.MustCompile(`^[A-Za-z0-9.!#$%&'*+/=?^_` + "`" + `{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$`)
)

// ParseWorkspaceName checks a workspace's name.
func ParseWorkspaceName(s string) (string, error) { return ParseText(s, MaxWorkspaceName) }

// ParseSlug checks a slug.
func ParseSlug(s string) (string, error) {
	if len(s) > MaxSlug || !slugForm.MatchString(s) {
		return "", fmt.Errorf("must be 1 to %d characters of lower-case letters, digits and single hyphens between them", MaxSlug)
	}
	return s, nil
}

// SlugOf makes a slug of a name; "workspace" when nothing of the name can stay.
func SlugOf(name string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(name) {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
		if b.Len() >= 40 {
			break
		}
	}
	if s := strings.Trim(b.String(), "-"); s != "" {
		return s
	}
	return "workspace"
}

// CheckColorIdx checks a workspace's colour.
func CheckColorIdx(n int64) error {
	if n < 0 || n > MaxColorIdx {
		return fmt.Errorf("must be a whole number from 0 to %d", MaxColorIdx)
	}
	return nil
}

// ParseEmail checks the form of an address (that of HTML's e-mail input) and
// lower-cases it, so that it can be compared.
func ParseEmail(s string) (string, error) {
	if utf8.RuneCountInString(s) > 254 || !emailForm.MatchString(s) {
		return "", fmt.Errorf("must be an e-mail address of at most 254 characters")
	}
	return strings.ToLower(s), nil
}

// ParseLanguage checks a language tag (BCP 47, the common forms).
func ParseLanguage(s string) (string, error) {
	if !languageForm.MatchString(s) {
		return "", fmt.Errorf("must be a language tag such as en or pt-BR")
	}
	return s, nil
}

// ParseTheme checks a theme's name.
func ParseTheme(s string) (string, error) {
	switch s {
	case "light", "dark", "system":
		return s, nil
	}
	return "", fmt.Errorf("must be light, dark or system")
}
