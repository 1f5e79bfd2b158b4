package authn

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/golang-jwt/jwt/v5"
)

// Kind says whose rules an issuer's tokens follow.
type Kind string

// The kinds of issuer that can be configured.
const (
	KindClerk Kind = "clerk"
	KindOIDC  Kind = "oidc"

	kindLocal Kind = "local"
)

// Issuer is one issuer whose session tokens are trusted.
type Issuer struct {
	// Issuer is the exact `iss` of its tokens: an https URL (http only for a loopback
	// host) without a query or fragment.
	Issuer string
	Kind   Kind
	// JWKSURL is where its keys are. "" = for Clerk the issuer's
	// /.well-known/jwks.json; for OIDC the jwks_uri of its
	// /.well-known/openid-configuration, whose `issuer` must be equal to Issuer.
	JWKSURL string
	// Audiences, if any: a token's `aud` must hold one of them.
	Audiences []string
	// AuthorizedParties, if any: a token's `azp` must be one of them.
	AuthorizedParties []string
	// Algorithms are those that its tokens may be signed with, of RS, PS and ES with
	// 256, 384 and 512, and EdDSA. None = RS256, ES256 and EdDSA.
	Algorithms []string
}

// Validate tells everything that is wrong with i, one line each: the field, what
// is wrong and what would be right.
func (i Issuer) Validate() error { return errors.Join(i.faults()...) }

func (i Issuer) faults() []error {
	var faults []error
	add := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }

	if err := checkURL(i.Issuer, true); err != nil {
		add("issuer: %w", err)
	} else if strings.ContainsAny(i.Issuer, "?#") {
		add("issuer: has a query or a fragment; it must be exactly the `iss` of the issuer's tokens, such as https://clerk.example.com")
	}
	if i.Kind != KindClerk && i.Kind != KindOIDC {
		add("kind: is neither of the known ones; it must be clerk or oidc")
	}
	if i.JWKSURL != "" {
		if err := checkURL(i.JWKSURL, true); err != nil {
			add("jwks_url: %w", err)
		}
	}
	if slices.Contains(i.Audiences, "") {
		add("audiences: holds an empty one; leave it out, or leave the list empty to take any audience")
	}
	for _, party := range i.AuthorizedParties {
		if party == "" || i.Kind == KindClerk && strings.HasSuffix(party, "/") {
			add("authorized_parties: each must be the `azp` as the issuer writes it; Clerk's are origins without a trailing slash, such as https://app.example.com")
			break
		}
	}
	for _, alg := range i.Algorithms {
		if signingMethod(alg) == nil {
			add("algorithms: holds an unknown or symmetric one; each must be one of %s", strings.Join(algorithms(), ", "))
			break
		}
	}
	return faults
}

// checkURL wants an absolute https URL with a host and without user information;
// with loopback also http, if the host is a loopback one.
func checkURL(s string, loopback bool) error {
	u, err := url.Parse(s)
	if err != nil || u.Hostname() == "" || u.Opaque != "" {
		return errors.New("is not an absolute URL; it must be one such as https://clerk.example.com")
	}
	if u.User != nil {
		return errors.New("holds a user name or password; leave them out")
	}
	if u.Scheme == "https" || u.Scheme == "http" && loopback && isLoopback(u.Hostname()) {
		return nil
	}
	return errors.New("is not https; it must be, unless the host is a loopback one such as 127.0.0.1")
}

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

// keysURL is where to fetch the keys from; "" = ask the discovery document.
func (i Issuer) keysURL() string {
	if i.JWKSURL == "" && i.Kind == KindClerk {
		return strings.TrimSuffix(i.Issuer, "/") + "/.well-known/jwks.json"
	}
	return i.JWKSURL
}

// discoveryURL is OpenID Connect Discovery 1.0, section 4: a slash that ends the
// issuer is not doubled.
func (i Issuer) discoveryURL() string {
	return strings.TrimSuffix(i.Issuer, "/") + "/.well-known/openid-configuration"
}

// algorithms lists what a session token may be signed with: JWA's asymmetric
// algorithms. There is no way to configure `none` or an HMAC.
func algorithms() []string {
	return []string{
		"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
	}
}

func defaultAlgorithms() []string { return []string{"RS256", "ES256", "EdDSA"} }

// signingMethod is nil for every algorithm that is not in the list, whatever else
// is registered with the JWT library. Names are compared exactly.
func signingMethod(alg string) jwt.SigningMethod {
	if !slices.Contains(algorithms(), alg) {
		return nil
	}
	return jwt.GetSigningMethod(alg)
}
