package httpapi

import (
	"context"
	"net/http"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/keypin/keypin/internal/admin"
	"github.com/keypin/keypin/internal/keypin"
)

// KeyFields is a key as it is shown. It never holds the plaintext. It is exported
// because huma describes embedded fields of exported types only.
type KeyFields struct {
	ID              keypin.ID         `json:"id" format:"uuid" doc:"The key's id." example:"3fa85f64-5717-4562-b3fc-2c963f66afa6"`
	WorkspaceID     keypin.ID         `json:"workspace_id" format:"uuid" doc:"The workspace that owns the key." example:"7c9e6679-7425-40de-944b-e07fc1f90ae7"`
	CreatedBy       *keypin.ID        `json:"created_by" format:"uuid" nullable:"true" doc:"The user who made the key; null when that user was deleted." example:"1c9e6679-7425-40de-944b-e07fc1f90b12"`
	Name            string            `json:"name" doc:"1 to 120 characters." example:"Marketing API Key"`
	KeyType         string            `json:"key_type" enum:"live,test,read-only" doc:"What the key is for. A read-only key holds :read scopes only." example:"read-only"`
	KeyPrefix       string            `json:"key_prefix" doc:"How the key begins, without the underscore that follows." example:"mkapi"`
	KeySuffix       string            `json:"key_suffix" doc:"The last 6 characters of the key." example:"9f8d7c"`
	Scopes          []string          `json:"scopes" format:"scope" nullable:"false" doc:"What the key may do, in registry order. None: no access." example:"workflows:read,voices:read,templates:read"`
	Active          bool              `json:"active" doc:"false while the key is suspended, and for good once it is revoked." example:"true"`
	LastUsedAt      *time.Time        `json:"last_used_at" nullable:"true" doc:"When the key was last accepted, at most 60 s behind; null = never." example:"2026-04-20T14:22:00Z"`
	RateLimitPerMin *int              `json:"rate_limit_per_min" nullable:"true" minimum:"1" maximum:"1000000" doc:"How often the key is admitted in any 60 s; null = the service's default." example:"100"`
	RevokedAt       *time.Time        `json:"revoked_at" nullable:"true" doc:"When the key was revoked, which is final; null = it was not." example:"2026-05-01T00:00:00Z"`
	CreatedAt       time.Time         `json:"created_at" doc:"When the key was made." example:"2026-01-15T09:30:00Z"`
	UpdatedAt       time.Time         `json:"updated_at" doc:"When the key was last changed through the API. Use does not move it." example:"2026-04-25T12:00:00Z"`
	Preview         string            `json:"preview" doc:"Shows which key it is without showing the key." example:"mkapi-xxxxxx-9f8d7c"`
	ExpiresAt       *time.Time        `json:"expires_at" nullable:"true" doc:"From when on the key is refused; null = never." example:"2027-01-15T09:30:00Z"`
	AllowedIPs      []string          `json:"allowed_ips" nullable:"false" doc:"The addresses and CIDR ranges that the key may be used from; empty = anywhere."`
	Metadata        map[string]string `json:"metadata" doc:"The caller's own pairs."`
	RotatedFrom     *keypin.ID        `json:"rotated_from" format:"uuid" nullable:"true" doc:"The key that this one replaced."`
	RotatedTo       *keypin.ID        `json:"rotated_to" format:"uuid" nullable:"true" doc:"The key that replaced this one."`
}

// createdKeyFields is a new key, with its plaintext for this once.
type createdKeyFields struct {
	KeyFields
	APIKey string `json:"api_key" doc:"The plaintext. It is answered here once and cannot be had again." example:"op_live_0000000000000000000000000009BlC0"`
}

// rotatedKeys is both ends of a rotation.
type rotatedKeys struct {
	OldKey KeyFields        `json:"old_key" doc:"The key that was replaced."`
	NewKey createdKeyFields `json:"new_key" doc:"The key that replaces it, with its plaintext."`
}

