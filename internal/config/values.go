package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/keypin/keypin/internal/keypin"
)

// value reads and shows one field of the configuration.
type value interface {
	// set takes what the YAML parser made of the value, or the string of an
	// environment variable or flag. What cannot be taken is added to problems under
	// field.
	set(raw any, field string, problems *Problems)
	// plain is the value for printing: a string, a bool, a number, a list of strings
	// or JSON. It holds no secret.
	plain() any
}

type text struct{ field *string }

func (v text) plain() any { return *v.field }
func (v text) set(raw any, field string, problems *Problems) {
	s, ok := raw.(string)
	if !ok {
		problems.add(field, "is "+typeName(raw), "write a text; one that looks like something else goes in quotes")
		return
	}
	*v.field = s
}

type secret struct{ field *keypin.Secret }

func (v secret) plain() any {
	if v.field.IsZero() {
		return ""
	}
	return v.field.String()
}

func (v secret) set(raw any, field string, problems *Problems) {
	var s string
	before := len(*problems)
	if (text{&s}).set(raw, field, problems); len(*problems) == before {
		*v.field = keypin.NewSecret(s)
	}
}

// location is a URL that may hold a password, which is masked where it is shown.
type location struct{ field *keypin.Secret }

func (v location) plain() any { return ShownURL(*v.field) }

func (v location) set(raw any, field string, problems *Problems) { secret(v).set(raw, field, problems) }

type boolean struct{ field *bool }

func (v boolean) plain() any { return *v.field }
func (v boolean) set(raw any, field string, problems *Problems) {
	switch b := raw.(type) {
	case bool:
		*v.field = b
		return
	case string:
		if b == "true" || b == "false" {
			*v.field = b == "true"
			return
		}
	}
	problems.add(field, "is "+shown(raw), "must be true or false")
}

type whole struct{ field *int }

func (v whole) plain() any { return *v.field }
func (v whole) set(raw any, field string, problems *Problems) {
	switch n := raw.(type) {
	case int:
		*v.field = n
		return
	case string:
		if parsed, err := strconv.Atoi(n); err == nil {
			*v.field = parsed
			return
		}
	}
	problems.add(field, "is "+shown(raw), "must be a whole number")
}

type duration struct{ field *time.Duration }

func (v duration) plain() any { return v.field.String() }
func (v duration) set(raw any, field string, problems *Problems) {
	if s, ok := raw.(string); ok {
		if d, err := time.ParseDuration(s); err == nil {
			*v.field = d
			return
		}
	}
	problems.add(field, "is "+shown(raw), "must be a duration with its unit, such as 500ms, 20s or 1m30s")
}

type texts struct{ field *[]string }

func (v texts) plain() any { return *v.field }
func (v texts) set(raw any, field string, problems *Problems) {
	switch list := raw.(type) {
	case string:
		*v.field = splitList(list)
		return
	case []any:
		out := make([]string, 0, len(list))
		for i, item := range list {
			var s string
			text{&s}.set(item, fmt.Sprintf("%s[%d]", field, i), problems)
			out = append(out, s)
		}
		*v.field = out
		return
	}
	problems.add(field, "is "+typeName(raw), "must be a list of texts")
}

type ranges struct{ field *[]netip.Prefix }

func (v ranges) plain() any {
	out := make([]string, len(*v.field))
	for i, p := range *v.field {
		out[i] = keypin.FormatAddressRange(p)
	}
	return out
}

func (v ranges) set(raw any, field string, problems *Problems) {
	var list []string
	before := len(*problems)
	if (texts{&list}).set(raw, field, problems); len(*problems) > before {
		return
	}
	out := make([]netip.Prefix, 0, len(list))
	for i, s := range list {
		p, err := keypin.ParseAddressRange(s)
		if err != nil {
			problems.add(fmt.Sprintf("%s[%d]", field, i), "is "+shown(s), err.Error())
		}
		out = append(out, p)
	}
	*v.field = out
}

// objects is a list of objects, each with settings of its own. In an environment
// variable it is JSON.
type objects[T any] struct {
	field    *[]T
	settings func(*T) []setting
}

func (v objects[T]) plain() any {
	var b bytes.Buffer
	b.WriteByte('[')
	for i := range *v.field {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteByte('{')
		first := true
		for _, s := range v.settings(&(*v.field)[i]) {
			shown := s.value.plain()
			if list, ok := shown.([]string); shown == "" || ok && len(list) == 0 {
				continue
			}
			if !first {
				b.WriteByte(',')
			}
			first = false
			b.WriteString(asJSON(s.key) + ":" + asJSON(shown))
		}
		b.WriteByte('}')
	}
	b.WriteByte(']')
	return json.RawMessage(b.Bytes())
}

func (v objects[T]) set(raw any, field string, problems *Problems) {
	const right = "must be a list of objects; as an environment variable, a JSON array"
	if s, ok := raw.(string); ok {
		var list []any
		if err := json.Unmarshal([]byte(s), &list); err != nil || list == nil {
			problems.add(field, "is not a list", right)
			return
		}
		raw = list
	}
	list, ok := raw.([]any)
	if !ok {
		problems.add(field, "is "+typeName(raw), right)
		return
	}
	out := make([]T, len(list))
	for i, item := range list {
		at := fmt.Sprintf("%s[%d]", field, i)
		members, ok := item.(map[string]any)
		if !ok {
			problems.add(at, "is "+typeName(item), "must be an object with "+strings.Join(keys(v.settings(&out[i])), ", "))
			continue
		}
		v.setOne(&out[i], members, at, problems)
	}
	*v.field = out
}

func (v objects[T]) setOne(one *T, members map[string]any, at string, problems *Problems) {
	all := v.settings(one)
	for _, key := range slices.Sorted(maps.Keys(members)) {
		s, ok := find(all, key)
		if !ok {
			problems.add(at+"."+key, "is not a setting", fmt.Sprintf("did you mean %s.%s?", at, nearest(key, keys(all))))
			continue
		}
		s.value.set(members[key], at+"."+key, problems)
	}
}

// splitList reads a comma-separated list; "" is an empty one.
func splitList(s string) []string {
	if strings.TrimSpace(s) == "" {
		return []string{}
	}
	parts := strings.Split(s, ",")
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	return parts
}

// typeName says what YAML or JSON made of a value, without the value.
func typeName(raw any) string {
	switch raw.(type) {
	case nil:
		return "empty"
	case string:
		return "a text"
	case bool:
		return "true or false"
	case int, int64, uint64, float64:
		return "a number"
	case []any:
		return "a list"
	case map[string]any:
		return "an object"
	default:
		return "of another type"
	}
}

// shown is a value as a problem shows it. Secrets never come here.
func shown(raw any) string {
	switch v := raw.(type) {
	case string:
		return strconv.Quote(mask(v))
	case bool, int, int64, uint64, float64:
		return fmt.Sprint(v)
	default:
		return typeName(raw)
	}
}

func asJSON(v any) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		// Strings, booleans, numbers and lists of strings always encode.
		panic(fmt.Sprintf("config: encoding a printed value: %v", err))
	}
	return strings.TrimSpace(b.String())
}
