// Package authn verifies session tokens (JWTs of Clerk, of any OpenID Connect
// issuer, or of the service's own local issuer) and turns them into a
// keypin.Identity. It also is the local issuer: it keeps its key and mints tokens.
//
// Invariants:
//   - Only asymmetric signatures are ever checked, and a key is used only with an
//     algorithm of its own type, so a public key can never serve as an HMAC secret.
//   - The key comes from the key set of the issuer that the token names by its
//     exact `iss`. Nothing in a token says where to find a key.
//   - A token is read strictly (base64url without padding, one JSON object, no
//     duplicate names), so that two readers cannot understand it differently.
//   - Every refusal has the same public words. The cause, for the log, is one of a
//     fixed set of sentences and never holds a part of the token.
//
// When things fail: an issuer's last good key set is used while the issuer is
// down, slow or answers rubbish; until there is a first one, its tokens are
// answered with CodeUnavailable, and no request waits longer than one fetch may
// take. One issuer's trouble does not touch another's tokens. A good answer
// replaces the set, so a key that the issuer dropped is refused after the next
// refresh at the latest.
//
// Why not keyfunc: its HTTP storage (jwkset) takes an empty or oversized answer
// for a good one, lets one malformed key spoil the whole set, makes every caller
// with an unknown key ID queue for one shared limiter instead of sharing a fetch,
// and mixes the sets of all issuers. Single keys are parsed and validated by
// jwkset; the cache around them is ours.
package authn