// showKey shows a key as it is at now.
func showKey(k *keypin.APIKey, now time.Time) KeyFields {
	f := KeyFields{
		ID: k.ID, WorkspaceID: k.WorkspaceID, CreatedBy: k.CreatedBy, Name: k.Name,
		KeyType: string(k.Type), KeyPrefix: k.Prefix, KeySuffix: k.Suffix, Preview: k.Preview(),
		Scopes: make([]string, len(k.Scopes)), Active: k.Active, LastUsedAt: k.LastUsedAt, RateLimitPerMin: k.RateLimit,
		CreatedAt: k.CreatedAt, UpdatedAt: k.UpdatedAt, ExpiresAt: k.ExpiresAt,
		AllowedIPs: make([]string, len(k.AllowedIPs)), Metadata: k.Metadata,
		RotatedFrom: k.RotatedFrom, RotatedTo: k.RotatedTo,
	}
	for i, s := range k.Scopes {
		f.Scopes[i] = string(s)
	}
	for i, p := range k.AllowedIPs {
		f.AllowedIPs[i] = keypin.FormatAddressRange(p)
	}
	if f.Metadata == nil {
		f.Metadata = map[string]string{}
	}
	if k.State(now) == keypin.KeyRevoked {
		f.Active, f.RevokedAt = false, k.RevokeAt
	}
	return f
}

func showIssued(n *admin.Issued) createdKeyFields {
	return createdKeyFields{KeyFields: showKey(&n.Key, n.At), APIKey: n.Secret.Reveal()}
}

// etag is the strong validator of a key's settings.
func etag(k *keypin.APIKey) string { return `"v` + strconv.FormatInt(k.Version, 10) + `"` }

// The parameters that several operations share. Their types are exported because
// huma looks into exported fields only.

// GivenID is an id that a request may name; the nil UUID is one too.
type GivenID struct {
	id  keypin.ID
	set bool
}

// UnmarshalText reads what keypin.ParseID reads.
func (g *GivenID) UnmarshalText(b []byte) error {
	g.set = true
	return g.id.UnmarshalText(b)
}

// pointer is nil when none was given.
func (g GivenID) pointer() *keypin.ID {
	if !g.set {
		return nil
	}
	return &g.id
}

// WorkspaceHeader names the workspace to act in.
type WorkspaceHeader struct {
	WorkspaceID GivenID `header:"X-Workspace-Id" format:"uuid" doc:"The workspace to act in. Without it: a key's own one; for a session the one of its organisation, else the user's own one." example:"7c9e6679-7425-40de-944b-e07fc1f90ae7"`
}

func (h WorkspaceHeader) workspace() *keypin.ID { return h.WorkspaceID.pointer() }

// IdempotencyHeader makes a change repeatable.
type IdempotencyHeader struct {
	IdempotencyKey string `header:"Idempotency-Key" minLength:"8" maxLength:"257" pattern:"^(\"[ -~]{8,255}\"|[!#-~][ -~]{6,253}[!#-~])$" doc:"8 to 255 printable characters, bare or in quotes, new for each intended change. For 24 h the same request with the same key gets the first answer again." example:"8e03978e-40d5-43dd-bc93-6894a57f9324"`
}

// readIdempotencyKey reads the header's value: a structured field string, or bare.
func readIdempotencyKey(s string, faults *keypin.Faults) keypin.Secret {
	if len(s) >= 2 && s[0] == '"' && s[len(s)-1] == '"' {
		s = s[1 : len(s)-1]
	}
	printable := !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' })
	if len(s) < 8 || len(s) > 255 || !printable {
		faults.Add("header.Idempotency-Key", "must be 8 to 255 printable ASCII characters, bare or in quotes")
		return keypin.Secret{}
	}
	return keypin.NewSecret(s)
}

// IfMatchHeader makes a change conditional (RFC 9110 section 13.1.1).
type IfMatchHeader struct {
	IfMatch string `header:"If-Match" minLength:"1" doc:"Change the key only if its ETag is this one (or one of these); else 412." example:"\"v3\""`
}

