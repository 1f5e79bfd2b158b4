package docsite

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// document is what the reference reads of an OpenAPI 3.1 document.
type document struct {
	Tags []struct {
		Name        string `json:"name"`
		Description string `json:"description"`
	} `json:"tags"`
	Paths      map[string]map[string]*operation `json:"paths"`
	Components struct {
		Schemas         map[string]*schema      `json:"schemas"`
		Headers         map[string]*parameter   `json:"headers"`
		SecuritySchemes map[string]securityWays `json:"securitySchemes"`
	} `json:"components"`

	rank map[string]int // of field names, as orderFields says
}

type securityWays struct {
	Scheme      string `json:"scheme"`
	Description string `json:"description"`
}

// operation is one call of the API.
type operation struct {
	Method string `json:"-"` // such as PATCH
	Path   string `json:"-"` // such as /api/v1/api-keys/{key_id}

	ID          string                `json:"operationId"`
	Summary     string                `json:"summary"`
	Description string                `json:"description"`
	Tags        []string              `json:"tags"`
	Parameters  []*parameter          `json:"parameters"`
	Security    []map[string][]string `json:"security"`
	RequestBody *struct {
		Required bool                 `json:"required"`
		Content  map[string]mediaType `json:"content"`
	} `json:"requestBody"`
	Responses map[string]*response `json:"responses"`
}

type parameter struct {
	Ref         string  `json:"$ref"`
	Name        string  `json:"name"`
	In          string  `json:"in"`
	Description string  `json:"description"`
	Required    bool    `json:"required"`
	Schema      *schema `json:"schema"`
}

type response struct {
	Description string                `json:"description"`
	Headers     map[string]*parameter `json:"headers"`
	Content     map[string]mediaType  `json:"content"`
}

type mediaType struct {
	Schema   *schema `json:"schema"`
	Examples map[string]struct {
		Ref string `json:"$ref"`
	} `json:"examples"`
}

// types are a schema's type, which is one word or a list of them.
type types []string

// UnmarshalJSON reads both forms.
func (t *types) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		*t = make(types, 1)
		return json.Unmarshal(b, &(*t)[0])
	}
	return json.Unmarshal(b, (*[]string)(t))
}

// schema says what a value looks like. Only what the document uses is read.
type schema struct {
	Ref                  string             `json:"$ref"`
	Type                 types              `json:"type"`
	Description          string             `json:"description"`
	Format               string             `json:"format"`
	Pattern              string             `json:"pattern"`
	Enum                 []any              `json:"enum"`
	Default              any                `json:"default"`
	Examples             []any              `json:"examples"`
	Items                *schema            `json:"items"`
	Properties           map[string]*schema `json:"properties"`
	AdditionalProperties json.RawMessage    `json:"additionalProperties"`
	Required             []string           `json:"required"`
	AnyOf                []*schema          `json:"anyOf"`
	Minimum              *int64             `json:"minimum"`
	Maximum              *int64             `json:"maximum"`
	MinLength            *int64             `json:"minLength"`
	MaxLength            *int64             `json:"maxLength"`
	MaxItems             *int64             `json:"maxItems"`
	MaxProperties        *int64             `json:"maxProperties"`
}

// parseDocument reads the document.
func parseDocument(raw []byte) (*document, error) {
	var d document
	if err := json.Unmarshal(raw, &d); err != nil {
		return nil, fmt.Errorf("the OpenAPI document: %w", err)
	}
	for path, methods := range d.Paths {
		for method, op := range methods {
			op.Method, op.Path = strings.ToUpper(method), path
			if op.ID == "" || len(op.Tags) == 0 || op.Summary == "" {
				return nil, fmt.Errorf("the OpenAPI document: %s %s lacks an operationId, a tag or a summary", op.Method, path)
			}
		}
	}
	d.orderFields()
	return &d, nil
}

// orderFields remembers the order in which things list their fields: JSON objects have
// none, but the lists of required fields do. A request names its fields in the order of
// the answer that has the same ones.
func (d *document) orderFields() {
	d.rank = map[string]int{}
	names := make([]string, 0, len(d.Components.Schemas))
	for name := range d.Components.Schemas {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		for _, field := range d.Components.Schemas[name].Required {
			if _, ok := d.rank[field]; !ok {
				d.rank[field] = len(d.rank)
			}
		}
	}
}

