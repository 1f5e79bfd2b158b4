package authn

import (
	"bytes"
	"context"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net/http"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/keypin/keypin/internal/keypin"
)

// target is what the attacks are aimed at: a Clerk instance with a key of each
// type, and a second issuer with keys of its own.
type target struct {
	site         *site
	rsa, ec, ed  signer
	other, thief signer
	claims       claimSet
}

func newTarget(t testing.TB) *target {
	t.Helper()
	x := &target{
		site: newSite(),
		rsa:  signer{"rsa", "RS256", rsaKeys()[0]}, ec: signer{"ec", "ES256", ecKey(elliptic.P256())}, ed: signer{"ed", "EdDSA", edKey(1)},
		other: signer{"other", "RS256", rsaKeys()[1]}, thief: signer{"rsa", "RS256", rsaKeys()[2]},
		claims: recorded(t, "clerk_v2.json"),
	}
	x.site.serve(clerkKeysURL, published(x.rsa, x.ec, x.ed))
	x.site.serve(oidcKeysURL, published(x.other))
	return x
}

// forge puts any signature under any header and claims.
func forge(header, claims, signature []byte) string {
	return encode(header) + "." + encode(claims) + "." + encode(signature)
}

func jsonOf(value any) []byte { return must(json.Marshal(value)) }

func hmacToken(header object, claims any, secret []byte) string {
	text := encode(jsonOf(header)) + "." + encode(jsonOf(claims))
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(text))
	return text + "." + encode(mac.Sum(nil))
}

func TestEveryAttackOnASessionTokenIsRefused(t *testing.T) {
	x := newTarget(t)
	v := newVerifier(t, x.site, nil, clerk(), oidc())
	for _, key := range []signer{x.rsa, x.ec, x.ed} {
		accepted(t, v, key.token(x.claims, nil))
	}
	for _, attacks := range []map[string]attack{
		x.algorithmAttacks(), x.headerAttacks(), x.keyAttacks(), x.signatureAttacks(), x.formAttacks(), x.claimAttacks(),
	} {
		for name, a := range attacks {
			t.Run(name, func(t *testing.T) { refused(t, v, a.token, a.reason) })
		}
	}
}

type attack struct {
	token  string
	reason refusal
}

func (x *target) algorithmAttacks() map[string]attack {
	attacks := map[string]attack{}
	for _, alg := range []any{
		"none", "None", "NONE", "NoNe", "", " RS256", "rs256", "RS256\x00", "HS256", "HS384", "HS512", "hs256", "ES256K", "RSA-OAEP", "dir",
		nil, 256, []string{"RS256"}, object{"alg": "RS256"},
	} {
		name := "alg " + string(jsonOf(alg))
		attacks[name] = attack{forge(jsonOf(object{"alg": alg, "kid": "rsa"}), jsonOf(x.claims), []byte{1}), refuseAlgorithm}
	}
	for _, alg := range []string{"none", "NoNe"} {
		header := encode(jsonOf(object{"alg": alg, "kid": "rsa"}))
		attacks["unsigned "+alg] = attack{header + "." + encode(jsonOf(x.claims)) + ".", refuseBase64}
	}
	der := must(x509.MarshalPKIXPublicKey(x.rsa.key.Public()))
	for name, secret := range map[string][]byte{
		"PEM": pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), "DER": der, "JWK": jsonOf(x.rsa.jwk(nil)), "empty": nil,
	} {
		header := object{"alg": "HS256", "kid": "rsa", "typ": "JWT"}
		attacks["HMAC with the public key as "+name] = attack{hmacToken(header, x.claims, secret), refuseAlgorithm}
		header["alg"] = "RS256"
		attacks["HMAC called RS256, "+name] = attack{hmacToken(header, x.claims, secret), refuseSignature}
	}
	// The algorithm is allowed, but not with a key of that type.
	for alg, kid := range map[string]string{"ES256": "rsa", "RS256": "ec", "EdDSA": "rsa", "PS256": "ed", "ES384": "ec", "RS512": "rsa"} {
		attacks[alg+" with the key "+kid] = attack{x.rsa.token(x.claims, object{"alg": alg, "kid": kid}), refuseKey}
	}
	return attacks
}

