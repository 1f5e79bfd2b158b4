package docsite

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"go.yaml.in/yaml/v3"
)

// section is a part of the sidebar.
type section struct {
	Title string
	// Pages are those that stand in the section itself.
	Pages []*page
	// Groups hold the pages of the API reference, by tag.
	Groups []group
}

// group is a part of the API reference.
type group struct {
	Title       string
	Description string
	Pages       []*page
}

// all lists the section's pages in the order in which they are shown.
func (s *section) all() []*page {
	pages := s.Pages
	for _, g := range s.Groups {
		pages = append(pages, g.Pages...)
	}
	return pages
}

// page is one page of the site.
type page struct {
	Path        string // such as /docs/quickstart
	Title       string // its heading
	Short       string // its name in the sidebar
	Description string // a sentence of plain text
	Section     *section
	Group       string // the tag of an operation, else ""
	Headings    []heading

	text      *text      // of a page that is Markdown
	Operation *operation // of a page of the API reference

	Prev, Next *page

	words []string // of its address and title
}

// heading is a part of a page that can be linked to.
type heading struct {
	Level int
	ID    string
	Title string
	Text  string // what stands below it, up to the next one, as plain text
}

// sidebar is site.yaml.
type sidebar struct {
	Sections []struct {
		Title        string `yaml:"title"`
		APIReference string `yaml:"api-reference"`
		Pages        []struct {
			File  string `yaml:"file"`
			Title string `yaml:"title"`
			Slug  string `yaml:"slug"`
		} `yaml:"pages"`
	} `yaml:"sections"`
}

// readSidebar reads site.yaml, and the text of every page that it names.
func readSidebar(files fs.FS, changelog []byte, reference []group) ([]*section, error) {
	raw, err := fs.ReadFile(files, "site.yaml")
	if err != nil {
		return nil, err
	}
	var given sidebar
	decoder := yaml.NewDecoder(bytes.NewReader(raw))
	decoder.KnownFields(true)
	if err := decoder.Decode(&given); err != nil {
		return nil, fmt.Errorf("site.yaml: %w", err)
	}
	var sections []*section
	for _, s := range given.Sections {
		made := &section{Title: s.Title}
		switch {
		case s.Title == "":
			return nil, errors.New("site.yaml: a section has no title")
		case s.APIReference == "generated":
			made.Groups = reference
		case s.APIReference != "":
			return nil, fmt.Errorf("site.yaml: api-reference of %s must be generated", s.Title)
		}
		for _, p := range s.Pages {
			source, err := readPage(files, changelog, p.File)
			if err != nil {
				return nil, fmt.Errorf("site.yaml names %s: %w", p.File, err)
			}
			slug := p.Slug
			if slug == "" {
				slug = slugOf(p.File)
			}
			read := parseText(p.File, source)
			made.Pages = append(made.Pages, &page{Path: root + "/" + slug, Title: read.title, Short: p.Title, text: read})
		}
		sections = append(sections, made)
	}
	return sections, finishPages(sections)
}

func readPage(files fs.FS, changelog []byte, name string) ([]byte, error) {
	if isChangelog(name) {
		return changelog, nil
	}
	return fs.ReadFile(files, name)
}

func isChangelog(name string) bool { return strings.EqualFold(path.Base(name), "changelog.md") }

func slugOf(file string) string { return strings.ToLower(strings.TrimSuffix(path.Base(file), ".md")) }

// finishPages fills in what a page has from its text, and from its place among the others.
func finishPages(sections []*section) error {
	var last *page
	seen := map[string]bool{}
	for _, s := range sections {
		for _, p := range s.all() {
			if seen[p.Path] {
				return fmt.Errorf("two pages are at %s", p.Path)
			}
			seen[p.Path] = true
			p.Section, p.Prev = s, last
			if last != nil {
				last.Next = p
			}
			last = p
			if p.text != nil {
				if p.text.title == "" {
					return fmt.Errorf("%s has no first heading", p.text.file)
				}
				p.Description, p.Headings = p.text.description, p.text.headings
			}
			p.words = append(wordsOf(strings.TrimPrefix(p.Path, root)), wordsOf(p.Title)...)
			if p.Short == "" {
				p.Short = p.Title
			}
		}
	}
	if last == nil {
		return errors.New("site.yaml names no page")
	}
	return nil
}

// folder is a path that is no page itself, with pages that belong together.
type folder struct {
	path, title string
	pages       []*page
}

// foldersOf gives every section, and every group in one, a folder, so that programs can ask
// for its index. Where a page has that path, it is the page that is asked for.
func foldersOf(sections []*section, byPath map[string]*page) (folders []folder, err error) {
	seen := map[string]bool{}
	add := func(f folder) {
		if byPath[f.path] != nil || len(f.pages) == 0 {
			return
		}
		if seen[f.path] || strings.HasPrefix(f.path+"/", assetsPath) || f.path == feedbackPath {
			err = fmt.Errorf("site.yaml: there is something else at %s, the path of %s", f.path, f.title)
		}
		seen[f.path] = true
		folders = append(folders, f)
	}
	for _, s := range sections {
		at := root + "/" + headingID(s.Title)
		add(folder{at, s.Title, s.all()})
		for _, g := range s.Groups {
			add(folder{at + "/" + g.Title, s.Title + ": " + g.Title, g.Pages})
		}
	}
	return folders, err
}