// fieldsOf lists a schema's fields in the order in which they are shown.
func (d *document) fieldsOf(s *schema) []string {
	names := make([]string, 0, len(s.Properties))
	for name := range s.Properties {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		i, j := slices.Index(s.Required, a), slices.Index(s.Required, b)
		switch {
		case i >= 0 && j >= 0:
			return i - j
		case i >= 0 || j >= 0: // what is needed comes first
			return j - i
		}
		ra, okA := d.rank[a]
		rb, okB := d.rank[b]
		if okA && okB {
			return ra - rb
		}
		if okA != okB {
			return map[bool]int{true: -1, false: 1}[okA]
		}
		return cmp.Compare(a, b)
	})
	return names
}

const schemasPath = "#/components/schemas/"

// resolve follows a reference.
func (d *document) resolve(s *schema) *schema {
	for s != nil && s.Ref != "" {
		s = d.Components.Schemas[strings.TrimPrefix(s.Ref, schemasPath)]
	}
	if s == nil {
		return &schema{}
	}
	return s
}

// plain resolves a schema to what it is when it is not null.
func (d *document) plain(s *schema) (_ *schema, nullable bool) {
	s = d.resolve(s)
	nullable = slices.Contains(s.Type, "null")
	var others []*schema
	for _, option := range s.AnyOf {
		if slices.Equal(option.Type, types{"null"}) {
			nullable = true
			continue
		}
		others = append(others, option)
	}
	if len(others) == 1 {
		inner := *d.resolve(others[0])
		if s.Description != "" {
			inner.Description = s.Description
		}
		return &inner, nullable
	}
	return s, nullable
}

// methodOrder is the order of the calls about one path.
var methodOrder = []string{"GET", "POST", "DELETE", "PATCH"}

// reference makes the pages of the API reference, by tag.
func (d *document) reference() []group {
	byTag := map[string][]*page{}
	for _, methods := range d.Paths {
		for _, op := range methods {
			tag := op.Tags[0]
			byTag[tag] = append(byTag[tag], d.operationPage(op))
		}
	}
	var groups []group
	for _, tag := range d.Tags {
		pages := byTag[tag.Name]
		if len(pages) == 0 {
			continue
		}
		slices.SortFunc(pages, func(a, b *page) int {
			// A path's own calls come before those of what is below it.
			key := func(p *page) string { return strings.ReplaceAll(p.Operation.Path, "{", " ") }
			return cmp.Or(cmp.Compare(key(a), key(b)),
				cmp.Compare(slices.Index(methodOrder, a.Operation.Method), slices.Index(methodOrder, b.Operation.Method)))
		})
		groups = append(groups, group{Title: tag.Name, Description: tag.Description, Pages: pages})
	}
	return groups
}

// operationPage is the page of one call. Its address is that of OnePin's documentation.
func (d *document) operationPage(op *operation) *page {
	p := &page{
		Path:        root + "/api-reference/" + op.Tags[0] + "/" + op.ID,
		Title:       op.Summary,
		Description: collapse(strings.ReplaceAll(op.Description, "`", "")),
		Group:       op.Tags[0],
		Operation:   op,
	}
	p.Description = firstSentences(p.Description)
	p.Headings = append(p.Headings, heading{Level: 1, ID: op.ID, Title: op.Summary, Text: op.Method + " " + op.Path + " " + strings.ReplaceAll(op.Description, "`", "")})
	for _, part := range d.parts(op) {
		var words []string
		for _, f := range part.Fields {
			words = append(words, f.words()...)
		}
		p.Headings = append(p.Headings, heading{Level: 2, ID: part.ID, Title: part.Title, Text: strings.Join(words, " ")})
	}
	p.Headings = append(p.Headings, heading{Level: 2, ID: "errors", Title: "Errors", Text: strings.Join(op.codes(), " ")})
	return p
}
