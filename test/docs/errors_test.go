package docs

import (
	"maps"
	"regexp"
	"slices"
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