func (x *target) headerAttacks() map[string]attack {
	attacks := map[string]attack{}
	const evil = "https://evil.example/keys"
	for name, value := range map[string]any{
		"jku": evil, "x5u": evil, "jwk": x.thief.jwk(nil), "x5c": []string{"MIIB"}, "crit": []string{"exp"}, "b64": false, "zip": "DEF", "enc": "A256GCM",
	} {
		attacks[name] = attack{x.thief.token(x.claims, object{name: value}), refuseHeader}
		attacks[name+" null, well signed"] = attack{x.rsa.token(x.claims, object{name: json.RawMessage("null")}), refuseHeader}
	}
	attacks["empty crit"] = attack{x.rsa.token(x.claims, object{"crit": []string{}}), refuseHeader}
	for _, kid := range []any{nil, "", 1, []string{"rsa"}, object{"kid": "rsa"}, json.RawMessage("null")} {
		attacks["kid "+string(jsonOf(kid))] = attack{x.rsa.token(x.claims, object{"kid": kid}), refuseKeyID}
	}
	for _, kid := range []string{
		"../../../../dev/null", "rsa' UNION SELECT 'x", "rsa|id", "RSA", "rsa ", "rsa\x00", "*", "https://evil.example/key", "other",
	} {
		attacks["kid "+kid] = attack{x.rsa.token(x.claims, object{"kid": kid}), refuseKey}
	}
	claims := jsonOf(x.claims)
	attacks["duplicate alg"] = attack{x.rsa.sign([]byte(`{"alg":"RS256","kid":"rsa","alg":"none"}`), claims), refuseDuplicate}
	attacks["duplicate kid, escaped"] = attack{x.rsa.sign([]byte(`{"alg":"RS256","kid":"rsa","\u006bid":"ec"}`), claims), refuseDuplicate}
	attacks["header a list"] = attack{x.rsa.sign([]byte(`["RS256"]`), claims), refuseNotObject}
	attacks["header null"] = attack{x.rsa.sign([]byte(`null`), claims), refuseNotObject}
	attacks["header with a tail"] = attack{x.rsa.sign([]byte(`{"alg":"RS256","kid":"rsa"}{}`), claims), refuseJSON}
	return attacks
}

func (x *target) keyAttacks() map[string]attack {
	return map[string]attack{
		"another key under the ID":       {x.thief.token(x.claims, nil), refuseSignature},
		"another issuer's key":           {x.other.token(x.claims, nil), refuseKey},
		"another issuer's key and an ID": {x.other.token(x.claims, object{"kid": "rsa"}), refuseSignature},
		"as the other issuer":            {x.rsa.token(x.claims.with(object{"iss": oidcIssuer}), nil), refuseKey},
		"no iss":                         {x.rsa.token(x.claims.with(object{"iss": nil}), nil), refuseIssuer},
		"iss a list":                     {x.rsa.token(x.claims.with(object{"iss": []string{clerkIssuer}}), nil), refuseIssuer},
		"iss longer":                     {x.rsa.token(x.claims.with(object{"iss": clerkIssuer + "/"}), nil), refuseIssuer},
		"iss shorter":                    {x.rsa.token(x.claims.with(object{"iss": "https://clerk.your-site.co"}), nil), refuseIssuer},
		"iss in upper case":              {x.rsa.token(x.claims.with(object{"iss": strings.ToUpper(clerkIssuer)}), nil), refuseIssuer},
		"iss of another":                 {x.rsa.token(x.claims.with(object{"iss": "https://evil.example"}), nil), refuseIssuer},
		"iss local, which is not on":     {x.rsa.token(x.claims.with(object{"iss": LocalIssuerName}), nil), refuseIssuer},
	}
}

func (x *target) signatureAttacks() map[string]attack {
	good := x.rsa.token(x.claims, nil)
	head, signature, _ := cutLast(good)
	cut := must(base64.RawURLEncoding.DecodeString(signature))[:255]
	claims := x.claims.with(object{"sub": "user_456"})
	headerOf := func(s signer) []byte { return jsonOf(object{"alg": s.alg, "kid": s.kid, "typ": "JWT"}) }
	attacks := map[string]attack{
		"signature stripped":    {head + ".", refuseBase64},
		"signature and its dot": {head, refuseParts},
		"signature truncated":   {head + "." + encode(cut), refuseSignature},
		"signature extended":    {good + "AAAA", refuseSignature},
		"claims exchanged":      {encode(headerOf(x.rsa)) + "." + encode(jsonOf(claims)) + "." + signature, refuseSignature},
		"Ed25519 of zeros":      {forge(headerOf(x.ed), jsonOf(x.claims), make([]byte, 64)), refuseSignature},
		"RSA of zeros":          {forge(headerOf(x.rsa), jsonOf(x.claims), make([]byte, 256)), refuseSignature},
		"RSA of one":            {forge(headerOf(x.rsa), jsonOf(x.claims), append(make([]byte, 255), 1)), refuseSignature},
	}
	// CVE-2022-21449: r = s = 0, and their equals modulo the order of the curve.
	order := elliptic.P256().Params().N.FillBytes(make([]byte, 32))
	for name, psychic := range map[string][]byte{
		"zeros": make([]byte, 64), "orders": append(bytes.Clone(order), order...), "none": {}, "one byte": {0},
		"ones":      append(big.NewInt(1).FillBytes(make([]byte, 32)), big.NewInt(1).FillBytes(make([]byte, 32))...),
		"DER zeros": {0x30, 6, 2, 1, 0, 2, 1, 0},
	} {
		reason := refuseSignature
		if len(psychic) == 0 {
			reason = refuseBase64
		}
		attacks["psychic signature of "+name] = attack{forge(headerOf(x.ec), jsonOf(x.claims), psychic), reason}
	}
	return attacks
}

