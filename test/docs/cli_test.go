package docs

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
)

// operationCommands are the commands that call an operation of the API, as the program
// itself lists them.
func operationCommands(t *testing.T) []string {
	t.Helper()
	var schema struct{ Commands []struct{ Path string } }
	if err := json.Unmarshal([]byte(keypin(t, "schema")), &schema); err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, command := range schema.Commands {
		words := strings.Fields(command.Path)
		if slices.Contains([]string{"keys", "workspaces", "members", "invites", "whoami", "health"}, words[1]) {
			paths = append(paths, command.Path)
		}
	}
	if len(paths) < 20 {
		t.Fatalf("the program lists %q", paths)
	}
	return paths
}

func TestEveryOperationIsShownWithItsCommand(t *testing.T) {
	t.Parallel()
	unseen := map[string]bool{}
	for _, path := range operationCommands(t) {
		unseen[path] = true
	}
	delete(unseen, "keypin workspaces use") // changes a file of the caller's, and asks nobody
	known := slices.Collect(maps.Keys(unseen))
	for page, text := range allMarkdown(t) {
		if !strings.HasPrefix(page, "/docs/api-reference/") {
			continue
		}
		shown := 0
		for _, b := range blocks(text) {
			for line := range strings.Lines(b.code) {
				for _, path := range known {
					if strings.HasPrefix(strings.TrimSpace(line)+" ", path+" ") {
						shown++
						delete(unseen, path)
					}
				}
			}
		}
		if shown != 1 {
			t.Errorf("%s shows %d commands", page, shown)
		}
	}
	for path := range unseen {
		t.Errorf("no page of the reference shows %s", path)
	}
}