// ownTag is what etag makes.
var ownTag = regexp.MustCompile(`^"v([1-9][0-9]{0,17})"$`)

// versions reads the header: nil for no condition, and an empty list for one that
// nothing can meet.
func (h IfMatchHeader) versions() []int64 {
	if h.IfMatch == "" || strings.TrimSpace(h.IfMatch) == "*" {
		return nil
	}
	versions := []int64{}
	for tag := range strings.SplitSeq(h.IfMatch, ",") {
		if m := ownTag.FindStringSubmatch(strings.TrimSpace(tag)); m != nil {
			n, _ := strconv.ParseInt(m[1], 10, 64) // 18 digits fit
			versions = append(versions, n)
		}
	}
	return versions
}

// PageQuery selects a part of a list.
type PageQuery struct {
	Offset int `query:"offset" minimum:"0" maximum:"1000000000" default:"0" doc:"How many items to skip."`
	Limit  int `query:"limit" minimum:"1" maximum:"100" default:"50" doc:"How many items to answer at most."`
}

func (q PageQuery) page() keypin.Page { return keypin.Page{Offset: q.Offset, Limit: q.Limit} }

// KeyPath names a key.
type KeyPath struct {
	KeyID keypin.ID `path:"key_id" format:"uuid" doc:"The key's id." example:"3fa85f64-5717-4562-b3fc-2c963f66afa6"`
}

func (a *API) registerKeys() {
	route(a, operation("list-api-keys", http.MethodGet, "/api/v1/api-keys", "List API keys",
		"Lists the workspace's keys, newest first, without secret material. `active` keys are usable; `revoked` lists all others: revoked, suspended and expired ones."), a.listKeys)
	routeBody[createKeyBody, admin.NewKey](a, created(operation("create-api-key", http.MethodPost, "/api/v1/api-keys", "Create an API key",
		"Makes a key and answers its plaintext, once. Nobody can grant a scope that they could not use.")), bodyRequired, a.createKey)
	route(a, operation("get-api-key", http.MethodGet, "/api/v1/api-keys/{key_id}", "Get an API key",
		"Answers one key. Its `ETag` can be sent as `If-Match` with a change."), a.getKey)
	routeBody[updateKeyBody, admin.KeyPatch](a, operation("update-api-key", http.MethodPatch, "/api/v1/api-keys/{key_id}", "Update an API key",
		"Update API-key metadata, scopes, rate limit, or active state. Only the fields present change. `null` leaves `name`, `scopes` and `active` as they are, and clears the others."), bodyRequired, a.updateKey)
	route(a, operation("delete-api-key", http.MethodDelete, "/api/v1/api-keys/{key_id}", "Revoke an API key",
		"Revokes a key for good. Doing it again changes nothing and answers the key as it is."), a.revokeKey)
	routeBody[rotateKeyBody, admin.Rotation](a, operation("rotate-api-key", http.MethodPatch, "/api/v1/api-keys/{key_id}/rotate", "Rotate an API key",
		"Replaces a usable key by a new one with the same settings, in one transaction. Without a grace period the old secret is refused at once. Limits are counted for both together. A key that rotates itself should ask for a grace period: with it, a lost answer can be had again under the same Idempotency-Key."), bodyOptional, a.rotateKey)
}

type listKeysInput struct {
	WorkspaceHeader
	PageQuery
	Status    string  `query:"status" enum:"active,revoked,all" default:"active" doc:"Which half of the keys, or both."`
	Text      string  `query:"q" minLength:"1" maxLength:"120" pattern:"^[^\x00]*$" doc:"Part of the name, in any ASCII case, or of the suffix."`
	KeyType   string  `query:"key_type" enum:"live,test,read-only" doc:"Only keys of this type."`
	Scope     string  `query:"scope" format:"scope" doc:"Only keys that hold this scope."`
	CreatedBy GivenID `query:"created_by" format:"uuid" doc:"Only keys that this user made."`
	Sort      string  `query:"sort" enum:"-created_at,created_at,name,-name,-last_used_at,last_used_at" default:"-created_at" doc:"The order; a minus reverses it."`
}