func cutLast(token string) (head, signature string, ok bool) {
	at := strings.LastIndexByte(token, '.')
	return token[:at], token[at+1:], at >= 0
}

func (x *target) formAttacks() map[string]attack {
	good := x.rsa.token(x.claims, nil)
	head, signature, _ := cutLast(good)
	parts := strings.Split(good, ".")
	attacks := map[string]attack{
		"empty":              {"", refuseParts},
		"dots":               {"..", refuseBase64},
		"three dots":         {"...", refuseParts},
		"second signature":   {good + "." + signature, refuseParts},
		"trailing dot":       {good + ".", refuseParts},
		"truncated":          {good[:len(good)/2], refuseParts},
		"JSON serialisation": {string(jsonOf(object{"payload": parts[1], "signatures": []object{{"protected": parts[0], "signature": signature}}})), refuseParts},
		"encrypted (JWE)":    {good + ".AAAA.AAAA", refuseParts},
		"one too long":       {good + strings.Repeat("A", MaxTokenBytes+1-len(good)), refuseSize},
		"huge":               {strings.Repeat("A.", 1<<20), refuseSize},
		"NUL":                {head + ".\x00" + signature, refuseBase64},
		"UTF-8":              {head + ".é" + signature, refuseBase64},
		"space before":       {" " + good, refuseBase64},
		"scheme before":      {"Bearer " + good, refuseBase64},
	}
	for _, tail := range []string{"\n", "\r\n", "\r", " ", "=", "==", "+", "/", "\t"} {
		attacks["tail "+string(jsonOf(tail))] = attack{good + tail, refuseBase64}
	}
	for i := range parts {
		broken := append([]string(nil), parts...)
		broken[i] = broken[i][:3] + "\n" + broken[i][3:]
		attacks["embedded newline "+string(rune('0'+i))] = attack{strings.Join(broken, "."), refuseBase64}
	}
	// 256 bytes leave four unused bits in the last character: they must be zero.
	last := strings.IndexByte(alphabet, signature[len(signature)-1])
	attacks["trailing bits"] = attack{good[:len(good)-1] + alphabet[last+1:last+2], refuseBase64}
	attacks["padded"] = attack{base64.URLEncoding.EncodeToString([]byte(`{"alg":"RS256"}1`)) + "." + parts[1] + "." + signature, refuseBase64}
	return attacks
}

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

func (x *target) claimAttacks() map[string]attack {
	header := jsonOf(object{"alg": "RS256", "kid": "rsa", "typ": "JWT"})
	signed := func(claims string) string { return x.rsa.sign(header, []byte(claims)) }
	good := string(jsonOf(x.claims))
	open := good[:len(good)-1] // without the closing brace
	return map[string]attack{
		"duplicate sub":          {signed(open + `,"sub":"user_456"}`), refuseDuplicate},
		"duplicate sub, equal":   {signed(open + `,"sub":"user_123"}`), refuseDuplicate},
		"duplicate iss, escaped": {signed(open + `,"\u0069ss":"https://evil.example"}`), refuseDuplicate},
		"duplicate name inside":  {signed(open + `,"x":[{"a":1,"a":2}]}`), refuseDuplicate},
		"nested lists":           {signed(open + `,"x":` + strings.Repeat("[", 20) + strings.Repeat("]", 20) + `}`), refuseDepth},
		"nested objects":         {signed(open + `,"x":` + strings.Repeat(`{"a":`, 20) + "1" + strings.Repeat("}", 20) + `}`), refuseDepth},
		"nested thousands":       {signed(open + `,"x":` + strings.Repeat("[", 2000) + strings.Repeat("]", 2000) + `}`), refuseDepth},
		"claims a list":          {signed("[" + good + "]"), refuseNotObject},
		"claims null":            {signed("null"), refuseNotObject},
		"claims a string":        {signed(`"sub"`), refuseNotObject},
		"claims with a tail":     {signed(good + "{}"), refuseJSON},
		"claims cut":             {signed(open), refuseJSON},
		"claims with a comment":  {signed(open + `/**/}`), refuseJSON},
		"trailing comma":         {signed(open + `,}`), refuseJSON},
		"invalid UTF-8":          {signed(open + ",\"x\":\"\xff\"}"), refuseJSON},
		"byte order mark":        {signed("\ufeff" + good), refuseJSON},
		"names in upper case":    {x.rsa.token(x.claims.with(object{"exp": nil, "EXP": 1713158400}), nil), refuseTime},
		"expired":                {x.rsa.token(x.claims.with(object{"exp": 1713150000}), nil), refuseExpired},
		"of the future":          {x.rsa.token(x.claims.with(object{"iat": 1713160000}), nil), refuseFuture},
		"another party":          {x.rsa.token(x.claims.with(object{"azp": "https://evil.example"}), nil), refuseParty},
		"another category":       {x.rsa.token(x.claims, object{"cat": "cl_B7d4PD222AAA"}), refuseCategory},
	}
}

