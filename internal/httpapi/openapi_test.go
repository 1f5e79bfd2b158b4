package httpapi

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/keypin/keypin/internal/keypin"
	"github.com/keypin/keypin/internal/telemetry"
)

//go:generate go test -run TestTheCommittedDocumentIsCurrent -update .

var update = flag.Bool("update", false, "write api/openapi.json")

func documentOf(t *testing.T) []byte {
	t.Helper()
	registry, err := keypin.NewRegistry(keypin.DefaultScopes())
	if err != nil {
		t.Fatal(err)
	}
	return New(Options{Registry: registry, Observer: telemetry.NewMetrics("test")}).Document()
}

func TestTheCommittedDocumentIsCurrent(t *testing.T) {
	const path = "../../api/openapi.json"
	got := documentOf(t)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not what the code describes; run make generate", path)
	}
}

func TestTheDocumentHoldsNoMarkOfThisPackage(t *testing.T) {
	doc := string(documentOf(t))
	for _, mark := range []string{`"text120"`, `"text200"`, `"format": "scope"`, `"ip-address"`, "additionalProperties\": {}"} {
		if strings.Contains(doc, mark) {
			t.Errorf("the document still holds %s", mark)
		}
	}
}

func TestEveryOperationDocumentsItsErrors(t *testing.T) {
	var doc struct {
		Paths map[string]map[string]struct {
			Summary, Description string
			Security             []map[string][]string
			Responses            map[string]struct {
				Description string
				Content     map[string]struct{ Examples map[string]any }
			}
		}
	}
	if err := json.Unmarshal(documentOf(t), &doc); err != nil {
		t.Fatal(err)
	}
	for path, methods := range doc.Paths {
		for method, op := range methods {
			if op.Summary == "" || !strings.HasSuffix(op.Description, ".") {
				t.Errorf("%s %s: no summary, or a description that is no sentence", method, path)
			}
			want := []string{"406", "422", "426", "500", "503"}
			if op.Security != nil {
				want = append(want, "401", "403", "429")
			}
			for _, status := range want {
				if len(op.Responses[status].Content["application/json"].Examples) == 0 {
					t.Errorf("%s %s: no documented example of a %s", method, path, status)
				}
			}
		}
	}
}

// The pattern of the document and the rule of the code must agree.
func TestTheDocumentedTextPatternIsTheRule(t *testing.T) {
	pattern := regexp.MustCompile(textPattern(keypin.MaxNameLength))
	for _, s := range []string{"", " ", "x", " x ", "\u00a0x\u3000", "a b", "a\nb", "\u0085", "é", strings.Repeat("🔑", 120), strings.Repeat("🔑", 121),
		strings.Repeat(" ", 10) + strings.Repeat("x", 120) + " ", "\u2003", "x\u007f", "\u200b", "\ufeff"} {
		_, err := keypin.ParseKeyName(s)
		if documented := pattern.MatchString(s); documented != (err == nil) {
			t.Errorf("%q: documented %v, accepted %v", s, documented, err == nil)
		}
	}
}
