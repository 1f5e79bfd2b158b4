package docs

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var codeHeading = regexp.MustCompile("(?m)^### `([a-z_]+)`$")

func TestEveryCodeHasItsParagraphAndNoOtherHasOne(t *testing.T) {
	t.Parallel()
	d := openAPI(t)
	codes := map[string]bool{}
	for code := range d.Components.Examples {
		codes[code] = true
	}
	for _, outcome := range d.Components.Schemas["Verification"].Properties["code"].Enum {
		codes[outcome] = outcome != "valid"
	}
	maps.DeleteFunc(codes, func(_ string, refuses bool) bool { return !refuses })
	if len(codes) < 25 {
		t.Fatalf("the document names %d codes", len(codes))
	}
	text, ok := texts(t)["errors.md"]
	if !ok {
		t.Fatal("there is no page about errors")
	}
	var described []string
	for _, found := range codeHeading.FindAllStringSubmatch(text, -1) {
		if found[1] != "valid" {
			described = append(described, found[1])
		}
	}
	slices.Sort(described)
	if diff := cmp.Diff(slices.Sorted(maps.Keys(codes)), slices.Compact(described)); diff != "" {
		t.Errorf("(-the code's +the page's)\n%s", diff)
	}
}

// whatToDo is how a code's paragraph says what to do: in a sentence, or in a table with a
// line for each cause.
var whatToDo = regexp.MustCompile(`(?m)\*Do\*: \S+\s\S+|^\| why \| do \|$`)

func TestEveryCodeSaysWhatToDo(t *testing.T) {
	t.Parallel()
	text := texts(t)["errors.md"]
	found := codeHeading.FindAllStringSubmatchIndex(text, -1)
	if len(found) < 25 {
		t.Fatalf("the page has %d codes", len(found))
	}
	for _, at := range found {
		paragraph := text[at[1]:]
		if end := strings.Index(paragraph, "\n#"); end >= 0 {
			paragraph = paragraph[:end]
		}
		if !whatToDo.MatchString(paragraph) {
			t.Errorf("%s does not say what to do", text[at[2]:at[3]])
		}
	}
}
