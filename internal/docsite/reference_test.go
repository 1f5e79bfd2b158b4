package docsite

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// schemas checks values against the schemas of the OpenAPI document, each of which is one
// of JSON Schema 2020-12.
type schemas struct {
	compiler *jsonschema.Compiler
	raw      map[string]any
}

const documentURL = "https://keypin.example/openapi.json"

func newSchemas(t *testing.T) *schemas {
	t.Helper()
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(openAPI(t)))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.AssertFormat()
	if err := c.AddResource(documentURL, document); err != nil {
		t.Fatal(err)
	}
	return &schemas{c, document.(map[string]any)}
}

// check reports what is wrong with a value by the schema at a place in the document.
func (s *schemas) check(t *testing.T, at string, value any) error {
	t.Helper()
	compiled, err := s.compiler.Compile(documentURL + "#" + at)
	if err != nil {
		t.Fatal(err)
	}
	instance, err := jsonschema.UnmarshalJSON(strings.NewReader(jsonOf(value)))
	if err != nil {
		t.Fatal(err)
	}
	return compiled.Validate(instance)
}

// place is where a part of an operation is in the document.
func place(op *operation, rest string) string {
	path := strings.NewReplacer("~", "~0", "/", "~1", "{", "%7B", "}", "%7D").Replace(op.Path)
	return "/paths/" + path + "/" + strings.ToLower(op.Method) + rest
}

func operations(t *testing.T) (*document, []*operation) {
	t.Helper()
	d, err := parseDocument(openAPI(t))
	if err != nil {
		t.Fatal(err)
	}
	var all []*operation
	for _, g := range d.reference() {
		for _, p := range g.Pages {
			all = append(all, p.Operation)
		}
	}
	if len(all) < 28 {
		t.Fatalf("there are %d operations", len(all))
	}
	return d, all
}

func TestExamplesAreWhatTheDocumentDescribes(t *testing.T) {
	t.Parallel()
	s := newSchemas(t)
	d, all := operations(t)
	for _, op := range all {
		if body := d.requestSample(op); body != nil {
			if err := s.check(t, place(op, "/requestBody/content/application~1json/schema"), body); err != nil {
				t.Errorf("%s: the request: %v", op.ID, err)
			}
		}
		status, _ := op.success()
		answer := d.answerSample(op)
		if answer == nil {
			t.Errorf("%s: no example of an answer", op.ID)
			continue
		}
		if err := s.check(t, place(op, "/responses/"+status+"/content/application~1json/schema"), answer); err != nil {
			t.Errorf("%s: the answer: %v", op.ID, err)
		}
		for i, p := range op.Parameters {
			if p.Required {
				if err := s.check(t, place(op, "/parameters/"+jsonOf(i)+"/schema"), d.sample(p.Schema)); err != nil {
					t.Errorf("%s: %s: %v", op.ID, p.Name, err)
				}
			}
		}
	}
}

func TestTheCheckOfExamplesSeesAWrongOne(t *testing.T) {
	t.Parallel()
	s := newSchemas(t)
	for _, wrong := range []object{{{"name", 1}}, {{"name", "x"}, {"nam", 1}}, {{"name", "x"}, {"expires_at", "soon"}}, {}} {
		if s.check(t, "/components/schemas/CreateApiKeyRequest", wrong) == nil {
			t.Errorf("%s was taken", jsonOf(wrong))
		}
	}
}

func TestEveryFieldOfTheDocumentIsOnThePage(t *testing.T) {
	t.Parallel()
	d, all := operations(t)
	for _, op := range all {
		shown := map[string][]string{}
		for _, part := range d.parts(op) {
			for _, f := range part.Fields {
				shown[part.ID] = append(shown[part.ID], f.Name)
			}
		}
		for _, p := range op.Parameters {
			in := map[string]string{"path": "path-parameters", "query": "query-parameters", "header": "headers"}[p.In]
			if !slices.Contains(shown[in], p.Name) {
				t.Errorf("%s: the %s parameter %s is not shown", op.ID, p.In, p.Name)
			}
		}
		if s := op.requestSchema(); s != nil {
			for name := range d.resolve(s).Properties {
				if !slices.Contains(shown["request"], name) {
					t.Errorf("%s: the field %s is not shown", op.ID, name)
				}
			}
		}
		if len(op.failures()) == 0 || len(shown["response"]) == 0 {
			t.Errorf("%s: no errors, or no answer", op.ID)
		}
	}
}

func TestTheSidebarListsCallsAsTheSeedDoes(t *testing.T) {
	t.Parallel()
	d, _ := operations(t)
	var got []string
	for _, p := range d.reference()[0].Pages {
		got = append(got, p.Operation.Method+" "+p.Operation.ID)
	}
	want := []string{"GET list-api-keys", "POST create-api-key", "GET get-api-key", "DELETE delete-api-key", "PATCH update-api-key", "PATCH rotate-api-key", "POST verify-api-key"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestFieldsAreDescribedInWords(t *testing.T) {
	t.Parallel()
	d, all := operations(t)
	update := all[slices.IndexFunc(all, func(op *operation) bool { return op.ID == "update-api-key" })]
	var got []string
	for _, part := range d.parts(update) {
		if part.ID == "request" {
			for _, f := range part.Fields {
				got = append(got, f.Name+": "+f.Type+"; "+strings.Join(f.Notes, ", "))
			}
		}
	}
	want := []string{
		"name: string or null; ", "scopes: list of enums or null; at most 256 items", "active: boolean or null; ",
		"rate_limit_per_min: integer or null; 1–1,000,000", `expires_at: string or null; format: "date-time"`,
		`allowed_ips: list of strings or null; at most 64 items, format: "ip-range"`, "metadata: map of strings to strings or null; at most 32 pairs",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestEveryCallHasItsSnippets(t *testing.T) {
	t.Parallel()
	d, all := operations(t)
	for _, op := range all {
		var languages []string
		for _, s := range d.snippets(op) {
			languages = append(languages, s.ID)
			if !strings.Contains(s.Code, baseURL) || strings.Contains(s.Code, "{key_id}") || strings.Contains(s.Code, "{workspace_id}") {
				t.Errorf("%s in %s:\n%s", op.ID, s.Name, s.Code)
			}
		}
		if diff := cmp.Diff([]string{"curl", "python", "go", "cli", "javascript"}, languages); diff != "" {
			t.Errorf("%s (-want +got)\n%s", op.ID, diff)
		}
	}
}

func TestAnotherDeploymentsScopesAreInItsExamples(t *testing.T) {
	t.Parallel()
	other := bytes.ReplaceAll(openAPI(t), []byte(`"workflows:read"`), []byte(`"invoices:read"`))
	var valid any
	if err := json.Unmarshal(other, &valid); err != nil {
		t.Fatal(err)
	}
	d, err := parseDocument(other)
	if err != nil {
		t.Fatal(err)
	}
	for _, methods := range d.Paths {
		for _, op := range methods {
			if op.ID == "create-api-key" && jsonOf(d.requestSample(op).get("scopes")) != `["invoices:read"]` {
				t.Errorf("got %s", jsonOf(d.requestSample(op)))
			}
		}
	}
}
