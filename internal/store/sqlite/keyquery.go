package sqlite

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"

	"github.com/keypin/keypin/internal/keypin"
	"github.com/keypin/keypin/internal/store/sqlite/column"
	"github.com/keypin/keypin/internal/store/sqlite/db"
)

// The list of keys is the one query whose SQL is put together here: its filters, its
// order and the ranges of the index that it walks all vary, and a statement that
// could do everything would use no index.
//
// The keys of a workspace are two ranges of keys_listed, by `ended`, which was judged
// at some instant. It is wrong of the keys whose lapses_at lies between that instant
// and the one asked about, and keys_lapsing finds just these:
//
//	usable = ended=0 without the late ones + the early ones of ended=1
//	others = ended=1 without the early ones + the late ones of ended=0

// The parameters of the SQL below have these numbers.
const (
	fromListed  = " FROM api_keys INDEXED BY keys_listed WHERE workspace_id = ?1"
	fromLapsing = " FROM api_keys INDEXED BY keys_lapsing WHERE workspace_id = ?1"
	// ?2 now, ?3 rows, ?4 skipped rows
	matchText    = " AND (instr(lower(name), lower(?5)) > 0 OR instr(suffix, ?5) > 0)"
	matchType    = " AND key_type = ?6"
	matchScope   = " AND EXISTS (SELECT 1 FROM json_each(scopes) WHERE value = ?7)"
	matchCreator = " AND created_by = ?8"
)

const pageColumns = `k.id, k.workspace_id, k.chain_id, k.created_by, k.name, k.key_type, k.prefix, k.suffix, k.hash, k.scopes, k.active,
    k.revoke_at, k.expires_at, k.rate_limit, k.allowed_ips, k.metadata, k.rotated_from, k.rotated_to, k.last_used_at,
    k.created_at, k.updated_at, k.version`

// queryFunc runs a SELECT where the list is read.
type queryFunc func(ctx context.Context, text string, args ...any) (*sql.Rows, error)

// keyList is one question about the keys of a workspace.
type keyList struct {
	workspace keypin.ID
	query     keypin.KeyQuery
	counts    db.KeyCountsRow
}

// read answers the question. Its errors are the engine's.
func (l *keyList) read(ctx context.Context, queries *db.Queries, query queryFunc) (keypin.KeyPage, error) {
	now := column.Time(l.query.Now)
	var err error
	l.counts, err = queries.KeyCounts(ctx, db.KeyCountsParams{Now: &now, WorkspaceID: column.ID(l.workspace)})
	if errors.Is(err, sql.ErrNoRows) { // no such workspace
		return keypin.KeyPage{}, nil
	}
	if err != nil {
		return keypin.KeyPage{}, err
	}
	page := keypin.KeyPage{Total: l.total()}
	if l.filters() != "" {
		if page.Total, err = l.countMatches(ctx, query); err != nil {
			return keypin.KeyPage{}, err
		}
	}
	if l.query.Offset < page.Total && l.query.Limit > 0 {
		page.Keys, err = l.page(ctx, query, page.Total)
	}
	return page, err
}

// total counts the keys of the status, without other filters.
func (l *keyList) total() int {
	c := l.counts
	switch ended := c.Ended + c.Late - c.Early; l.query.Status {
	case keypin.StatusActive:
		return int(c.Total - ended)
	case keypin.StatusRevoked:
		return int(ended)
	default:
		return int(c.Total)
	}
}

// ranges are the parts of the indexes that hold exactly the keys of the status.
func (l *keyList) ranges() []string {
	var ranges []string
	switch l.query.Status {
	case keypin.StatusActive:
		ranges = append(ranges, fromListed+" AND ended = 0 AND (lapses_at IS NULL OR lapses_at > ?2)")
		if l.counts.Early > 0 {
			ranges = append(ranges, fromLapsing+" AND ended = 1 AND lapses_at > ?2")
		}
	case keypin.StatusRevoked:
		ranges = append(ranges, fromListed+" AND ended = 1 AND (lapses_at IS NULL OR lapses_at <= ?2)")
		if l.counts.Late > 0 {
			ranges = append(ranges, fromLapsing+" AND ended = 0 AND lapses_at <= ?2")
		}
	default:
		ranges = append(ranges, fromListed+" AND ended = 0", fromListed+" AND ended = 1")
	}
	return ranges
}

// filters are the conditions other than the status; "" when there is none.
func (l *keyList) filters() string {
	var b strings.Builder
	if l.query.Text != "" {
		b.WriteString(matchText)
	}
	if l.query.Type != "" {
		b.WriteString(matchType)
	}
	if l.query.Scope != "" {
		b.WriteString(matchScope)
	}
	if l.query.CreatedBy != nil {
		b.WriteString(matchCreator)
	}
	return b.String()
}

// args are the parameters of every statement, used in it or not.
func (l *keyList) args(rows, skip int) []any {
	return []any{
		column.ID(l.workspace), column.Time(l.query.Now), rows, skip,
		l.query.Text, l.query.Type, l.query.Scope, (*column.ID)(l.query.CreatedBy),
	}
}