func (a *API) listKeys(ctx context.Context, x *exchange, in *listKeysInput) (*listAnswer[KeyFields], error) {
	query := keypin.KeyQuery{Page: in.page(), Status: keypin.KeyStatus(in.Status), Text: in.Text,
		Type: keypin.KeyType(in.KeyType), Scope: keypin.Scope(in.Scope), Sort: keypin.KeySort(in.Sort), CreatedBy: in.CreatedBy.pointer()}
	page, err := a.Admin.Keys(ctx, x.call(in.workspace()), query)
	if err != nil {
		return nil, err
	}
	now := x.now() // after the look-up, so that what it found revoked is shown as that
	out := &listAnswer[KeyFields]{}
	out.Body.Data = make([]KeyFields, len(page.Keys))
	for i := range page.Keys {
		out.Body.Data[i] = showKey(&page.Keys[i], now)
	}
	out.Body.Meta, out.Body.Pagination = x.meta(), a.listed(x, query.Page, page.Total)
	return out, nil
}

type createKeyBody struct {
	Name            required[string]            `json:"name" minLength:"1" pattern:"text120" doc:"1 to 120 characters after trimming, without control characters." example:"Marketing API Key"`
	KeyType         optional[string]            `json:"key_type,omitempty" enum:"live,test,read-only" doc:"What the key is for; default live. A read-only key may hold :read scopes only." example:"read-only"`
	Scopes          optional[[]string]          `json:"scopes,omitempty" format:"scope" maxItems:"256" doc:"What the key may do; default none."`
	RateLimitPerMin optional[int64]             `json:"rate_limit_per_min,omitempty" minimum:"1" maximum:"1000000" doc:"How often the key is admitted in any 60 s; default: the service's." example:"100"`
	Prefix          optional[string]            `json:"prefix,omitempty" pattern:"^[a-z][a-z0-9]{1,15}(_[a-z0-9]{1,15}){0,2}$" doc:"How the key begins; default by type, such as op_live." example:"mkapi"`
	ExpiresAt       optional[time.Time]         `json:"expires_at,omitempty" format:"date-time" doc:"From when on the key is refused; in the future; default never." example:"2099-01-15T09:30:00Z"`
	AllowedIPs      optional[[]string]          `json:"allowed_ips,omitempty" format:"ip-range" maxItems:"64" doc:"The addresses and CIDR ranges that the key may be used from; default anywhere."`
	Metadata        optional[map[string]string] `json:"metadata,omitempty" maxProperties:"32" doc:"Your own pairs: names of 1 to 64 characters, values of at most 256."`
}

func (b *createKeyBody) parse(p *parser) admin.NewKey {
	n := admin.NewKey{Type: keypin.KeyLive}
	if b.Name.Set {
		n.Name = p.text("body.name", b.Name.Value, keypin.ParseKeyName)
	}
	if b.KeyType.given() {
		n.Type = keypin.KeyType(p.value("body.key_type", b.KeyType.Value, func(s string) (string, error) {
			t, err := keypin.ParseKeyType(s)
			return string(t), err
		}))
	}
	if b.Scopes.given() {
		n.Scopes = p.scopes("body.scopes", b.Scopes.Value)
	}
	if len(keypin.CheckScopesForType(n.Type, n.Scopes)) > 0 {
		p.faults.Add("body.scopes", "must be :read scopes only for a read-only key")
	}
	if b.RateLimitPerMin.given() {
		n.RateLimit = p.rateLimit("body.rate_limit_per_min", b.RateLimitPerMin.Value)
	}
	if b.Prefix.given() {
		n.Prefix = p.value("body.prefix", b.Prefix.Value, keypin.ParseKeyPrefix)
	}
	if b.ExpiresAt.given() {
		n.ExpiresAt = p.future("body.expires_at", b.ExpiresAt.Value)
	}
	if b.AllowedIPs.given() {
		n.AllowedIPs = p.ranges("body.allowed_ips", b.AllowedIPs.Value)
	}
	if b.Metadata.given() {
		n.Metadata = p.metadata("body.metadata", b.Metadata.Value)
	}
	return n
}