func TestATokenOfExactlyTheLongestLengthIsRead(t *testing.T) {
	x := newTarget(t)
	v := newVerifier(t, x.site, nil, clerk())
	for pad := range 4 {
		filled := x.rsa.token(x.claims.with(object{"pad": strings.Repeat("x", pad)}), nil)
		// Each three bytes of claims are four characters.
		pad += (MaxTokenBytes - len(filled)) / 4 * 3
		token := x.rsa.token(x.claims.with(object{"pad": strings.Repeat("x", pad)}), nil)
		if len(token) > MaxTokenBytes || len(token) < MaxTokenBytes-4 {
			t.Fatalf("the test's token has %d bytes", len(token))
		}
		accepted(t, v, token)
	}
}

func TestNoAddressInATokenIsEverFetched(t *testing.T) {
	x := newTarget(t)
	evil := 0
	x.site.handle("https://evil.example/keys", func(http.ResponseWriter, *http.Request) { evil++ })
	v := newVerifier(t, x.site, nil, clerk())
	for _, a := range x.headerAttacks() {
		if _, err := v.Verify(context.Background(), a.token); keypin.CodeOf(err) != keypin.CodeUnauthorized {
			t.Errorf("got %v", err)
		}
	}
	if evil != 0 {
		t.Errorf("%d fetches of the attacker's URL", evil)
	}
}

func TestARefusalHoldsNothingOfTheToken(t *testing.T) {
	const planted = "planted7Qm2XcV9"
	x := newTarget(t)
	v := newVerifier(t, x.site, nil, clerk())
	claims := x.claims.with(object{"sub": planted + "\n", "sid": planted, "azp": planted})
	for _, token := range []string{
		planted, planted + "." + planted + "." + planted, x.rsa.token(claims, nil), x.rsa.token(x.claims, object{"kid": planted}),
		x.rsa.token(x.claims.with(object{"iss": planted}), nil), x.rsa.token(x.claims, object{"alg": planted}),
		x.rsa.token(x.claims.with(object{"exp": planted}), nil), x.rsa.token(x.claims, object{"typ": planted}),
	} {
		_, err := v.Verify(context.Background(), token)
		if err == nil || strings.Contains(err.Error(), planted) {
			t.Errorf("got %v", err)
		}
	}
}

func TestOnlyTheAlgorithmsOfTheIssuerAreTaken(t *testing.T) {
	x := newTarget(t)
	narrow := clerk()
	narrow.Algorithms = nil
	v := newVerifier(t, x.site, nil, narrow)
	rs512 := signer{"rs512", "RS512", x.rsa.key}
	x.site.serve(clerkKeysURL, published(x.rsa, x.ec, x.ed, rs512))
	for _, key := range []signer{x.rsa, x.ec, x.ed} {
		accepted(t, v, key.token(x.claims, nil))
	}
	refused(t, v, rs512.token(x.claims, nil), refuseAlgorithm)
}

func TestEveryAllowedAlgorithmWorksWithItsKey(t *testing.T) {
	s := newSite()
	curves := map[string]elliptic.Curve{"ES256": elliptic.P256(), "ES384": elliptic.P384(), "ES512": elliptic.P521()}
	var signers []signer
	for _, alg := range algorithms() {
		switch {
		case curves[alg] != nil:
			signers = append(signers, signer{alg, alg, ecKey(curves[alg])})
		case alg == "EdDSA":
			signers = append(signers, signer{alg, alg, edKey(2)})
		default:
			signers = append(signers, signer{alg, alg, rsaKeys()[0]})
		}
		if _, symmetric := signingMethod(alg).(*jwt.SigningMethodHMAC); symmetric {
			t.Errorf("%s is symmetric", alg)
		}
	}
	s.serve(clerkKeysURL, published(signers...))
	v := newVerifier(t, s, nil, clerk())
	for _, key := range signers {
		accepted(t, v, key.token(recorded(t, "clerk_v2.json"), nil))
	}
}
