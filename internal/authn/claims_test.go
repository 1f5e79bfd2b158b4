package authn

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/keypin/keypin/internal/keypin"
)

// clerkSite is an issuer with one RSA key, as Clerk has.
func clerkSite() (*site, signer) {
	s, key := newSite(), signer{"ins_1", "RS256", rsaKeys()[0]}
	s.serve(clerkKeysURL, published(key))
	return s, key
}

func TestClerksDocumentedClaimsAreReadInBothVersions(t *testing.T) {
	s, key := clerkSite()
	v := newVerifier(t, s, nil, clerk())
	want := &keypin.Identity{
		Issuer: clerkIssuer, Subject: "user_123", IssuedAt: documented.UTC(),
		Org: &keypin.Org{ID: "org_123", Slug: "org-slug", Role: keypin.RoleAdmin},
	}
	for _, name := range []string{"clerk_v1.json", "clerk_v2.json"} {
		for _, header := range []object{nil, {"cat": clerkSessionCategory}, {"typ": nil}} {
			got := accepted(t, v, key.token(recorded(t, name), header))
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s with header %v (-want +got):\n%s", name, header, diff)
			}
		}
	}
}

func TestAClerkTokenThatIsNotASessionIsRefused(t *testing.T) {
	s, key := clerkSite()
	v := newVerifier(t, s, nil, clerk())
	v1, v2 := recorded(t, "clerk_v1.json"), recorded(t, "clerk_v2.json")
	for name, c := range map[string]struct {
		claims, header object
		reason         refusal
	}{
		"template":              {v2, object{"cat": "cl_B7d4PD222AAA"}, refuseCategory},
		"machine category":      {v2, object{"cat": "cl_B7d4PD333AAA"}, refuseCategory},
		"category of any":       {v2, object{"cat": "cl_I7d4PD111III"}, refuseCategory},
		"empty category":        {v2, object{"cat": ""}, refuseCategory},
		"category not a string": {v2, object{"cat": []string{clerkSessionCategory}}, refuseCategory},
		"OAuth access token":    {v2, object{"typ": "at+jwt"}, refuseType},
		"its upper case":        {v2, object{"typ": "AT+JWT"}, refuseType},
		"its long form":         {v2, object{"typ": "Application/at+jwt"}, refuseType},
		"typ not a string":      {v2, object{"typ": 1}, refuseType},
		"no sid":                {v1.with(object{"sid": nil}), nil, refuseSession},
		"empty sid":             {v1.with(object{"sid": ""}), nil, refuseSession},
		"sid not a string":      {v1.with(object{"sid": 7}), nil, refuseSession},
		"pending":               {v2.with(object{"sts": "pending"}), nil, refusePending},
		"sts not a string":      {v2.with(object{"sts": true}), nil, refusePending},
		"machine":               {v2.with(object{"sub": "mch_1"}), nil, refuseMachine},
		"unknown claim version": {v2.with(object{"v": 3}), nil, refuseOrgVersion},
		"version as a string":   {v2.with(object{"v": "2"}), nil, refuseOrgVersion},
		"org without an id":     {v2.with(object{"o": object{"rol": "admin"}}), nil, refuseOrg},
		"org without a role":    {v1.with(object{"org_role": nil}), nil, refuseOrg},
		"org not an object":     {v2.with(object{"o": "org_123"}), nil, refuseOrg},
		"org id not a string":   {v1.with(object{"org_id": 1}), nil, refuseOrg},
	} {
		t.Run(name, func(t *testing.T) { refused(t, v, key.token(c.claims, c.header), c.reason) })
	}
}

func TestATokenIsValidOnlyInItsTime(t *testing.T) {
	s, key := clerkSite()
	v := newVerifier(t, s, nil, clerk())
	at := documented.Unix()
	good := recorded(t, "clerk_v2.json")
	for name, c := range map[string]struct {
		change object
		reason refusal // "" = accepted
	}{
		"expired within the leeway":    {object{"exp": at - 4}, ""},
		"expired at the leeway":        {object{"exp": at - 5}, refuseExpired},
		"fraction within the leeway":   {object{"exp": float64(at) - 4.5}, ""},
		"fraction beyond the leeway":   {object{"exp": float64(at) - 5.5}, refuseExpired},
		"exponent":                     {object{"exp": json.RawMessage("1.7131584e9")}, ""},
		"no exp":                       {object{"exp": nil}, refuseTime},
		"exp as a string":              {object{"exp": "1713158400"}, refuseTime},
		"exp null":                     {object{"exp": json.RawMessage("null")}, refuseTime},
		"exp negative":                 {object{"exp": -1}, refuseTime},
		"exp after the year 9999":      {object{"exp": json.RawMessage("253402300800")}, refuseTime},
		"exp beyond any float":         {object{"exp": json.RawMessage("1e999")}, refuseTime},
		"exp of 2^63":                  {object{"exp": json.RawMessage("9223372036854775808")}, refuseTime},
		"no iat":                       {object{"iat": nil}, refuseTime},
		"iat as a list":                {object{"iat": []int64{at}}, refuseTime},
		"issued within the leeway":     {object{"iat": at + 5}, ""},
		"issued in the future":         {object{"iat": at + 6}, refuseFuture},
		"no nbf":                       {object{"nbf": nil}, ""},
		"not before within the leeway": {object{"nbf": at + 5}, ""},
		"not before in the future":     {object{"nbf": at + 6}, refuseEarly},
		"nbf true":                     {object{"nbf": true}, refuseTime},
		"nbf null":                     {object{"nbf": json.RawMessage("null")}, refuseTime},
	} {
		t.Run(name, func(t *testing.T) {
			token := key.token(good.with(c.change), nil)
			if c.reason == "" {
				accepted(t, v, token)
			} else {
				refused(t, v, token, c.reason)
			}
		})
	}
}

