package httpapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/keypin/keypin/internal/keypin"
)

const bearerScheme = "bearer"

// document is the OpenAPI document as it is served.
type document struct{ json, yaml []byte }

// Document is the OpenAPI 3.1 document as JSON, the same bytes as /openapi.json.
func (a *API) Document() []byte { return a.document.json }

// nullable is a part of an answer that may be null.
type nullable[T any] struct{ Value *T }

// MarshalJSON writes the value or null, as every answer is written.
func (n nullable[T]) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	err := encodeJSON(&b, n.Value)
	return b.Bytes(), err
}

// Schema describes T or null.
func (nullable[T]) Schema(r huma.Registry) *huma.Schema {
	return &huma.Schema{AnyOf: []*huma.Schema{r.Schema(reflect.TypeFor[T](), true, ""), {Type: "null"}}}
}

func schemaOf[D any](a *API) *huma.Schema {
	return a.huma.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[D](), true, "")
}

func tagOf(path string) string {
	switch {
	case strings.HasSuffix(path, "/usage"):
		return "usage"
	case strings.HasPrefix(path, "/api/v1/api-keys"):
		return "api-keys"
	case strings.Contains(path, "/members"), strings.Contains(path, "/invites"):
		return "members"
	case strings.HasPrefix(path, "/api/v1/workspaces"):
		return "workspaces"
	case strings.HasPrefix(path, "/api/v1/auth"):
		return "auth"
	default:
		return "health"
	}
}

func (a *API) describe() *huma.OpenAPI {
	return &huma.OpenAPI{
		OpenAPI: "3.1.0",
		Info: &huma.Info{
			Title:       "Keypin",
			Version:     "1.0.0",
			Description: "Issues, scopes, rate-limits, rotates, revokes and verifies API keys.\n\nSend a session token or an API key as `Authorization: Bearer <token>`. Every answer carries its request id in `X-Request-Id`. Errors have a stable `code`, and `details` that name every field at fault.",
			License:     &huma.License{Name: "Apache-2.0", Identifier: "Apache-2.0"},
		},
		Servers: []*huma.Server{{URL: "/", Description: "This server."}},
		Tags: []*huma.Tag{
			{Name: "api-keys", Description: "Issue, change, revoke and verify keys."},
			{Name: "usage", Description: "How keys are used."},
			{Name: "auth", Description: "Who is calling."},
			{Name: "workspaces", Description: "What owns keys."},
			{Name: "members", Description: "Who may manage them."},
			{Name: "health", Description: "Whether the service works."},
		},
		Components: &huma.Components{
			Schemas:  huma.NewMapRegistry("#/components/schemas/", schemaName),
			Headers:  describeHeaders(),
			Examples: describeErrors(),
			SecuritySchemes: map[string]*huma.SecurityScheme{bearerScheme: {
				Type: "http", Scheme: "bearer",
				Description: "A session token (a JWT of Clerk or of a configured OpenID Connect issuer), or an API key.",
			}},
		},
	}
}

// schemaNames are the names that readers of the document meet.
var schemaNames = map[string]string{
	"KeyFields": "ApiKey", "createdKeyFields": "CreatedApiKey", "rotatedKeys": "RotatedApiKeys",
	"createKeyBody": "CreateApiKeyRequest", "updateKeyBody": "UpdateApiKeyRequest", "rotateKeyBody": "RotateApiKeyRequest",
	"verifyBody": "VerifyApiKeyRequest", "verification": "Verification", "verifiedKey": "VerifiedApiKey", "limitState": "RateLimitState",
	"keyUsageFields": "ApiKeyUsage", "workspaceUsageFields": "WorkspaceUsage", "usagePoint": "UsagePoint", "lastUseFields": "LastUse", "topKeyFields": "TopApiKey",
	"WorkspaceFields": "Workspace", "deletedWorkspace": "DeletedWorkspace", "settingsFields": "WorkspaceSettings", "slugAvailability": "SlugAvailability",
	"createWorkspaceBody": "CreateWorkspaceRequest", "updateWorkspaceBody": "UpdateWorkspaceRequest", "updateSettingsBody": "UpdateWorkspaceSettingsRequest",
	"MemberFields": "Member", "InviteFields": "Invite", "createdInviteFields": "CreatedInvite", "acceptedInvite": "AcceptedInvite",
	"roleBody": "RoleRequest", "inviteBody": "CreateInviteRequest", "whoAmIFields": "WhoAmI", "probe": "Probe",
	"problem": "Error", "errorBody": "ErrorBody", "errorDetail": "ErrorDetail", "meta": "Meta", "pagination": "Pagination",
}

