package e2e

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// operation is one call of the service's OpenAPI document.
type operation struct {
	ID, Method, Path string
	Parameters       []parameter
	Body             *schema // nil for an operation without one
	Secured          bool
}

type parameter struct {
	Name   string  `json:"name"`
	In     string  `json:"in"`
	Schema *schema `json:"schema"`
}

// schema is as much of a JSON Schema as the tests ask about.
type schema struct {
	Ref        string             `json:"$ref"`
	Enum       []any              `json:"enum"`
	Properties map[string]*schema `json:"properties"`
	Items      *schema            `json:"items"`
}

// document is the OpenAPI document of a running service.
type document struct {
	Operations []operation // by path, then method
	Scopes     []string    // every scope that a key can be given
	Codes      []string    // every error code, sorted
}

// with lists the operation's parameters of one place, such as path.
func (o *operation) with(in string) []parameter {
	return slices.DeleteFunc(slices.Clone(o.Parameters), func(p parameter) bool { return p.In != in })
}

func (o *operation) takes(in, name string) bool {
	return slices.ContainsFunc(o.Parameters, func(p parameter) bool { return p.In == in && p.Name == name })
}

// readDocument reads what the service says of itself, and fails on anything that
// the tests which are generated from it would pass over.
func readDocument(t testing.TB, s *service) document {
	t.Helper()
	var raw struct {
		Paths      map[string]map[string]json.RawMessage `json:"paths"`
		Components struct {
			Schemas  map[string]*schema         `json:"schemas"`
			Examples map[string]json.RawMessage `json:"examples"`
		} `json:"components"`
	}
	body := s.call(t, "", "GET", "/openapi.json", nil).must(t, 200).Body
	if err := json.Unmarshal([]byte(body), &raw); err != nil {
		t.Fatal(err)
	}
	methods := []string{"get", "put", "post", "delete", "options", "head", "patch", "trace"}
	d := document{Codes: slices.Sorted(maps.Keys(raw.Components.Examples))}
	for _, path := range slices.Sorted(maps.Keys(raw.Paths)) {
		for _, method := range slices.Sorted(maps.Keys(raw.Paths[path])) {
			if !slices.Contains(methods, method) {
				t.Fatalf("%s has %q, which is no method: teach readDocument what it means", path, method)
			}
			d.Operations = append(d.Operations, readOperation(t, path, method, raw.Paths[path][method], raw.Components.Schemas))
		}
	}
	if s := raw.Components.Schemas["CreateApiKeyRequest"]; s != nil && s.Properties["scopes"] != nil && s.Properties["scopes"].Items != nil {
		for _, name := range s.Properties["scopes"].Items.Enum {
			d.Scopes = append(d.Scopes, name.(string))
		}
	}
	if len(d.Operations) < 20 || len(d.Scopes) < 3 || len(d.Codes) < 20 {
		t.Fatalf("the document has %d operations, %d scopes, %d error codes: this reader does not understand it", len(d.Operations), len(d.Scopes), len(d.Codes))
	}
	return d
}

func readOperation(t testing.TB, path, method string, raw json.RawMessage, schemas map[string]*schema) operation {
	t.Helper()
	var o struct {
		OperationID string      `json:"operationId"`
		Parameters  []parameter `json:"parameters"`
		RequestBody *struct {
			Content map[string]struct {
				Schema *schema `json:"schema"`
			} `json:"content"`
		} `json:"requestBody"`
		Security []map[string][]string `json:"security"`
	}
	if err := json.Unmarshal(raw, &o); err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	if o.OperationID == "" {
		t.Fatalf("%s %s has no operationId", method, path)
	}
	op := operation{ID: o.OperationID, Method: strings.ToUpper(method), Path: path, Parameters: o.Parameters, Secured: len(o.Security) > 0}
	if o.RequestBody != nil {
		op.Body = o.RequestBody.Content["application/json"].Schema
		if op.Body != nil && op.Body.Ref != "" {
			op.Body = schemas[strings.TrimPrefix(op.Body.Ref, "#/components/schemas/")]
		}
		if op.Body == nil || len(op.Body.Properties) == 0 {
			t.Fatalf("%s: its body is not described as a JSON object", op.ID)
		}
	}
	for _, p := range op.Parameters {
		if p.Schema == nil || !slices.Contains([]string{"path", "query", "header"}, p.In) {
			t.Fatalf("%s: parameter %s in %s: teach readOperation what it means", op.ID, p.Name, p.In)
		}
	}
	if op.Method == http.MethodGet && op.Body != nil {
		t.Fatalf("%s: a GET with a body", op.ID)
	}
	return op
}

// at fills the operation's path. A parameter without a value fails the test.
func (o *operation) at(t testing.TB, values map[string]string) string {
	t.Helper()
	path := o.Path
	for _, p := range o.with("path") {
		v, ok := values[p.Name]
		if !ok {
			t.Fatalf("%s: no value for the path parameter %q; make one in organisation.fresh and in foreignIDs", o.ID, p.Name)
		}
		path = strings.ReplaceAll(path, "{"+p.Name+"}", v)
	}
	return path
}
