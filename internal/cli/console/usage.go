package console

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/keypin/keypin/client"
	"github.com/keypin/keypin/internal/cli/show"
)

func (c *console) keysUsage() *cobra.Command {
	by := &choice{allowed: []string{"minute", "hour", "day"}}
	from, to := &moment{now: time.Now, back: true}, &moment{now: time.Now, back: true}
	cmd := &cobra.Command{
		Use:   "usage [KEY]",
		Short: "Show how often a key, or all keys, were verified",
		Long: `Usage counts the verifications of a key, over its whole chain of rotations, and how
they came out. Without KEY it is that of all keys of the workspace, with the most used
ones. Of the points in time only those with a use are shown; --json has all.`,
		Example: `  keypin keys usage "Nightly export" --from 7d --by day
  keypin keys usage --json --jq '.totals'`,
		Args:              takes(0, 1, "KEY"),
		ValidArgsFunction: c.completeKeys(client.KeysAll),
	}
	cmd.RunE = c.run(func(s *session, args []string) error {
		params := client.UsageParams{From: from.at, To: to.at, Granularity: client.Granularity(by.value)}
		if len(args) == 0 {
			u, err := call(s, func(ctx context.Context, api *client.Client) (*client.WorkspaceUsage, error) {
				return api.Usage(ctx, params)
			})
			if err != nil {
				return err
			}
			return s.data(u, func() error { return s.showWorkspaceUsage(u) })
		}
		id, err := s.keyID(args[0])
		if err != nil {
			return err
		}
		u, err := call(s, func(ctx context.Context, api *client.Client) (*client.KeyUsage, error) {
			return api.Keys.Usage(ctx, id, params)
		})
		if err != nil {
			return err
		}
		return s.data(u, func() error { return s.showKeyUsage(u) })
	})
	f := cmd.Flags()
	f.Var(from, "from", "`WHEN` to begin: 24h or 7d ago, a day, or a time (default the service's)")
	f.Var(to, "to", "`WHEN` to end, likewise (default now)")
	f.Var(by, "by", "count by `UNIT` minute, hour or day (default the service's)")
	completeChoices(cmd)
	return cmd
}

func (s *session) showKeyUsage(u *client.KeyUsage) error {
	last := []show.Pair{{Label: "last used", Cell: show.Cell{Text: "never", Style: show.Faint}}}
	if l := u.LastUsed; l != nil {
		last = []show.Pair{
			{Label: "last used", Cell: s.out.Ago(l.At)},
			{Label: "from", Cell: show.Cell{Text: l.IP}},
			{Label: "by", Cell: show.Cell{Text: l.UserAgent}},
		}
	}
	if err := s.out.Details(append(s.totals(u.Usage), last...)); err != nil {
		return err
	}
	return s.showPoints(u.Usage)
}

func (s *session) showWorkspaceUsage(u *client.WorkspaceUsage) error {
	if err := s.out.Details(s.totals(u.Usage)); err != nil {
		return err
	}
	if len(u.TopKeys) > 0 {
		var rows [][]show.Cell
		for _, k := range u.TopKeys {
			rows = append(rows, []show.Cell{{Text: k.Name, Style: show.Strong}, number(k.Total), number(k.Total - k.Counts[client.OutcomeValid]), {Text: k.APIKeyID, Style: show.Faint}})
		}
		if err := s.between(); err != nil {
			return err
		}
		if err := s.out.Table([]show.Column{{Title: "MOST USED", Least: 10}, {Title: "USES"}, {Title: "REFUSED"}, {Title: "ID", Drop: 1}}, rows); err != nil {
			return err
		}
	}
	return s.showPoints(u.Usage)
}

// between parts two tables.
func (s *session) between() error {
	_, err := fmt.Fprintln(s.out.Stdout)
	return err
}

func (s *session) totals(u client.Usage) []show.Pair {
	lines := []show.Pair{{Label: "from", Cell: s.out.Ago(u.From)}, {Label: "to", Cell: s.out.Ago(u.To)}}
	if len(u.Totals) == 0 {
		return append(lines, show.Pair{Label: "uses", Cell: show.Cell{Text: "none", Exact: "0", Style: show.Faint}})
	}
	for _, code := range slices.Sorted(maps.Keys(u.Totals)) {
		style := show.Bad
		if code == client.OutcomeValid {
			style = show.Good
		}
		lines = append(lines, show.Pair{Label: string(code), Cell: show.Cell{Text: strconv.FormatInt(u.Totals[code], 10), Style: style}})
	}
	return lines
}

// longestBar is the length of the bar of the busiest point.
const longestBar = 30

func (s *session) showPoints(u client.Usage) error {
	var most int64
	for _, p := range u.Points {
		most = max(most, sum(p.Counts))
	}
	if most == 0 {
		return nil
	}
	layout := "2006-01-02 15:04"
	if u.Granularity == client.ByDay {
		layout = time.DateOnly
	}
	var rows [][]show.Cell
	for _, p := range u.Points {
		all := sum(p.Counts)
		if all == 0 {
			continue
		}
		bar := strings.Repeat("▇", int(max(1, all*longestBar/most)))
		rows = append(rows, []show.Cell{
			{Text: p.At.UTC().Format(layout), Exact: show.Exact(p.At)}, number(all), number(all - p.Counts[client.OutcomeValid]),
			{Text: bar, Exact: " ", Style: show.Faint},
		})
	}
	if err := s.between(); err != nil {
		return err
	}
	return s.out.Table([]show.Column{{Title: strings.ToUpper(string(u.Granularity)) + " (UTC)"}, {Title: "USES"}, {Title: "REFUSED"}, {Title: "", Drop: 1}}, rows)
}

func sum(counts map[client.Outcome]int64) (all int64) {
	for _, n := range counts {
		all += n
	}
	return all
}

func number(n int64) show.Cell { return show.Cell{Text: strconv.FormatInt(n, 10)} }

// metadataCell is the notes on a key.
func metadataCell(m map[string]string) show.Cell {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, k+"="+m[k])
	}
	return show.Cell{Text: strings.Join(parts, ", ")}
}
