package cli

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/keypin/keypin/internal/app"
	"github.com/keypin/keypin/internal/cli/problem"
	"github.com/keypin/keypin/internal/cli/show"
	"github.com/keypin/keypin/internal/config"
	"github.com/keypin/keypin/internal/keypin"
)

func newCopy(p Process) *cobra.Command {
	var from, to string
	cmd := &cobra.Command{
		Use:   "copy",
		Short: "Copy everything from SQLite to PostgreSQL",
		Long: `Copy makes a PostgreSQL database equal to one of SQLite, and then compares every row
of both. The service on SQLite may run meanwhile. What is equal already is not
written again: a copy that was broken off goes on where it stopped, and another one
brings only what has changed since.

To move with a short time in which nothing can be changed: copy; restart the
service with KEYPIN_READ_ONLY=true; copy once more; start the nodes on PostgreSQL.

Progress goes to standard error. At the end each table is printed with its number of
rows and the SHA-256 of all of them, which both databases have; if they do not, the
command fails. No node may run on the target.`,
		Example: `  keypin copy --from sqlite:///var/lib/keypin/keypin.db --to postgres://keypin@db.example.com/keypin
  KEYPIN_DATABASE=postgres://… keypin copy --from sqlite://data/keypin.db   # a password stays out of ps`,
		Args: cobra.NoArgs,
		RunE: run(func(cmd *cobra.Command) error {
			c, err := load(cmd, p.Environ)
			if err != nil {
				return err
			}
			source, target := keypin.NewSecret(from), keypin.NewSecret(to)
			if to == "" {
				target = c.Database
			}
			if err := checkCopy(source, target); err != nil {
				return err
			}
			copying := progress{w: p.Stderr, clock: time.Now}
			sums, err := app.Copy(cmd.Context(), source, target, copying.told)
			if err != nil {
				return err
			}
			return printSums(p.Stdout, sums)
		}),
	}
	f := cmd.Flags()
	f.StringVar(&from, "from", "", "`URL` of the database to copy, sqlite://PATH (needed)")
	f.StringVar(&to, "to", "", "`URL` of the database to copy into, postgres://… (default the setting database)")
	addSettings(cmd)
	if err := cmd.MarkFlagRequired("from"); err != nil {
		panic(err) // the flag is defined above
	}
	return cmd
}

func checkCopy(from, to keypin.Secret) error {
	wrong, right := config.DatabaseProblem(from)
	if wrong == "" && config.IsPostgres(from) {
		wrong, right = "is PostgreSQL", "must be sqlite://PATH: copying goes from SQLite to PostgreSQL"
	}
	if wrong != "" {
		return problem.Usage("--from %s; %s", wrong, right)
	}
	wrong, right = config.DatabaseProblem(to)
	if wrong == "" && !config.IsPostgres(to) {
		wrong, right = "is SQLite", "must be postgres://USER:PASSWORD@HOST:PORT/DATABASE: copying goes from SQLite to PostgreSQL"
	}
	if to.IsZero() {
		wrong, right = "is not given, nor is the setting database", "must be postgres://USER:PASSWORD@HOST:PORT/DATABASE"
	}
	if wrong != "" {
		return problem.Usage("--to %s; %s", wrong, right)
	}
	return nil
}

// progress says every second how far a copy is.
type progress struct {
	w     io.Writer
	clock keypin.Clock
	last  time.Time
}

func (p *progress) told(table string, rows, written int64, done bool) {
	now := p.clock()
	if !done && now.Sub(p.last) < time.Second {
		return
	}
	p.last = now
	show.Lines(p.w, fmt.Sprintf("%s: %d rows, %d of them written%s\n", table, rows, written, map[bool]string{true: "", false: " …"}[done]))
}

func printSums(w io.Writer, sums []app.TableSum) error {
	lines := []string{"TABLE\tROWS\tSHA-256"}
	for _, sum := range sums {
		lines = append(lines, fmt.Sprintf("%s\t%d\t%x", sum.Table, sum.Rows, sum.Hash))
	}
	return printColumns(w, lines)
}

// printColumns writes lines whose cells are parted by tabs, one below the other.
func printColumns(w io.Writer, lines []string) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, err := io.WriteString(table, strings.Join(lines, "\n")+"\n")
	return errors.Join(err, table.Flush())
}
