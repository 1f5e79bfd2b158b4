package authn

import (
	"encoding/json"
	"net/url"
	"strings"

	"github.com/keypin/keypin/internal/keypin"
	"github.com/keypin/keypin/internal/token"
)

const (
	maxPersonName = 200 // code points
	maxPicture    = 1024
	maxOrg        = 255 // bytes, of an organisation's id, slug or role
)

// identity reads who the bearer is. The claims have been verified.
func (t *parsedToken) identity(i Issuer) (*keypin.Identity, error) {
	org, err := t.org(i.Kind)
	if err != nil {
		return nil, err
	}
	sub, _ := t.claims["sub"].(string)
	iat, _ := numericDate(t.claims["iat"])
	email, unverified := t.email()
	return &keypin.Identity{
		Issuer:          i.Issuer,
		Subject:         sub,
		IssuedAt:        keypin.Timestamp(iat),
		Email:           email,
		EmailUnverified: unverified,
		FirstName:       t.personName("given_name"),
		LastName:        t.personName("family_name"),
		ImageURL:        t.picture(),
		Org:             org,
	}, nil
}

// org reads the organisation in either of Clerk's claim versions. Of a plain OIDC
// issuer, which owes us no such claims, one that is not of these forms is ignored.
func (t *parsedToken) org(kind Kind) (*keypin.Org, error) {
	org, err := t.readOrg(kind)
	if err != nil && kind == KindOIDC {
		return nil, nil
	}
	return org, err
}

func (t *parsedToken) readOrg(kind Kind) (*keypin.Org, error) {
	var id, slug, role any
	switch version, there := t.claims["v"]; {
	case !there || version == json.Number("1"):
		id, slug, role = t.claims["org_id"], t.claims["org_slug"], t.claims["org_role"]
		if id == nil {
			return nil, nil
		}
	case version == json.Number("2"):
		if t.claims["o"] == nil {
			return nil, nil
		}
		o, ok := t.claims["o"].(map[string]any)
		if !ok {
			return nil, refuseOrg
		}
		id, slug, role = o["id"], o["slg"], o["rol"]
	default:
		return nil, refuseOrgVersion
	}
	if !wellFormed(id, maxOrg) || !wellFormed(role, maxOrg) {
		return nil, refuseOrg
	}
	org := &keypin.Org{}
	org.ID, _ = id.(string)
	if s, _ := slug.(string); wellFormed(slug, maxOrg) && !token.Contains(s) {
		org.Slug = s
	}
	name, _ := role.(string)
	org.Role = translateRole(kind, name)
	return org, nil
}

// translateRole maps an issuer's role to ours. The local issuer's are ours; of any
// other, only admin, with or without Clerk's `org:`, is more than an editor.
func translateRole(kind Kind, role string) keypin.Role {
	if kind == kindLocal {
		if r, err := keypin.ParseRole(role); err == nil {
			return r
		}
		return keypin.RoleViewer
	}
	if strings.TrimPrefix(role, "org:") == "admin" {
		return keypin.RoleAdmin
	}
	return keypin.RoleEditor
}

// email is "" unless it is well-formed and the issuer does not say that it is
// unverified (some say so with a string), which the second result tells.
func (t *parsedToken) email() (email string, unverified bool) {
	s, _ := t.claims["email"].(string)
	email, err := keypin.ParseEmail(s)
	if err != nil || token.Contains(s) {
		return "", false
	}
	switch t.claims["email_verified"] {
	case nil, true, "true":
		return email, false
	default:
		return "", true
	}
}

// personName is "" unless it is text that people may read: an API key is not.
func (t *parsedToken) personName(claim string) string {
	s, _ := t.claims[claim].(string)
	name, err := keypin.ParseText(s, maxPersonName)
	if err != nil || token.Contains(s) {
		return ""
	}
	return name
}

func (t *parsedToken) picture() string {
	if !wellFormed(t.claims["picture"], maxPicture) {
		return ""
	}
	s, _ := t.claims["picture"].(string)
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil || token.Contains(s) {
		return ""
	}
	return s
}