func TestAuthorizedPartiesAndAudiencesAreExact(t *testing.T) {
	s, key := clerkSite()
	s.serve(oidcKeysURL, published(key))
	strict, open := clerk(), oidc()
	anyParty := clerk()
	anyParty.AuthorizedParties = nil
	forUs := oidc()
	forUs.Audiences = []string{"keypin", "other"}
	claims := recorded(t, "clerk_v1.json")
	good := claims.with(object{"iss": oidcIssuer})
	for name, c := range map[string]struct {
		issuer Issuer
		claims object
		reason refusal
	}{
		"missing":                 {strict, claims.with(object{"azp": nil}), refuseParty},
		"empty":                   {strict, claims.with(object{"azp": ""}), refuseParty},
		"another":                 {strict, claims.with(object{"azp": "https://example.com.evil.org"}), refuseParty},
		"a list":                  {strict, claims.with(object{"azp": []string{party}}), refuseParty},
		"missing, none asked":     {anyParty, claims.with(object{"azp": nil}), ""},
		"no audience, none asked": {open, good, ""},
		"no audience":             {forUs, good, refuseAudience},
		"audience":                {forUs, claimSet(good).with(object{"aud": "keypin"}), ""},
		"audience in a list":      {forUs, claimSet(good).with(object{"aud": []any{"x", "other"}}), ""},
		"another audience":        {forUs, claimSet(good).with(object{"aud": "keypin2"}), refuseAudience},
		"audience not strings":    {forUs, claimSet(good).with(object{"aud": []any{1, nil}}), refuseAudience},
		"audience an object":      {forUs, claimSet(good).with(object{"aud": object{"keypin": 1}}), refuseAudience},
	} {
		t.Run(name, func(t *testing.T) {
			v, token := newVerifier(t, s, nil, c.issuer), key.token(c.claims, nil)
			if c.reason == "" {
				accepted(t, v, token)
			} else {
				refused(t, v, token, c.reason)
			}
		})
	}
}

func TestASubjectIsAPrintableText(t *testing.T) {
	s, key := clerkSite()
	v := newVerifier(t, s, nil, clerk())
	claims := recorded(t, "clerk_v1.json")
	accepted(t, v, key.token(claims.with(object{"sub": strings.Repeat("s", 255)}), nil))
	for _, sub := range []any{nil, "", strings.Repeat("s", 256), "a\x00b", "a\nb", "a\u0085b", "\ufffd", 7, []string{"user_123"}} {
		refused(t, v, key.token(claims.with(object{"sub": sub}), nil), refuseSubject)
	}
}

func TestOnlyAnAdminOfTheIssuerIsAnAdminHere(t *testing.T) {
	s, key := clerkSite()
	v := newVerifier(t, s, nil, clerk())
	claims := recorded(t, "clerk_v1.json")
	for role, want := range map[string]keypin.Role{
		"admin": keypin.RoleAdmin, "org:admin": keypin.RoleAdmin,
		"org:member": keypin.RoleEditor, "viewer": keypin.RoleEditor, "Admin": keypin.RoleEditor,
		"org:org:admin": keypin.RoleEditor, "org:admins": keypin.RoleEditor, "superadmin": keypin.RoleEditor,
	} {
		if got := accepted(t, v, key.token(claims.with(object{"org_role": role}), nil)).Org.Role; got != want {
			t.Errorf("role %q became %q, want %q", role, got, want)
		}
	}
}

func TestAVersion2TokenIsNotReadAsVersion1(t *testing.T) {
	s, key := clerkSite()
	v := newVerifier(t, s, nil, clerk())
	v1, v2 := recorded(t, "clerk_v1.json"), recorded(t, "clerk_v2.json")
	mixed := v2.with(object{"o": nil, "org_id": "org_evil", "org_role": "admin"})
	if org := accepted(t, v, key.token(mixed, nil)).Org; org != nil {
		t.Errorf("a version 2 token without o got %+v", org)
	}
	mixed = v1.with(object{"org_id": nil, "o": object{"id": "org_evil", "rol": "admin"}})
	if org := accepted(t, v, key.token(mixed, nil)).Org; org != nil {
		t.Errorf("a version 1 token without org_id got %+v", org)
	}
}