// union selects columns from all ranges, through the filters.
func (l *keyList) union(columns string) string {
	filters := l.filters()
	var b strings.Builder
	for i, part := range l.ranges() {
		if i > 0 {
			b.WriteString(" UNION ALL ")
		}
		b.WriteString("SELECT " + columns + part + filters)
	}
	return b.String()
}

func (l *keyList) countMatches(ctx context.Context, query queryFunc) (total int, err error) {
	rows, err := query(ctx, "SELECT count(*) FROM ("+l.union("1")+")", l.args(0, 0)...)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	for rows.Next() {
		err = errors.Join(err, rows.Scan(&total))
	}
	return total, errors.Join(err, rows.Err())
}

// page reads the page out of total keys.
func (l *keyList) page(ctx context.Context, query queryFunc, total int) ([]keypin.APIKey, error) {
	n, skip := min(l.query.Limit, total-l.query.Offset), l.query.Offset
	sorted, byTime, newestFirst := "", false, true
	switch l.query.Sort {
	case keypin.SortName:
		sorted = "lower(name)"
	case keypin.SortNameReverse:
		sorted = "lower(name) DESC"
	case keypin.SortLastUsed:
		sorted = "last_used_at DESC"
	case keypin.SortLeastRecentlyUsed:
		sorted = "last_used_at"
	case keypin.SortOldest:
		byTime, newestFirst = true, false
	default:
		byTime = true
	}
	if !byTime {
		return l.scan(ctx, query, l.sortedPage(sorted), n, skip)
	}
	fromNewest := newestFirst
	if skip > total/2 { // the other end is nearer
		fromNewest, skip = !fromNewest, total-skip-n
	}
	keys, err := l.scan(ctx, query, l.timedPage(fromNewest), n, skip)
	slices.SortFunc(keys, func(a, b keypin.APIKey) int {
		if newestFirst {
			a, b = b, a
		}
		if c := a.CreatedAt.Compare(b.CreatedAt); c != 0 {
			return c
		}
		return bytes.Compare(a.ID[:], b.ID[:])
	})
	return keys, err
}

// timedPage walks the ranges in the index's order, or backwards, and reads the rows
// of the page only. It gives them in any order.
func (l *keyList) timedPage(fromNewest bool) string {
	order := "created_at, id"
	if fromNewest {
		order = "created_at DESC, id DESC"
	}
	return "SELECT " + pageColumns + " FROM (" + l.union("rowid AS row, created_at, id") +
		" ORDER BY " + order + " LIMIT ?3 OFFSET ?4) AS page CROSS JOIN api_keys AS k ON k.rowid = page.row"
}

// sortedPage sorts all that match.
func (l *keyList) sortedPage(sorted string) string {
	expression, direction, _ := strings.Cut(sorted, " ")
	order := " ORDER BY sorted " + direction + ", created_at DESC, id DESC"
	return "SELECT " + pageColumns + " FROM (" + l.union("rowid AS row, created_at, id, "+expression+" AS sorted") +
		order + " LIMIT ?3 OFFSET ?4) AS page CROSS JOIN api_keys AS k ON k.rowid = page.row" +
		" ORDER BY page.sorted " + direction + ", page.created_at DESC, page.id DESC"
}

func (l *keyList) scan(ctx context.Context, query queryFunc, text string, n, skip int) ([]keypin.APIKey, error) {
	rows, err := query(ctx, text, l.args(n, skip)...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	keys := make([]keypin.APIKey, 0, n)
	for rows.Next() {
		var k db.APIKey
		if err := rows.Scan(
			&k.ID, &k.WorkspaceID, &k.ChainID, &k.CreatedBy, &k.Name, &k.KeyType, &k.Prefix, &k.Suffix, &k.Hash, &k.Scopes, &k.Active,
			&k.RevokeAt, &k.ExpiresAt, &k.RateLimit, &k.AllowedIPs, &k.Metadata, &k.RotatedFrom, &k.RotatedTo, &k.LastUsedAt,
			&k.CreatedAt, &k.UpdatedAt, &k.Version,
		); err != nil {
			return nil, err
		}
		keys = append(keys, keyOf(k))
	}
	return keys, rows.Err()
}

// preparedPages are the statements of lists by time without filters or corrections,
// which is nearly every list. They are prepared when the store opens: doing so later,
// inside a snapshot, would take a second connection from the pool.
type preparedPages map[string]*sql.Stmt

func preparePages(ctx context.Context, pool *sql.DB) (preparedPages, error) {
	pages := preparedPages{}
	for _, status := range []keypin.KeyStatus{keypin.StatusActive, keypin.StatusRevoked, keypin.StatusAll} {
		list := keyList{query: keypin.KeyQuery{Status: status}}
		for _, fromNewest := range []bool{true, false} {
			text := list.timedPage(fromNewest)
			statement, err := pool.PrepareContext(ctx, text) //nolint:sqlclosecheck // lives as long as its pool
			if err != nil {
				return nil, err
			}
			pages[text] = statement
		}
	}
	return pages, nil
}

// in runs text in the snapshot.
func (p preparedPages) in(snapshot *sql.Tx) queryFunc {
	return func(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
		if statement := p[text]; statement != nil {
			return snapshot.StmtContext(ctx, statement).QueryContext(ctx, args...) //nolint:sqlclosecheck // ends with the snapshot
		}
		return snapshot.QueryContext(ctx, text, args...)
	}
}
