package docsite

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// part is a list of fields on an operation's page: its headers, its body, its answer.
type part struct {
	ID     string
	Title  string
	Intro  string
	Fields []field
}

// field is one thing that an operation takes or answers.
type field struct {
	Name        string
	Type        string // in words: string or null
	Required    bool
	Optional    bool
	Notes       []string // such as 1–120 characters
	Values      []string // when it is one of a few
	Description string
	Fields      []field // of an object, or of the objects of a list
}

// words are what a search finds a field by.
func (f field) words() []string {
	w := []string{f.Name, f.Description}
	for _, below := range f.Fields {
		w = append(w, below.words()...)
	}
	return w
}

// parts lists what an operation takes and answers, but its errors.
func (d *document) parts(op *operation) []part {
	var parts []part
	if len(op.Security) > 0 {
		p := part{ID: "authentication", Title: "Authentication"}
		for name := range op.Security[0] {
			way := d.Components.SecuritySchemes[name]
			p.Fields = append(p.Fields, field{Name: "Authorization", Type: title(way.Scheme), Required: true, Description: way.Description})
		}
		parts = append(parts, p)
	}
	for _, in := range []struct{ in, title string }{{"path", "Path parameters"}, {"query", "Query parameters"}, {"header", "Headers"}} {
		p := part{ID: strings.ToLower(strings.ReplaceAll(in.title, " ", "-")), Title: in.title}
		for _, q := range op.Parameters {
			if q.In == in.in {
				f := d.field(q.Name, q.Schema, q.Required)
				f.Optional = !q.Required
				p.Fields = append(p.Fields, f)
			}
		}
		if len(p.Fields) > 0 {
			parts = append(parts, p)
		}
	}
	if s := op.requestSchema(); s != nil {
		p := part{ID: "request", Title: "Request", Intro: "This endpoint expects a JSON object."}
		if !op.RequestBody.Required {
			p.Intro = "This endpoint takes a JSON object. The body may be left out."
		}
		p.Fields = d.fields(d.resolve(s), true)
		parts = append(parts, p)
	}
	if status, answer := op.success(); answer != nil {
		p := part{ID: "response", Title: "Response", Intro: "`" + status + " " + answer.Description + "`, a JSON object."}
		p.Fields = d.fields(d.resolve(answer.Content[jsonType].Schema), false)
		parts = append(parts, p, d.responseHeaders(answer))
	}
	return parts
}

const jsonType = "application/json"

