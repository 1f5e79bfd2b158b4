package httpapi

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/keypin/keypin/internal/keypin"
	"github.com/keypin/keypin/internal/verify"
)

// UnmarshalJSON reads what MarshalJSON writes, and nothing that T does not know.
func (n *nullable[T]) UnmarshalJSON(data []byte) error {
	n.Value = nil
	return strictly(data, &n.Value)
}

func strictly(data []byte, to any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	return d.Decode(to)
}

// source is a verify.KeySource of one key.
type source struct{ key *keypin.APIKey }

func (s *source) KeyByHash(context.Context, keypin.KeyHash) (*keypin.APIKey, error) {
	if s.key == nil {
		return nil, keypin.NotFound()
	}
	return s.key, nil
}

// asked turns rows into the keys that checks are answered with, as a cache does.
type asked struct {
	source source
	cache  *verify.Cache
	n      uint64
}

func newAsked(t *testing.T) *asked {
	t.Helper()
	a := &asked{}
	var err error
	a.cache, err = verify.NewCache(verify.CacheOptions{
		Source: &a.source, Freshness: verify.AlwaysFresh{}, Clock: time.Now, MaxBytes: 1 << 20,
	})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func (a *asked) key(t *rapid.T, row *keypin.APIKey) *verify.Key {
	t.Helper()
	a.n++
	var hash keypin.KeyHash
	binary.BigEndian.PutUint64(hash[:], a.n)
	a.source.key = row
	found, err := a.cache.Find(t.Context(), hash)
	if err != nil || found.Key == nil {
		t.Fatalf("found %+v, %v", found, err)
	}
	return found.Key
}

// drawText is text as a name or metadata may hold it, and worse.
func drawText(t *rapid.T, what string) string {
	pieces := []string{`"`, `\`, "\u2028", "\u2029", "😀", "é", "<script>&", "a b", "/", "\x7f", "漢字", "\ufffd", "\u00a0", "{}", "'", "\t", "\x01"}
	return rapid.OneOf(
		rapid.StringMatching(`[ -~]{0,40}`),
		rapid.StringOf(rapid.Rune()),
		rapid.Map(rapid.SliceOfN(rapid.SampledFrom(pieces), 0, 6), func(s []string) string { return strings.Join(s, "") }),
	).Draw(t, what)
}

func drawTime(t *rapid.T, what string) time.Time {
	// With a fraction, a monotonic reading or another zone, as a caller may have it.
	at := time.Unix(rapid.Int64Range(0, 253402300799).Draw(t, what), rapid.SampledFrom([]int64{0, 1, 999, 1000, 120_000_000, 999_999_999}).Draw(t, what+"_ns"))
	return at.In(time.FixedZone("", rapid.IntRange(-12, 14).Draw(t, what+"_zone")*3600))
}

func drawID(t *rapid.T, what string) (id keypin.ID) {
	copy(id[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, what))
	return id
}

func drawRange(t *rapid.T) netip.Prefix {
	n := rapid.SampledFrom([]int{4, 16}).Draw(t, "family")
	ip, _ := netip.AddrFromSlice(rapid.SliceOfN(rapid.Byte(), n, n).Draw(t, "ip"))
	return netip.PrefixFrom(ip, rapid.IntRange(0, 8*n).Draw(t, "bits")).Masked()
}

func drawRow(t *rapid.T) *keypin.APIKey {
	row := &keypin.APIKey{
		ID: drawID(t, "id"), WorkspaceID: drawID(t, "workspace"), Name: drawText(t, "name"), Active: true,
		Type:       rapid.SampledFrom([]keypin.KeyType{"live", "test", "read-only"}).Draw(t, "type"),
		Scopes:     rapid.SliceOfNDistinct(rapid.SampledFrom([]keypin.Scope{"workflows:read", "voices:read", "api-keys:verify", "catalog:read"}), 0, 4, rapid.ID).Draw(t, "scopes"),
		AllowedIPs: rapid.SliceOfN(rapid.Custom(drawRange), 0, 3).Draw(t, "ranges"),
	}
	for range rapid.IntRange(0, 4).Draw(t, "pairs") {
		if row.Metadata == nil {
			row.Metadata = map[string]string{}
		}
		row.Metadata[drawText(t, "pair")] = drawText(t, "value")
	}
	if rapid.Bool().Draw(t, "expires") {
		at := drawTime(t, "expires_at")
		row.ExpiresAt = &at
	}
	if rapid.Bool().Draw(t, "has_maker") {
		id := drawID(t, "maker")
		row.CreatedBy = &id
	}
	return row
}

// describedAnswer is the answer by the types that describe it.
func describedAnswer(o *verify.Outcome, row *keypin.APIKey, id string, now time.Time) envelope[verification] {
	want := envelope[verification]{Meta: meta{RequestID: id, Timestamp: keypin.Timestamp(now)}}
	want.Data.Valid, want.Data.Code = o.Code == verify.CodeValid, string(o.Code)
	if o.Limited {
		want.Data.RateLimit.Value = &limitState{Limit: o.RateLimit.Limit, Remaining: o.RateLimit.Remaining, ResetAt: keypin.Timestamp(o.RateLimit.ResetAt)}
	}
	if row == nil {
		return want
	}
	k := &verifiedKey{
		ID: row.ID, WorkspaceID: row.WorkspaceID, Name: row.Name, KeyType: string(row.Type),
		Scopes: []string{}, Metadata: map[string]string{}, AllowedIPs: []string{},
	}
	if row.CreatedBy != nil && !row.CreatedBy.IsZero() {
		k.CreatedBy = row.CreatedBy
	}
	for _, s := range row.Scopes {
		k.Scopes = append(k.Scopes, string(s))
	}
	for name, value := range row.Metadata {
		k.Metadata[name] = value
	}
	for _, p := range row.AllowedIPs {
		k.AllowedIPs = append(k.AllowedIPs, keypin.FormatAddressRange(p))
	}
	if row.ExpiresAt != nil {
		at := keypin.Timestamp(*row.ExpiresAt)
		k.ExpiresAt = &at
	}
	want.Data.APIKey.Value = k
	return want
}

func TestTheHandWrittenAnswerIsWhatItsTypesWrite(t *testing.T) {
	a, shape := newAsked(t), answerShape(t)
	codes := verificationCodes(t)
	rapid.Check(t, func(t *rapid.T) {
		o := verify.Outcome{Code: verify.Code(rapid.SampledFrom(codes).Draw(t, "code")), Limited: rapid.Bool().Draw(t, "limited")}
		var row *keypin.APIKey
		if rapid.Bool().Draw(t, "has_key") {
			row = drawRow(t)
			o.Key = a.key(t, row)
		}
		o.RateLimit = keypin.RateLimit{
			Limit: rapid.IntRange(1, 1_000_000).Draw(t, "limit"), Remaining: rapid.IntRange(0, 1_000_000).Draw(t, "remaining"), ResetAt: drawTime(t, "reset_at"),
		}
		id, now := rapid.SampledFrom([]string{"", "req_"}).Draw(t, "form")+drawID(t, "request").String(), drawTime(t, "now")

		before := []byte("before ")
		got := bytes.TrimPrefix(appendVerification(slices.Clone(before), &o, id, now), before)
		var want bytes.Buffer
		if err := encodeJSON(&want, describedAnswer(&o, row, id, now)); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want.String(), string(got)); diff != "" {
			t.Fatalf("(-described +written):\n%s", diff)
		}
		var back envelope[verification]
		if err := strictly(got, &back); err != nil {
			t.Fatalf("%v\n%s", err, got)
		}
		var again bytes.Buffer
		if err := encodeJSON(&again, back); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(again.Bytes(), got) {
			t.Fatalf("read and written again:\n%s\n%s", again.Bytes(), got)
		}
		var value any
		if err := json.Unmarshal(got, &value); err != nil {
			t.Fatal(err)
		}
		for _, fault := range shape.faults("", shape.root, value) {
			t.Errorf("the document does not describe it: %s", fault)
		}
	})
}

// shape is a schema of the OpenAPI document, with the ones that it refers to.
type shape struct {
	root    map[string]any
	schemas map[string]any
}

// answerShape is what the document says that a check is answered with.
func answerShape(t *testing.T) *shape {
	t.Helper()
	var doc map[string]any
	if err := json.Unmarshal(documentOf(t), &doc); err != nil {
		t.Fatal(err)
	}
	root := dig(doc, "paths", VerifyPath, "post", "responses", "200", "content", "application/json", "schema")
	schemas := dig(doc, "components", "schemas")
	if root == nil || schemas == nil {
		t.Fatal("the document does not describe the answer")
	}
	return &shape{root: root, schemas: schemas}
}

func dig(v map[string]any, path ...string) map[string]any {
	for _, p := range path {
		v, _ = v[p].(map[string]any)
	}
	return v
}

// verificationCodes are the codes that the document lists.
func verificationCodes(t *testing.T) []string {
	t.Helper()
	s := answerShape(t)
	data := s.resolve(dig(s.resolve(s.root), "properties", "data"))
	var codes []string
	list, _ := dig(data, "properties", "code")["enum"].([]any)
	for _, code := range list {
		codes = append(codes, fmt.Sprint(code))
	}
	if len(codes) != 10 {
		t.Fatalf("the document lists the codes %v", codes)
	}
	return codes
}

func (s *shape) resolve(schema map[string]any) map[string]any {
	for {
		ref, ok := schema["$ref"].(string)
		if !ok {
			return schema
		}
		schema, _ = s.schemas[strings.TrimPrefix(ref, "#/components/schemas/")].(map[string]any)
	}
}

// faults lists where the value is not as the schema has it: types, fields that are
// missing, and fields that are not described.
func (s *shape) faults(path string, schema map[string]any, value any) (faults []string) {
	schema = s.resolve(schema)
	if anyOf, ok := schema["anyOf"].([]any); ok {
		for _, one := range anyOf {
			one, _ := one.(map[string]any)
			more := s.faults(path, one, value)
			if len(more) == 0 {
				return nil
			}
			faults = append(faults, more...)
		}
		return faults
	}
	types, _ := schema["type"].([]any)
	if types == nil {
		types = []any{schema["type"]}
	}
	kind := map[bool]string{true: "null"}[value == nil]
	switch v := value.(type) {
	case bool:
		kind = "boolean"
	case float64:
		kind = "integer"
	case string:
		kind = "string"
		if enum, ok := schema["enum"].([]any); ok && !slices.Contains(enum, any(v)) {
			faults = append(faults, path+" is none of its enum")
		}
	case []any:
		kind = "array"
		items, _ := schema["items"].(map[string]any)
		for i, item := range v {
			faults = append(faults, s.faults(fmt.Sprintf("%s[%d]", path, i), items, item)...)
		}
	case map[string]any:
		kind = "object"
		faults = append(faults, s.members(path, schema, v)...)
	}
	if !slices.Contains(types, any(kind)) {
		faults = append(faults, fmt.Sprintf("%s is %s, not %v", path, kind, types))
	}
	return faults
}

func (s *shape) members(path string, schema, value map[string]any) (faults []string) {
	required, _ := schema["required"].([]any)
	for _, name := range required {
		if _, ok := value[fmt.Sprint(name)]; !ok {
			faults = append(faults, fmt.Sprintf("%s.%s is missing", path, name))
		}
	}
	others, _ := schema["additionalProperties"].(map[string]any)
	for name, v := range value {
		member := dig(schema, "properties", name)
		if member == nil {
			member = others
		}
		if member == nil {
			faults = append(faults, path+"."+name+" is not described")
			continue
		}
		faults = append(faults, s.faults(path+"."+name, member, v)...)
	}
	return faults
}

// A comparison that finds nothing proves something only if it would find.
func TestTheShapeOfTheAnswerIsToldFromOthers(t *testing.T) {
	s := answerShape(t)
	for name, body := range map[string]string{
		"empty":             `{}`,
		"a code of its own": `{"data":{"valid":true,"code":"fine","api_key":null,"rate_limit":null},"meta":{"request_id":"x","timestamp":"2026-01-01T00:00:00Z"}}`,
		"no limit":          `{"data":{"valid":true,"code":"valid","api_key":null},"meta":{"request_id":"x","timestamp":"2026-01-01T00:00:00Z"}}`,
		"a field more":      `{"data":{"valid":true,"code":"valid","api_key":null,"rate_limit":null,"x":1},"meta":{"request_id":"x","timestamp":"2026-01-01T00:00:00Z"}}`,
		"another type":      `{"data":{"valid":"true","code":"valid","api_key":null,"rate_limit":null},"meta":{"request_id":"x","timestamp":"2026-01-01T00:00:00Z"}}`,
		"half a key":        `{"data":{"valid":true,"code":"valid","api_key":{"id":"x"},"rate_limit":null},"meta":{"request_id":"x","timestamp":"2026-01-01T00:00:00Z"}}`,
	} {
		var value any
		if err := json.Unmarshal([]byte(body), &value); err != nil {
			t.Fatal(err)
		}
		if len(s.faults("", s.root, value)) == 0 {
			t.Errorf("%s: no fault", name)
		}
	}
}