var typeArgument = regexp.MustCompile(`^(envelope|listEnvelope)\[.*?([A-Za-z]+)\]$`)

func schemaName(t reflect.Type, hint string) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if m := typeArgument.FindStringSubmatch(t.Name()); m != nil {
		return schemaNames[m[2]] + map[string]string{"envelope": "Response", "listEnvelope": "ListResponse"}[m[1]]
	}
	if name, ok := schemaNames[t.Name()]; ok {
		return name
	}
	return huma.DefaultSchemaNamer(t, hint) // of types that are described in place
}

// finishDocument adds what Go types cannot say, and renders the document. It must
// run after the last operation was registered.
func (a *API) finishDocument() {
	o := a.huma.OpenAPI()
	schemas := o.Components.Schemas.Map()
	for _, name := range slices.Sorted(maps.Keys(schemas)) {
		s := schemas[name]
		request := strings.HasSuffix(name, "Request")
		if !request && s.Type == huma.TypeObject {
			s.AdditionalProperties = nil // answers may grow
		}
		for property, ps := range s.Properties {
			a.refine(ps)
			if request && property == "metadata" {
				boundMetadata(ps)
			}
		}
		if name == "CreateApiKeyRequest" {
			s.Extensions = onlyReadScopes()
		}
	}
	for _, path := range o.Paths {
		for _, op := range []*huma.Operation{path.Get, path.Post, path.Patch, path.Delete} {
			if op != nil {
				a.finishOperation(op)
			}
		}
	}
	var buf bytes.Buffer
	raw, err := json.Marshal(o)
	if err == nil {
		err = json.Indent(&buf, raw, "", "  ")
	}
	if err != nil {
		panic(fmt.Sprintf("httpapi: rendering the OpenAPI document: %v", err))
	}
	buf.WriteByte('\n')
	a.document.json = buf.Bytes()
	if a.document.yaml, err = o.YAML(); err != nil {
		panic(fmt.Sprintf("httpapi: rendering the OpenAPI document: %v", err))
	}
	a.forgetDescriptions()
}

// forgetDescriptions drops what was described for the document alone: of bodies and
// answers, which huma neither reads nor checks here. Each collection of garbage would go
// through it. Parameters, which huma does check, hold their own schemas.
func (a *API) forgetDescriptions() {
	o := a.huma.OpenAPI()
	o.Components.Examples, o.Components.Headers = nil, nil
	o.Components.Schemas = huma.NewMapRegistry("#/components/schemas/", schemaName)
	for _, path := range o.Paths {
		for _, op := range []*huma.Operation{path.Get, path.Post, path.Patch, path.Delete} {
			if op != nil {
				op.Responses, op.RequestBody = nil, nil
			}
		}
	}
}

// refine replaces the marks that the field tags hold for what is known only here.
func (a *API) refine(s *huma.Schema) {
	target := s
	if s.Items != nil {
		target = s.Items
	}
	switch {
	case target.Format == "scope":
		target.Format, target.Enum = "", nil
		for _, name := range a.Registry.Names() {
			target.Enum = append(target.Enum, string(name))
		}
	case target.Format == "ip-address":
		target.Format, target.Type, target.Nullable = "", "", false
		target.AnyOf = []*huma.Schema{{Type: huma.TypeString, Format: "ipv4"}, {Type: huma.TypeString, Format: "ipv6"}, {Type: "null"}}
	case target.Pattern == "text120":
		target.Pattern = textPattern(keypin.MaxNameLength)
	case target.Pattern == "text200":
		target.Pattern = textPattern(keypin.MaxWorkspaceName)
	}
	if s.Nullable && len(s.Enum) > 0 && !slices.Contains(s.Enum, any(nil)) {
		s.Enum = append(s.Enum, nil)
	}
	target.PrecomputeMessages()
}

