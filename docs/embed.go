// Package docs holds the user's pages, so that the program can serve them: docsite makes
// the site of them. site.yaml says which pages there are, and in which order.
package docs

import "embed"

// Pages are the Markdown files of this folder, site.yaml, the configurations that pages are
// about, and the skill that teaches agents the command.
//
//go:embed *.md site.yaml examples skills/keypin/SKILL.md
var Pages embed.FS
