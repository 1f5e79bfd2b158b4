package postgres

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/keypin/keypin/internal/keypin"
	"github.com/keypin/keypin/internal/store/postgres/column"
	"github.com/keypin/keypin/internal/store/postgres/db"
)

// The list of keys is the one query whose SQL is put together here: its filters, its
// order and the ranges of the index that it walks all vary, and a statement that
// could do everything would use no index.
//
// The keys of a workspace are two ranges of keys_listed, by `ended`, which was judged
// at some instant. It is wrong of the keys whose lapses_at lies between that instant
// and the one asked about, and keys_lapsing finds just these:
//
//	usable = ended=false without the late ones + the early ones of ended=true
//	others = ended=true without the early ones + the late ones of ended=false

const pageColumns = `k.id, k.workspace_id, k.chain_id, k.created_by, k.name, k.key_type, k.prefix, k.suffix, k.hash, k.scopes, k.active,
    k.revoke_at, k.expires_at, k.rate_limit, k.allowed_ips, k.metadata, k.rotated_from, k.rotated_to, k.last_used_at,
    k.created_at, k.updated_at, k.version`

// keyList is one question about the keys of a workspace.
type keyList struct {
	workspace keypin.ID
	query     keypin.KeyQuery
	counts    db.KeyCountsRow
}

// statement is SQL in the making. The engine takes no parameter that is not used.
type statement struct {
	strings.Builder
	args []any
}

// arg adds a parameter, and gives its place.
func (s *statement) arg(v any) string {
	s.args = append(s.args, v)
	return "$" + strconv.Itoa(len(s.args))
}