// ranges reads addresses and CIDR ranges, without duplicates.
func (p *parser) ranges(path string, values []string) []netip.Prefix {
	if len(values) > keypin.MaxAllowedIPs {
		p.faults.Add(path, "must have at most "+strconv.Itoa(keypin.MaxAllowedIPs)+" entries")
		return nil
	}
	ranges := make([]netip.Prefix, 0, len(values))
	seen := map[netip.Prefix]bool{}
	for i, v := range values {
		r, err := keypin.ParseAddressRange(v)
		if err != nil {
			p.faults.Add(path+"["+strconv.Itoa(i)+"]", err.Error())
		} else if !seen[r] {
			seen[r] = true
			ranges = append(ranges, r)
		}
	}
	return ranges
}

type createKeyInput struct {
	WorkspaceHeader
	IdempotencyHeader
}

func (a *API) createKey(ctx context.Context, x *exchange, in *createKeyInput, n admin.NewKey) (*answer[createdKeyFields], error) {
	issued, err := a.Admin.CreateKey(ctx, x.call(in.workspace()), n)
	if err != nil {
		return nil, err
	}
	x.header.Set("Location", "/api/v1/api-keys/"+issued.Key.ID.String())
	x.header.Set("ETag", etag(&issued.Key))
	x.markReplayed(issued.Replayed)
	return answered(x, showIssued(&issued)), nil
}

func (x *exchange) markReplayed(replayed bool) {
	if replayed {
		x.header.Set("Idempotent-Replayed", "true")
	}
}

type keyInput struct {
	WorkspaceHeader
	KeyPath
}

// answerKey answers a key with its ETag.
func answerKey(x *exchange, k *keypin.APIKey) *answer[KeyFields] {
	x.header.Set("ETag", etag(k))
	return answered(x, showKey(k, x.now()))
}

func (a *API) getKey(ctx context.Context, x *exchange, in *keyInput) (*answer[KeyFields], error) {
	k, err := a.Admin.Key(ctx, x.call(in.workspace()), in.KeyID)
	if err != nil {
		return nil, err
	}
	return answerKey(x, &k), nil
}

type updateKeyBody struct {
	Name            optional[string]            `json:"name,omitempty" minLength:"1" pattern:"text120" doc:"1 to 120 characters after trimming; null leaves it." example:"Marketing API Key"`
	Scopes          optional[[]string]          `json:"scopes,omitempty" format:"scope" maxItems:"256" doc:"Replaces the whole list; null leaves it."`
	RateLimitPerMin optional[int64]             `json:"rate_limit_per_min,omitempty" minimum:"1" maximum:"1000000" doc:"How often the key is admitted in any 60 s; null = the service's default." example:"100"`
	Active          optional[bool]              `json:"active,omitempty" doc:"false suspends the key, true undoes it; null leaves it." example:"true"`
	ExpiresAt       optional[time.Time]         `json:"expires_at,omitempty" format:"date-time" doc:"From when on the key is refused; in the future; null = never." example:"2099-01-15T09:30:00Z"`
	AllowedIPs      optional[[]string]          `json:"allowed_ips,omitempty" format:"ip-range" maxItems:"64" doc:"Replaces the whole list; null = anywhere."`
	Metadata        optional[map[string]string] `json:"metadata,omitempty" maxProperties:"32" doc:"Replaces all pairs; null = none."`
}

