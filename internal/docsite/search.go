package docsite

import (
	"encoding/json"
	"fmt"
)

// searchIndex is what the search in the page looks through: every page, and every part of
// one by its heading.
type searchIndex struct {
	Pages []searchPage `json:"pages"`
	Parts []searchPart `json:"parts"`
}

type searchPage struct {
	Path    string `json:"path"`
	Title   string `json:"title"`
	Section string `json:"section"`
	Method  string `json:"method,omitempty"`
}

type searchPart struct {
	Page  int    `json:"page"` // which of Pages
	ID    string `json:"id,omitempty"`
	Title string `json:"title,omitempty"` // none for what stands before the first part
	Text  string `json:"text"`
}

func makeSearchIndex(pages []*page, prefix string) ([]byte, error) {
	index := searchIndex{}
	for i, p := range pages {
		found := searchPage{Path: prefix + p.Path, Title: p.Title, Section: p.Section.Title}
		if p.Operation != nil {
			found.Method = p.Operation.Method
			found.Section += " › " + p.Group
		}
		index.Pages = append(index.Pages, found)
		for _, h := range p.Headings {
			part := searchPart{Page: i, Text: h.Text}
			if h.Level > 1 {
				part.ID, part.Title = h.ID, h.Title
			}
			if h.Level > 1 || h.Text != "" {
				index.Parts = append(index.Parts, part)
			}
		}
	}
	raw, err := json.Marshal(index)
	if err != nil {
		return nil, fmt.Errorf("the search index: %w", err)
	}
	return raw, nil
}