func TestAPlainOIDCTokenIsReadWithoutClerksRules(t *testing.T) {
	s, key := clerkSite()
	s.serve(oidcKeysURL, published(key))
	v := newVerifier(t, s, nil, oidc())
	at := documented.Unix()
	claims := claimSet{
		"iss": oidcIssuer, "sub": "248289761001", "aud": "client", "exp": at + 60, "iat": at,
		"email": "Jane.Doe@Example.com", "email_verified": true, "given_name": " Jane ", "family_name": "Doe",
		"picture": "https://example.com/jane.jpg",
	}
	want := &keypin.Identity{
		Issuer: oidcIssuer, Subject: "248289761001", IssuedAt: documented.UTC(), Email: "jane.doe@example.com",
		FirstName: "Jane", LastName: "Doe", ImageURL: "https://example.com/jane.jpg",
	}
	for _, header := range []object{nil, {"typ": "at+jwt"}, {"cat": "cl_B7d4PD222AAA"}} {
		if diff := cmp.Diff(want, accepted(t, v, key.token(claims, header))); diff != "" {
			t.Errorf("header %v (-want +got):\n%s", header, diff)
		}
	}
	refused(t, v, key.token(claims, object{"typ": "logout+jwt"}), refuseType)
	refused(t, v, key.token(claims.with(object{"events": object{}}), nil), refuseEvent)

	malformed := object{
		"v": 7, "org_id": 7, "email": "not an address", "given_name": "a\x00b", "family_name": strings.Repeat("n", 201),
		"picture": "javascript:alert(1)",
	}
	want = &keypin.Identity{Issuer: oidcIssuer, Subject: "248289761001", IssuedAt: documented.UTC()}
	if diff := cmp.Diff(want, accepted(t, v, key.token(claims.with(malformed), nil))); diff != "" {
		t.Errorf("malformed claims (-want +got):\n%s", diff)
	}
}

func TestAnUnverifiedEmailIsIgnored(t *testing.T) {
	s, key := clerkSite()
	s.serve(oidcKeysURL, published(key))
	v := newVerifier(t, s, nil, oidc())
	at := documented.Unix()
	claims := claimSet{"iss": oidcIssuer, "sub": "1", "exp": at + 60, "iat": at, "email": "a@example.com"}
	for _, c := range []struct {
		verified any
		want     string
	}{{nil, "a@example.com"}, {true, "a@example.com"}, {"true", "a@example.com"}, {false, ""}, {"false", ""}, {0, ""}} {
		got := accepted(t, v, key.token(claims.with(object{"email_verified": c.verified}), nil))
		if got.Email != c.want || got.EmailUnverified != (c.want == "") {
			t.Errorf("email_verified %v: got %q (unverified: %v), want %q", c.verified, got.Email, got.EmailUnverified, c.want)
		}
	}
}

func TestAnAPIKeyInAProfileIsIgnored(t *testing.T) {
	s, key := clerkSite()
	s.serve(oidcKeysURL, published(key))
	v := newVerifier(t, s, nil, oidc())
	at := documented.Unix()
	const secret = "op_live_0000000000000000000000000009BlC0"
	got := accepted(t, v, key.token(claimSet{"iss": oidcIssuer, "sub": "1", "exp": at + 60, "iat": at, "email": secret + "@example.com",
		"given_name": secret, "family_name": "x " + secret, "picture": "https://example.com/" + secret,
		"org_id": "org_1", "org_slug": secret, "org_role": "admin"}, nil))
	want := &keypin.Identity{Issuer: oidcIssuer, Subject: "1", IssuedAt: documented.UTC(), Org: &keypin.Org{ID: "org_1", Role: keypin.RoleAdmin}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestAPictureIsAnHTTPSURL(t *testing.T) {
	for picture, want := range map[string]bool{
		"https://img.example.com/a.png": true, "http://img.example.com/a.png": false, "data:image/png;base64,AA": false,
		"https://": false, "https://user@img.example.com/": false, "https://a.example.com/" + strings.Repeat("x", 1024): false,
		"https://a.example.com/\n": false, "//a.example.com/": false,
	} {
		parsed := &parsedToken{claims: object{"picture": picture}}
		if got := parsed.picture() != ""; got != want {
			t.Errorf("%.40q kept: %v, want %v", picture, got, want)
		}
	}
}

func TestANumericDateKeepsItsFraction(t *testing.T) {
	got, ok := numericDate(json.Number("1713158400.5"))
	if want := documented.Add(500 * time.Millisecond); !ok || !got.Equal(want) {
		t.Errorf("got %v, %v; want %v", got, ok, want)
	}
}