// textPattern says what keypin.ParseText checks, in the syntax that ECMA, Python
// and Go share: characters that are not control characters, 1 to longest of them
// once the spaces around are trimmed.
func textPattern(longest int) string {
	const spaces = " \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
	const control = `\x00-\x1f\x7f-\x9f`
	inner, solid := "[^"+control+"]", "[^"+control+spaces+"]"
	return "^[" + spaces + "]*" + solid + "(" + inner + "{0," + strconv.Itoa(longest-2) + "}" + solid + ")?[" + spaces + "]*$"
}

func boundMetadata(s *huma.Schema) {
	longest, shortest := keypin.MaxMetadataValue, 1
	s.AdditionalProperties = &huma.Schema{Type: huma.TypeString, MaxLength: &longest, Pattern: `^[^\x00]*$`}
	s.Extensions = map[string]any{"propertyNames": map[string]any{
		"type": huma.TypeString, "minLength": shortest, "maxLength": keypin.MaxMetadataKey, "pattern": `^[^\x00]*$`}}
}

// onlyReadScopes says that a read-only key holds :read scopes only.
func onlyReadScopes() map[string]any {
	type properties = map[string]any
	return map[string]any{
		"if": properties{"required": []string{"key_type"}, "properties": properties{"key_type": properties{"const": string(keypin.KeyReadOnly)}}},
		"then": properties{"properties": properties{"scopes": properties{
			"items": properties{"type": huma.TypeString, "pattern": ":read$"}}}},
	}
}

// finishOperation documents the headers of the answers, and every error.
func (a *API) finishOperation(op *huma.Operation) {
	for _, p := range op.Parameters {
		a.refine(p.Schema)
	}
	delete(op.Responses, "default")
	keyed := len(op.Security) > 0
	for _, r := range op.Responses {
		r.Headers = map[string]*huma.Param{"X-Request-Id": headerRef("X-Request-Id")}
		if keyed {
			describeRateLimit(r)
		}
	}
	for status, codes := range a.errorsOf(op) {
		r := &huma.Response{
			Description: http.StatusText(status) + ". Codes: `" + strings.Join(codes, "`, `") + "`.",
			Headers:     map[string]*huma.Param{"X-Request-Id": headerRef("X-Request-Id")},
			Content: map[string]*huma.MediaType{"application/json": {
				Schema:   schemaOf[problem](a),
				Examples: map[string]*huma.Example{},
			}},
		}
		for _, code := range codes {
			r.Content["application/json"].Examples[code] = &huma.Example{Ref: "#/components/examples/" + code}
		}
		switch status {
		case http.StatusUnauthorized:
			r.Headers["WWW-Authenticate"] = headerRef("WWW-Authenticate")
		case http.StatusTooManyRequests:
			r.Headers["Retry-After"] = headerRef("Retry-After")
			describeRateLimit(r)
		case http.StatusServiceUnavailable:
			r.Headers["Retry-After"] = headerRef("Retry-After")
		case http.StatusUpgradeRequired:
			r.Headers["X-OnePin-Required-Version"] = headerRef("X-OnePin-Required-Version")
		}
		op.Responses[strconv.Itoa(status)] = r
	}
	describeSuccess(op)
}

// describeSuccess documents the headers that only some operations answer with.
func describeSuccess(op *huma.Operation) {
	r := op.Responses[strconv.Itoa(op.DefaultStatus)]
	switch op.OperationID {
	case "create-api-key", "get-api-key", "update-api-key", "delete-api-key":
		r.Headers["ETag"] = headerRef("ETag")
	}
	if op.DefaultStatus == http.StatusCreated && op.OperationID != "create-invite" {
		r.Headers["Location"] = headerRef("Location")
	}
	for _, p := range op.Parameters {
		if p.Name == "Idempotency-Key" {
			r.Headers["Idempotent-Replayed"] = headerRef("Idempotent-Replayed")
		}
	}
}

func headerRef(name string) *huma.Param { return &huma.Param{Ref: "#/components/headers/" + name} }