func (b *updateKeyBody) parse(p *parser) admin.KeyPatch {
	var patch admin.KeyPatch
	if b.Name.given() {
		name := p.text("body.name", b.Name.Value, keypin.ParseKeyName)
		patch.Name = &name
	}
	if b.Scopes.given() {
		scopes := p.scopes("body.scopes", b.Scopes.Value)
		patch.Scopes = &scopes
	}
	if b.Active.given() {
		patch.Active = &b.Active.Value
	}
	if b.RateLimitPerMin.Set {
		var limit *int
		if !b.RateLimitPerMin.Null {
			limit = p.rateLimit("body.rate_limit_per_min", b.RateLimitPerMin.Value)
		}
		patch.RateLimit = &limit
	}
	patch.ExpiresAt = p.expiry("body.expires_at", b.ExpiresAt)
	if b.AllowedIPs.Set {
		ranges := p.ranges("body.allowed_ips", b.AllowedIPs.Value)
		patch.AllowedIPs = &ranges
	}
	if b.Metadata.Set {
		metadata := p.metadata("body.metadata", b.Metadata.Value)
		patch.Metadata = &metadata
	}
	return patch
}

// expiry reads a time that null clears and absence leaves.
func (p *parser) expiry(path string, o optional[time.Time]) **time.Time {
	if !o.Set {
		return nil
	}
	var at *time.Time
	if !o.Null {
		at = p.future(path, o.Value)
	}
	return &at
}

type changeKeyInput struct {
	WorkspaceHeader
	KeyPath
	IfMatchHeader
}

func (a *API) updateKey(ctx context.Context, x *exchange, in *changeKeyInput, patch admin.KeyPatch) (*answer[KeyFields], error) {
	call := x.call(in.workspace())
	call.IfVersion = in.versions()
	k, err := a.Admin.UpdateKey(ctx, call, in.KeyID, patch)
	if err != nil {
		return nil, err
	}
	return answerKey(x, &k), nil
}

func (a *API) revokeKey(ctx context.Context, x *exchange, in *changeKeyInput) (*answer[KeyFields], error) {
	call := x.call(in.workspace())
	call.IfVersion = in.versions()
	k, err := a.Admin.RevokeKey(ctx, call, in.KeyID)
	if err != nil {
		return nil, err
	}
	return answerKey(x, &k), nil
}

type rotateKeyBody struct {
	GracePeriodSeconds optional[int64]     `json:"grace_period_seconds,omitempty" minimum:"0" maximum:"604800" doc:"For how long the old secret still works, in seconds; default 0." example:"3600"`
	ExpiresAt          optional[time.Time] `json:"expires_at,omitempty" format:"date-time" doc:"The new key's; absent = the old key's, null = never." example:"2099-01-15T09:30:00Z"`
}

func (b *rotateKeyBody) parse(p *parser) admin.Rotation {
	var r admin.Rotation
	if b.GracePeriodSeconds.given() {
		longest := int64(keypin.MaxGrace / time.Second)
		if b.GracePeriodSeconds.Value < 0 || b.GracePeriodSeconds.Value > longest {
			p.faults.Add("body.grace_period_seconds", "must be a whole number from 0 to "+strconv.FormatInt(longest, 10))
		} else {
			r.Grace = time.Duration(b.GracePeriodSeconds.Value) * time.Second
		}
	}
	r.ExpiresAt = p.expiry("body.expires_at", b.ExpiresAt)
	return r
}

type rotateKeyInput struct {
	WorkspaceHeader
	KeyPath
	IfMatchHeader
	IdempotencyHeader
}

func (a *API) rotateKey(ctx context.Context, x *exchange, in *rotateKeyInput, r admin.Rotation) (*answer[rotatedKeys], error) {
	call := x.call(in.workspace())
	call.IfVersion = in.versions()
	rotated, err := a.Admin.RotateKey(ctx, call, in.KeyID, r)
	if err != nil {
		return nil, err
	}
	x.markReplayed(rotated.New.Replayed)
	return answered(x, rotatedKeys{OldKey: showKey(&rotated.Old, rotated.New.At), NewKey: showIssued(&rotated.New)}), nil
}
