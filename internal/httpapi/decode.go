package httpapi

import (
	"bytes"
	"encoding/json"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"github.com/keypin/keypin/internal/keypin"
	"github.com/keypin/keypin/internal/strictjson"
	"github.com/keypin/keypin/internal/token"
)

// Bounds of a request's body.
const (
	maxBody   = 64 << 10
	maxScopes = 256
	maxFaults = 64 // details in one answer; more would only repeat them
)

// optional is a body's field that may be absent or null; the two differ.
type optional[T any] struct {
	Set   bool // present, with a value or null
	Null  bool
	Value T
}

// given reports whether there is a value.
func (o optional[T]) given() bool { return o.Set && !o.Null }

// Schema describes T or null, for the OpenAPI document.
func (optional[T]) Schema(r huma.Registry) *huma.Schema {
	s := *r.Schema(reflect.TypeFor[T](), true, "")
	s.Nullable = true
	return &s
}

// required is a body's field that must hold a value.
type required[T any] struct {
	Set   bool // present, with a value of the right type
	Value T
}

// Schema describes T, for the OpenAPI document.
func (required[T]) Schema(r huma.Registry) *huma.Schema {
	s := *r.Schema(reflect.TypeFor[T](), true, "")
	s.Nullable = false
	return &s
}

// bodyField is what decodeBody fills: optional and required.
type bodyField interface {
	decode(raw json.RawMessage, path string, faults *keypin.Faults)
}

func (o *optional[T]) decode(raw json.RawMessage, path string, faults *keypin.Faults) {
	o.Set, o.Null = raw != nil, string(raw) == "null"
	if o.given() {
		o.Set = decodeValue(raw, path, &o.Value, faults)
	}
}

func (q *required[T]) decode(raw json.RawMessage, path string, faults *keypin.Faults) {
	if raw == nil {
		faults.Add(path, "is required")
		return
	}
	q.Set = decodeValue(raw, path, &q.Value, faults)
}

// decodeValue reads one JSON value into dst, strictly by its type, and reports
// whether it could.
func decodeValue(raw json.RawMessage, path string, dst any, faults *keypin.Faults) bool {
	before := len(*faults)
	switch d := dst.(type) {
	case *string:
		if json.Unmarshal(raw, d) != nil || raw[0] != '"' {
			faults.Add(path, "must be a string")
		}
	case *bool:
		if json.Unmarshal(raw, d) != nil || raw[0] == 'n' {
			faults.Add(path, "must be true or false")
		}
	case *int64:
		n, ok := wholeNumber(raw)
		if !ok {
			faults.Add(path, "must be a whole number")
		}
		*d = n
	case *time.Time:
		if !rfc3339.Match(raw) || json.Unmarshal(bytes.ToUpper(raw), d) != nil {
			faults.Add(path, "must be a time as RFC 3339 writes it, such as 2027-01-31T12:00:00Z")
		}
	case *[]string:
		var items []json.RawMessage
		if json.Unmarshal(raw, &items) != nil || raw[0] != '[' {
			faults.Add(path, "must be a list of strings")
			return false
		}
		*d = make([]string, len(items))
		for i, item := range items {
			decodeValue(item, path+"["+strconv.Itoa(i)+"]", &(*d)[i], faults)
		}
	case *map[string]string:
		var members map[string]json.RawMessage
		if json.Unmarshal(raw, &members) != nil || raw[0] != '{' {
			faults.Add(path, "must be an object whose values are strings")
			return false
		}
		*d = make(map[string]string, len(members))
		for name, value := range members {
			var s string
			if json.Unmarshal(value, &s) != nil || value[0] != '"' {
				faults.Add(path, "must be an object whose values are strings")
				return false
			}
			(*d)[name] = s
		}
	}
	return len(*faults) == before
}

// rfc3339 is a date-time of RFC 3339 section 5.6 as a JSON string. Go's parser also
// takes a comma and offsets of more than a day, and refuses lower-case letters.
var rfc3339 = regexp.MustCompile(`^"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"$`)

// wholeNumber reads a JSON number that is a whole one, however it is written.
func wholeNumber(raw json.RawMessage) (int64, bool) {
	if n, err := strconv.ParseInt(string(raw), 10, 64); err == nil {
		return n, true
	}
	var f float64
	if raw[0] == 'n' || json.Unmarshal(raw, &f) != nil || f != math.Trunc(f) || math.Abs(f) > 1<<53 {
		return 0, false
	}
	return int64(f), true
}

