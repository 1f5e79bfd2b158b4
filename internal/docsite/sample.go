package docsite

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
)

// pair and object keep the order of an example's fields, which a map would lose.
type pair struct {
	Name  string
	Value any
}

type object []pair

// MarshalJSON writes the fields in their order.
func (o object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, p := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(jsonOf(p.Name))
		b.WriteByte(':')
		b.WriteString(jsonOf(p.Value))
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

func (o object) with(name string, value any) object {
	o = slices.Clone(o)
	for i := range o {
		if o[i].Name == name {
			o[i].Value = value
			return o
		}
	}
	return append(o, pair{name, value})
}

func (o object) get(name string) any {
	for _, p := range o {
		if p.Name == name {
			return p.Value
		}
	}
	return nil
}

// jsonOf writes a value as the API does. What examples are made of can be written.
func jsonOf(v any) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return ""
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// indented writes a value over several lines.
func indented(v any) string {
	var b bytes.Buffer
	if err := json.Indent(&b, []byte(jsonOf(v)), "", "  "); err != nil {
		return ""
	}
	return b.String()
}

// sample makes an example of what a schema describes, of the examples in it.
func (d *document) sample(given *schema) any {
	s, nullable := d.plain(given)
	switch {
	case len(d.resolve(given).Examples) > 0:
		return d.resolve(given).Examples[0]
	case len(s.Examples) > 0:
		return s.Examples[0]
	case len(s.Properties) > 0:
		o := object{}
		for _, name := range d.fieldsOf(s) {
			o = append(o, pair{name, d.sample(s.Properties[name])})
		}
		return o
	case s.Items != nil:
		inner, _ := d.plain(s.Items)
		if len(inner.Properties) == 0 {
			return []any{}
		}
		return []any{d.sample(inner)}
	case nullable:
		return nil
	case len(s.Enum) > 0:
		return s.Enum[0]
	case slices.Contains(s.Type, "object"):
		return object{}
	case slices.Contains(s.Type, "integer"), slices.Contains(s.Type, "number"):
		return 0
	case slices.Contains(s.Type, "boolean"):
		return false
	}
	return ""
}

// answerSample is an example of an operation's answer. The document's examples stand
// field by field; where they would not come together, they are put right.
func (d *document) answerSample(op *operation) any {
	_, r := op.success()
	if r == nil || r.Content[jsonType].Schema == nil {
		return nil
	}
	body, ok := d.sample(r.Content[jsonType].Schema).(object)
	if !ok {
		return nil
	}
	if key, ok := body.get("data").(object); ok && key.get("key_prefix") != nil {
		body = body.with("data", keySample(op, key))
	}
	if list, ok := body.get("data").([]any); ok && len(list) > 0 {
		if key, ok := list[0].(object); ok && key.get("key_prefix") != nil {
			body = body.with("data", []any{keySample(op, key)})
		}
	}
	if rotated, ok := body.get("data").(object); ok && op.ID == "rotate-api-key" {
		body = body.with("data", rotatedSample(op, rotated))
	}
	if who, ok := body.get("data").(object); ok && op.ID == "whoami" {
		body = body.with("data", who.with("scopes", []any{"voices:read", "workflows:read"}).with("role", nil))
	}
	return body
}

// keySample is a key that is as old as its fields say, and revoked where the call does so.
func keySample(op *operation, key object) object {
	key = key.with("revoked_at", nil).with("expires_at", nil)
	switch op.ID {
	case "create-api-key":
		key = key.with("key_type", "live").with("key_prefix", "op_live").with("key_suffix", "09BlC0").with("preview", "op_live-xxxxxx-09BlC0").
			with("name", "Nightly export").with("scopes", []any{"workflows:read"}).with("rate_limit_per_min", 600).
			with("last_used_at", nil).with("updated_at", key.get("created_at"))
	case "delete-api-key":
		key = key.with("active", false).with("revoked_at", key.get("updated_at"))
	}
	return key
}

// rotatedSample is a key in its grace period and the one that replaces it.
func rotatedSample(op *operation, both object) object {
	older, ok := both.get("old_key").(object)
	newer, isObject := both.get("new_key").(object)
	if !ok || !isObject {
		return both
	}
	const oldID, newID = "3fa85f64-5717-4562-b3fc-2c963f66afa6", "8d3c1b52-0f4e-4a6b-9c57-6b1f4e2a7d10"
	older = keySample(op, older).with("rotated_to", newID).with("expires_at", "2026-04-25T13:00:00Z")
	newer = keySample(op, newer).with("id", newID).with("rotated_from", oldID).with("last_used_at", nil).
		with("key_suffix", "0WEUpB").with("preview", "mkapi-xxxxxx-0WEUpB").with("api_key", "mkapi_7Qm2XcV9sLk4TnB1pWy8RzE3uA0WEUpB").
		with("created_at", "2026-04-25T12:00:00Z")
	return both.with("old_key", older).with("new_key", newer)
}

// requestSamples are bodies that say something; of other calls the example has the fields
// that are needed and those that the document has an example for.
var requestSamples = map[string]object{
	"create-api-key": {{"name", "Nightly export"}, {"scopes", []any{"workflows:read"}}, {"rate_limit_per_min", 600}},
	"update-api-key": {{"name", "Nightly export, EU"}, {"rate_limit_per_min", 300}},
	"rotate-api-key": {{"grace_period_seconds", 3600}},
	"verify-api-key": {{"key", "op_live_0000000000000000000000000009BlC0"}, {"scopes", []any{"workflows:read"}}, {"client_ip", "203.0.113.7"}},
}

// requestSample is an example of an operation's body; nil when it takes none.
func (d *document) requestSample(op *operation) object {
	s := op.requestSchema()
	if s == nil {
		return nil
	}
	body := d.resolve(s)
	if o, ok := requestSamples[op.ID]; ok {
		return d.withKnownScopes(o, body)
	}
	o := object{}
	for _, name := range d.fieldsOf(body) {
		f := d.resolve(body.Properties[name])
		if slices.Contains(body.Required, name) || len(f.Examples) > 0 {
			o = append(o, pair{name, d.sample(f)})
		}
	}
	return o
}

// withKnownScopes makes an example of a scope that this deployment has, which may have
// others than the usual ones.
func (d *document) withKnownScopes(o object, body *schema) object {
	scopes, ok := o.get("scopes").([]any)
	if !ok || body.Properties["scopes"] == nil || body.Properties["scopes"].Items == nil {
		return o
	}
	known := d.resolve(body.Properties["scopes"].Items).Enum
	if len(known) > 0 && !slices.Contains(known, scopes[0]) {
		return o.with("scopes", known[:1])
	}
	return o
}
