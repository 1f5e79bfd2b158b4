package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/keypin/keypin/internal/app"
	"github.com/keypin/keypin/internal/cli/console"
	"github.com/keypin/keypin/internal/keypin"
)

func newDocs(p Process) *cobra.Command {
	var on string
	var asJSON bool
	feedback := &cobra.Command{
		Use:   "feedback",
		Short: "Show the answers to \"Was this page helpful?\"",
		Long: `Feedback reads the database and shows, for each page of the documentation, how many
readers found it helpful and how many did not, and what they wrote, newest first. The
service may run meanwhile. Who the readers were is not kept.`,
		Example: `  keypin docs feedback --data-dir /var/lib/keypin
  keypin docs feedback --page /docs/quickstart --json`,
		Args: cobra.NoArgs,
		RunE: run(func(cmd *cobra.Command) error {
			c, err := loadValid(cmd, p.Environ)
			if err != nil {
				return err
			}
			show := votes{byPage: map[string]*tally{}}
			err = app.PageVotes(cmd.Context(), c, func(v keypin.PageVote) error {
				switch {
				case on != "" && v.Page != on:
				case asJSON:
					return printVote(p.Stdout, v)
				default:
					show.add(v)
				}
				return nil
			})
			if err != nil || asJSON {
				return err
			}
			return show.print(p.Stdout)
		}),
	}
	feedback.Flags().StringVar(&on, "page", "", "only the page at `PATH`, such as /docs/quickstart")
	feedback.Flags().BoolVar(&asJSON, "json", false, "print a line of JSON for each answer")
	addSettings(feedback, flagDataDir, flagDatabase)
	return console.Group(&cobra.Command{Use: "docs", Short: "See what readers thought of the documentation"}, feedback)
}

func printVote(w io.Writer, v keypin.PageVote) error {
	return json.NewEncoder(w).Encode(struct {
		At      time.Time `json:"at"`
		Page    string    `json:"page"`
		Helpful bool      `json:"helpful"`
		Comment string    `json:"comment"`
	}{v.At, v.Page, v.Helpful, v.Comment})
}

// tally is what readers thought of one page.
type tally struct{ yes, no int }

type votes struct {
	byPage   map[string]*tally
	comments []keypin.PageVote
}

func (all *votes) add(v keypin.PageVote) {
	t := all.byPage[v.Page]
	if t == nil {
		t = &tally{}
		all.byPage[v.Page] = t
	}
	if v.Helpful {
		t.yes++
	} else {
		t.no++
	}
	if v.Comment != "" {
		all.comments = append(all.comments, v)
	}
}

// print writes a line for each page, those first that the most found of no help, and then
// the comments.
func (all *votes) print(w io.Writer) error {
	if len(all.byPage) == 0 {
		_, err := fmt.Fprintln(w, "nobody has answered yet")
		return err
	}
	pages := slices.Sorted(maps.Keys(all.byPage))
	slices.SortStableFunc(pages, func(a, b string) int { return all.byPage[b].no - all.byPage[a].no })
	lines := []string{"PAGE\tHELPFUL\tNOT"}
	for _, page := range pages {
		lines = append(lines, fmt.Sprintf("%s\t%d\t%d", page, all.byPage[page].yes, all.byPage[page].no))
	}
	if err := printColumns(w, lines); err != nil {
		return err
	}
	var b strings.Builder
	for _, v := range all.comments {
		answer := map[bool]string{true: "helpful", false: "not helpful"}[v.Helpful]
		fmt.Fprintf(&b, "\n%s  %s  %s\n  %s\n", v.At.UTC().Format(time.RFC3339), v.Page, answer, strings.ReplaceAll(v.Comment, "\n", "\n  "))
	}
	_, err := io.WriteString(w, b.String())
	return err
}