// decodeBody reads a JSON object into the bodyFields of dst, a pointer to a
// struct, by their json names. It notes every fault; values are usable only when
// there is none.
func decodeBody(data []byte, dst any, faults *keypin.Faults) {
	if err := strictjson.Check(data); err != nil {
		faults.Add("body", err.Error())
		return
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(data, &members) != nil || members == nil {
		faults.Add("body", "must be a JSON object")
		return
	}
	v := reflect.ValueOf(dst).Elem()
	known := make([]string, 0, v.NumField())
	for i := range v.NumField() {
		field, ok := v.Field(i).Addr().Interface().(bodyField)
		if !ok {
			continue
		}
		name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
		known = append(known, name)
		field.decode(members[name], "body."+name, faults)
		delete(members, name)
	}
	if len(members) > 0 {
		faults.Add("body", "has a field that is not known; the fields are "+strings.Join(known, ", "))
	}
}

// parser turns decoded fields into what the use cases take, by the domain's rules.
type parser struct {
	registry *keypin.Registry
	now      time.Time
	faults   *keypin.Faults
	// replayable is set for a request with an Idempotency-Key. Whether its times lie
	// ahead is then for the use case to judge, after it has looked for a stored answer.
	replayable bool
	// passed are the times of a replayable request that do not lie ahead: faults too if
	// there are others, since what has faults was never answered otherwise.
	passed keypin.Faults
}

// text applies a rule to a text that people read later, which therefore must not
// hold a key.
func (p *parser) text(path, s string, rule func(string) (string, error)) string {
	if token.Contains(s) {
		p.faults.Add(path, "must not contain an API key")
		return ""
	}
	return p.value(path, s, rule)
}

// value applies a rule to a string.
func (p *parser) value(path, s string, rule func(string) (string, error)) string {
	out, err := rule(s)
	if err != nil {
		p.faults.Add(path, err.Error())
	}
	return out
}

// scopes reads a list of scopes; it answers them in registry order.
func (p *parser) scopes(path string, names []string) []keypin.Scope {
	known, _ := p.registry.Normalize(p.needed(nil, path, names))
	return known
}

// needed appends a list of scopes, each of which must be one.
func (p *parser) needed(scopes []keypin.Scope, path string, names []string) []keypin.Scope {
	if len(names) > maxScopes {
		p.faults.Add(path, "must have at most "+strconv.Itoa(maxScopes)+" entries")
		return nil
	}
	for i, n := range names {
		if !p.registry.Has(keypin.Scope(n)) {
			p.faults.Add(path+"["+strconv.Itoa(i)+"]", "must be a scope of this service; they are listed in its OpenAPI document")
		}
		scopes = append(scopes, keypin.Scope(n))
	}
	return scopes
}

// rateLimit reads a limit per minute.
func (p *parser) rateLimit(path string, n int64) *int {
	if err := keypin.CheckRateLimit(n); err != nil {
		p.faults.Add(path, err.Error())
		return nil
	}
	limit := int(n)
	return &limit
}

// future reads a time that must lie ahead and within what can be stored.
func (p *parser) future(path string, t time.Time) *time.Time {
	const right = "must be in the future, and before the year 10000"
	t = keypin.Timestamp(t)
	switch {
	case t.Year() < 1970 || t.Year() > 9999 || !t.After(p.now) && !p.replayable:
		p.faults.Add(path, right)
	case !t.After(p.now):
		p.passed.Add(path, right)
	}
	return &t
}

// metadata checks a key's metadata. Its faults do not name a pair: the caller chose
// its name.
func (p *parser) metadata(path string, pairs map[string]string) map[string]string {
	if len(pairs) > keypin.MaxMetadataPairs {
		p.faults.Add(path, "must have at most "+strconv.Itoa(keypin.MaxMetadataPairs)+" pairs")
	}
	for k, v := range pairs {
		switch {
		case k == "" || utf8.RuneCountInString(k) > keypin.MaxMetadataKey:
			p.faults.Add(path, "must have names of 1 to "+strconv.Itoa(keypin.MaxMetadataKey)+" characters")
		case utf8.RuneCountInString(v) > keypin.MaxMetadataValue:
			p.faults.Add(path, "must have values of at most "+strconv.Itoa(keypin.MaxMetadataValue)+" characters")
		case strings.ContainsRune(k, 0) || strings.ContainsRune(v, 0):
			p.faults.Add(path, "must not contain the NUL character")
		case token.Contains(k) || token.Contains(v):
			p.faults.Add(path, "must not contain an API key")
		}
	}
	return pairs
}

// dedupe drops repeated faults and bounds their number.
func dedupe(faults keypin.Faults) keypin.Faults {
	var out keypin.Faults
	for _, d := range faults {
		if len(out) == maxFaults {
			break
		}
		if !slices.Contains(out, d) {
			out = append(out, d)
		}
	}
	return out
}