// describeHeaders describes the headers of answers.
func describeHeaders() map[string]*huma.Param {
	headers := map[string]*huma.Param{}
	for name, description := range map[string]string{
		"X-Request-Id":              "The id of this request, also in meta.request_id.",
		"ETag":                      "Names this state of the key's settings; send it as If-Match.",
		"Location":                  "Where the new thing is.",
		"Idempotent-Replayed":       "true when this is the stored answer of an earlier request.",
		"WWW-Authenticate":          "The challenge of RFC 6750.",
		"Retry-After":               "How many seconds to wait; 1 to 60 for a rate limit.",
		"X-OnePin-Required-Version": "The oldest version of the SDK that is still served.",
		"X-RateLimit-Limit":         "Admissions of the calling key in any 60 s; absent without a limit.",
		"X-RateLimit-Remaining":     "Admissions left.",
		"X-RateLimit-Reset":         "When the oldest counted admission leaves the window, in Unix epoch seconds.",
		"RateLimit-Policy":          "The limit, as the IETF draft writes it.",
		"RateLimit":                 "Its state, as the IETF draft writes it.",
	} {
		headers[name] = &huma.Param{Description: description, Schema: &huma.Schema{Type: huma.TypeString}}
	}
	return headers
}

func describeRateLimit(r *huma.Response) {
	for _, name := range []string{"X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset", "RateLimit-Policy", "RateLimit"} {
		r.Headers[name] = headerRef(name)
	}
}

// describeErrors shows every error as it looks on the wire.
func describeErrors() map[string]*huma.Example {
	examples := map[string]*huma.Example{}
	for code := range statusOf {
		examples[string(code)] = &huma.Example{Value: exampleError(string(code))}
	}
	return examples
}

// errorsOf lists the errors that an operation can answer with.
func (a *API) errorsOf(op *huma.Operation) map[int][]string {
	byStatus := map[int][]string{}
	add := func(codes ...keypin.Code) {
		for _, c := range codes {
			byStatus[statusOf[c]] = append(byStatus[statusOf[c]], string(c))
		}
	}
	add(keypin.CodeNotAcceptable, keypin.CodeUpgradeRequired, keypin.CodeValidation, keypin.CodeInternal, keypin.CodeUnavailable)
	if len(op.Security) > 0 {
		add(keypin.CodeUnauthorized, keypin.CodeForbidden, keypin.CodeInsufficientScope, keypin.CodeWorkspaceForbidden, keypin.CodeRateLimited)
	}
	if op.RequestBody != nil {
		add(keypin.CodePayloadTooLarge, keypin.CodeUnsupportedMediaType)
	}
	for _, p := range op.Parameters {
		switch p.Name {
		case "key_id", "member_id", "invite_id", "token":
			add(keypin.CodeNotFound)
		case "Idempotency-Key":
			add(keypin.CodeConflict)
		case "If-Match":
			add(keypin.CodePreconditionFailed)
		}
	}
	switch op.OperationID {
	case "update-api-key":
		add(keypin.CodeKeyRevoked)
	case "rotate-api-key":
		add(keypin.CodeKeyRevoked, keypin.CodeKeyInactive, keypin.CodeKeyExpired)
	case "create-workspace", "update-workspace":
		add(keypin.CodeSlugTaken)
	case "update-member", "remove-member":
		add(keypin.CodeConflict)
	case "accept-invite":
		add(keypin.CodeConflict, keypin.CodeGone)
	case "update-invite", "revoke-invite":
		add(keypin.CodeGone)
	}
	return byStatus
}

// exampleError is an error as it looks on the wire.
func exampleError(code string) map[string]any {
	details := []any{}
	if code == string(keypin.CodeValidation) {
		details = []any{map[string]any{"field": "body.name", "message": "must be 1 to 120 characters after trimming, without control characters"}}
	}
	return map[string]any{
		"error": map[string]any{"code": code, "message": "A sentence that says what went wrong.", "details": details},
		"meta":  map[string]any{"request_id": "req_123e4567-e89b-12d3-a456-426614174000", "timestamp": "2026-04-25T12:00:00Z"},
	}
}

// pageURL is the absolute URL of this request with another offset.
func (a *API) pageURL(x *exchange, offset int) *string {
	q := x.request.URL.Query()
	q.Set("offset", strconv.Itoa(offset))
	u := url.URL{Path: x.request.URL.Path, RawQuery: q.Encode()}
	s := a.BaseURL(x.request) + u.String()
	return &s
}