// read answers the question. Its errors are the engine's.
func (l *keyList) read(ctx context.Context, conn db.DBTX) (keypin.KeyPage, error) {
	var err error
	l.counts, err = db.New(conn).KeyCounts(ctx, db.KeyCountsParams{Now: column.Time(l.query.Now), WorkspaceID: column.ID(l.workspace)})
	if err != nil {
		return keypin.KeyPage{}, err
	}
	page := keypin.KeyPage{Total: l.total()}
	if l.filtered() {
		if page.Total, err = l.countMatches(ctx, conn); err != nil {
			return keypin.KeyPage{}, err
		}
	}
	if l.query.Offset < page.Total && l.query.Limit > 0 {
		page.Keys, err = l.page(ctx, conn, page.Total)
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

// filtered reports whether there are conditions other than the status.
func (l *keyList) filtered() bool {
	q := l.query
	return q.Text != "" || q.Type != "" || q.Scope != "" || q.CreatedBy != nil
}

// union selects columns from the parts of the indexes that hold exactly the keys of
// the status, through the filters. Each part ends as suffix says: the engine merges
// parts only when each is sorted by itself.
func (l *keyList) union(s *statement, columns, suffix string) {
	workspace := s.arg(column.ID(l.workspace))
	var parts []string
	switch l.query.Status {
	case keypin.StatusActive:
		now := s.arg(column.Time(l.query.Now))
		parts = append(parts, "ended = false AND (lapses_at IS NULL OR lapses_at > "+now+")")
		if l.counts.Early > 0 {
			parts = append(parts, "ended = true AND lapses_at > "+now)
		}
	case keypin.StatusRevoked:
		now := s.arg(column.Time(l.query.Now))
		parts = append(parts, "ended = true AND (lapses_at IS NULL OR lapses_at <= "+now+")")
		if l.counts.Late > 0 {
			parts = append(parts, "ended = false AND lapses_at <= "+now)
		}
	default:
		parts = append(parts, "ended = false", "ended = true")
	}
	filters := l.filters(s)
	for i, part := range parts {
		if i > 0 {
			s.WriteString(" UNION ALL ")
		}
		s.WriteString("SELECT * FROM (SELECT " + columns + " FROM api_keys WHERE workspace_id = " + workspace + " AND " + part + filters + suffix +
			") AS part" + strconv.Itoa(i))
	}
}

// filters are the conditions other than the status; "" when there is none.
func (l *keyList) filters(s *statement) string {
	var b strings.Builder
	if l.query.Text != "" {
		text := s.arg(textual(l.query.Text))
		fmt.Fprintf(&b, ` AND (strpos(lower(name COLLATE "C"), lower(%s::text COLLATE "C")) > 0 OR strpos(suffix, %s::text) > 0)`, text, text)
	}
	if l.query.Type != "" {
		b.WriteString(" AND key_type = " + s.arg(l.query.Type))
	}
	if l.query.Scope != "" {
		quoted, _ := json.Marshal(l.query.Scope) // a string can be marshalled
		b.WriteString(" AND strpos(scopes, " + s.arg(string(quoted)) + "::text) > 0")
	}
	if l.query.CreatedBy != nil {
		b.WriteString(" AND created_by = " + s.arg(column.ID(*l.query.CreatedBy)))
	}
	return b.String()
}

func (l *keyList) countMatches(ctx context.Context, conn db.DBTX) (total int, err error) {
	var s statement
	s.WriteString("SELECT count(*) FROM (")
	l.union(&s, "1", "")
	s.WriteString(") AS found")
	err = conn.QueryRow(ctx, s.String(), s.args...).Scan(&total)
	return total, err
}

// page reads the page out of total keys.
func (l *keyList) page(ctx context.Context, conn db.DBTX, total int) ([]keypin.APIKey, error) {
	n, skip := min(l.query.Limit, total-l.query.Offset), l.query.Offset
	name := `lower(name COLLATE "C")`
	newestFirst := true
	switch l.query.Sort {
	case keypin.SortName:
		return l.scan(ctx, conn, l.sortedPage(name, "ASC", n, skip))
	case keypin.SortNameReverse:
		return l.scan(ctx, conn, l.sortedPage(name, "DESC", n, skip))
	case keypin.SortLastUsed:
		return l.scan(ctx, conn, l.sortedPage("last_used_at", "DESC NULLS LAST", n, skip))
	case keypin.SortLeastRecentlyUsed:
		return l.scan(ctx, conn, l.sortedPage("last_used_at", "ASC NULLS FIRST", n, skip))
	case keypin.SortOldest:
		newestFirst = false
	case keypin.SortNewest:
	}
	fromNewest := newestFirst
	if skip > total/2 { // the other end is nearer
		fromNewest, skip = !fromNewest, total-skip-n
	}
	keys, err := l.scan(ctx, conn, l.timedPage(fromNewest, n, skip))
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
func (l *keyList) timedPage(fromNewest bool, n, skip int) *statement {
	var s statement
	order := "created_at, id"
	if fromNewest {
		order = "created_at DESC, id DESC"
	}
	s.WriteString("SELECT " + pageColumns + " FROM (")
	l.union(&s, "id, created_at", " ORDER BY "+order+" LIMIT "+s.arg(int64(skip+n)))
	s.WriteString(" ORDER BY " + order + " LIMIT " + s.arg(int64(n)) + " OFFSET " + s.arg(int64(skip)) +
		") AS page JOIN api_keys AS k ON k.id = page.id")
	return &s
}

// sortedPage sorts all that match.
func (l *keyList) sortedPage(expression, direction string, n, skip int) *statement {
	var s statement
	s.WriteString("SELECT " + pageColumns + " FROM (")
	l.union(&s, "id, created_at, "+expression+" AS sorted", "")
	s.WriteString(" ORDER BY sorted " + direction + ", created_at DESC, id DESC LIMIT " + s.arg(int64(n)) + " OFFSET " + s.arg(int64(skip)) +
		") AS page JOIN api_keys AS k ON k.id = page.id ORDER BY page.sorted " + direction + ", page.created_at DESC, page.id DESC")
	return &s
}

func (l *keyList) scan(ctx context.Context, conn db.DBTX, s *statement) ([]keypin.APIKey, error) {
	rows, err := conn.Query(ctx, s.String(), s.args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (keypin.APIKey, error) {
		var k db.APIKey
		err := row.Scan(
			&k.ID, &k.WorkspaceID, &k.ChainID, &k.CreatedBy, &k.Name, &k.KeyType, &k.Prefix, &k.Suffix, &k.Hash, &k.Scopes, &k.Active,
			&k.RevokeAt, &k.ExpiresAt, &k.RateLimit, &k.AllowedIPs, &k.Metadata, &k.RotatedFrom, &k.RotatedTo, &k.LastUsedAt,
			&k.CreatedAt, &k.UpdatedAt, &k.Version,
		)
		return keyOf(k), err
	})
}