func title(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

func (op *operation) requestSchema() *schema {
	if op.RequestBody == nil {
		return nil
	}
	return op.RequestBody.Content[jsonType].Schema
}

// success is the answer of a call that went well, and its status.
func (op *operation) success() (string, *response) {
	for _, status := range slices.Sorted(maps.Keys(op.Responses)) {
		if status < "300" {
			return status, op.Responses[status]
		}
	}
	return "", nil
}

func (d *document) responseHeaders(r *response) part {
	p := part{ID: "response-headers", Title: "Response headers"}
	for _, name := range slices.Sorted(maps.Keys(r.Headers)) {
		h := r.Headers[name]
		if h.Ref != "" {
			h = d.Components.Headers[h.Ref[strings.LastIndexByte(h.Ref, '/')+1:]]
		}
		if h != nil {
			p.Fields = append(p.Fields, field{Name: name, Type: "string", Description: h.Description})
		}
	}
	return p
}

func (d *document) fields(s *schema, request bool) []field {
	var all []field
	for _, name := range d.fieldsOf(s) {
		f := d.field(name, s.Properties[name], slices.Contains(s.Required, name))
		if !request {
			f.Required = false // every answer has all of its fields
		}
		f.Optional = request && !f.Required
		all = append(all, f)
	}
	return all
}

// deepest is how far objects within objects are shown; deeper ones do not occur.
const deepest = 6

func (d *document) field(name string, given *schema, required bool) field {
	return d.fieldAt(name, given, required, 0)
}

func (d *document) fieldAt(name string, given *schema, required bool, depth int) field {
	s, nullable := d.plain(given)
	f := field{Name: name, Type: d.typeWords(s), Required: required, Description: s.Description}
	if own := d.resolve(given).Description; own != "" {
		f.Description = own
	}
	if nullable {
		f.Type += " or null"
	}
	f.Notes = notes(s)
	inner := s
	if s.Items != nil {
		inner, _ = d.plain(s.Items)
		f.Notes = append(f.Notes, itemNotes(inner)...)
	}
	for _, v := range inner.Enum {
		if v != nil {
			f.Values = append(f.Values, fmt.Sprint(v))
		}
	}
	if depth < deepest {
		for _, below := range d.fieldsOf(inner) {
			f.Fields = append(f.Fields, d.fieldAt(below, inner.Properties[below], false, depth+1))
		}
	}
	return f
}

// typeWords says what kind of value it is.
func (d *document) typeWords(s *schema) string {
	kind := ""
	for _, t := range s.Type {
		if t != "null" {
			kind = t
		}
	}
	switch {
	case kind == "array":
		inner, _ := d.plain(s.Items)
		if len(inner.Enum) > 0 {
			return "list of enums"
		}
		return "list of " + d.typeWords(inner) + "s"
	case len(s.Enum) > 0:
		return "enum"
	case kind == "object" && len(s.Properties) == 0:
		var value schema
		if json.Unmarshal(s.AdditionalProperties, &value) == nil {
			if v := d.typeWords(&value); v != "" {
				return "map of strings to " + v + "s"
			}
		}
		return kind
	case kind == "" && len(s.AnyOf) > 0:
		return d.typeWords(d.resolve(s.AnyOf[0]))
	default:
		return kind
	}
}

// notes are the bounds of a value. How often 64 bits are enough is no reader's question.
func notes(s *schema) []string {
	var n []string
	if s.Format != "" && s.Format != "int64" {
		n = append(n, `format: "`+s.Format+`"`)
	}
	n = append(n, bounds(s.Minimum, s.Maximum, "")...)
	n = append(n, bounds(s.MinLength, s.MaxLength, " characters")...)
	n = append(n, bounds(nil, s.MaxItems, " items")...)
	n = append(n, bounds(nil, s.MaxProperties, " pairs")...)
	if s.Default != nil {
		n = append(n, "default: "+jsonOf(s.Default))
	}
	if s.Pattern != "" && len(s.Pattern) <= 40 && !strings.Contains(s.Pattern, `\x00`) && !strings.Contains(s.Pattern, "\x00") {
		n = append(n, "pattern: "+s.Pattern)
	}
	return n
}

func itemNotes(s *schema) []string {
	if s.Format == "" || s.Format == "int64" || len(s.Properties) > 0 {
		return nil
	}
	return []string{`format: "` + s.Format + `"`}
}

func bounds(least, most *int64, unit string) []string {
	switch {
	case least != nil && most != nil:
		return []string{grouped(*least) + "–" + grouped(*most) + unit}
	case most != nil:
		return []string{"at most " + grouped(*most) + unit}
	case least != nil && *least > 1: // not empty is said in words
		return []string{"at least " + grouped(*least) + unit}
	}
	return nil
}

// grouped writes a number as 1,000,000.
func grouped(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// failure is a status that an operation can answer with, and its codes.
type failure struct {
	Status string
	Text   string
	Codes  []string
}

// failures lists the errors of an operation by status.
func (op *operation) failures() []failure {
	var all []failure
	for _, status := range slices.Sorted(maps.Keys(op.Responses)) {
		if status < "400" {
			continue
		}
		r := op.Responses[status]
		text, _, _ := strings.Cut(r.Description, ".")
		f := failure{Status: status, Text: text}
		for code := range r.Content[jsonType].Examples {
			f.Codes = append(f.Codes, code)
		}
		slices.Sort(f.Codes)
		all = append(all, f)
	}
	slices.SortFunc(all, func(a, b failure) int { return cmp.Compare(a.Status, b.Status) })
	return all
}

func (op *operation) codes() []string {
	var codes []string
	for _, f := range op.failures() {
		codes = append(codes, f.Codes...)
	}
	return codes
}
