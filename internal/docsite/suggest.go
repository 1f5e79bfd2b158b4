package docsite

import (
	"slices"
	"strings"

	"github.com/keypin/keypin/internal/spelling"
)

// suggest lists the pages that someone may have meant who asked for a path at which there
// is none: those whose address or title is most like it.
func (s *Site) suggest(path string) []*page {
	const most, longest, mostWords = 5, 200, 6 // whoever asks makes us compare no more
	if len(path) > longest {
		path = path[:longest]
	}
	asked := wordsOf(strings.TrimSuffix(strings.TrimPrefix(path, root), ".md"))
	asked = asked[:min(len(asked), mostWords)]
	type scored struct {
		page  *page
		score int
	}
	var all []scored
	for _, p := range s.pages {
		score := 0
		for _, word := range asked {
			best := 0
			for _, other := range p.words {
				best = max(best, likeness(word, other))
			}
			score += best
		}
		if score > 0 {
			all = append(all, scored{p, score})
		}
	}
	slices.SortStableFunc(all, func(a, b scored) int { return b.score - a.score })
	var found []*page
	for _, candidate := range all[:min(most, len(all))] {
		found = append(found, candidate.page)
	}
	return found
}

// wordsOf takes a path or a title apart. Words that are in most paths say nothing.
func wordsOf(s string) []string {
	words := strings.FieldsFunc(strings.ToLower(s), func(r rune) bool { return r == '/' || r == '-' || r == '_' || r == '.' || r == ' ' })
	return slices.DeleteFunc(words, func(w string) bool { return len(w) < 2 || w == "api" || w == "reference" || w == "an" || w == "docs" })
}

// likeness says how alike two words are: 3 the same, 2 one begins the other, 1 they differ
// by little.
func likeness(a, b string) int {
	switch {
	case a == b:
		return 3
	case min(len(a), len(b)) >= 3 && (strings.HasPrefix(a, b) || strings.HasPrefix(b, a)):
		return 2
	case len(a) >= 4 && spelling.Distance(a, b) <= 1+len(a)/6:
		return 1
	}
	return 0
}
