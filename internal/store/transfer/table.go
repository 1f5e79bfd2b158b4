package transfer

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"strings"
)

// Kind is what a value of a column is, in a Row and in the engines.
type Kind int

// The kinds, and the Go type that holds one in a Row.
const (
	ID    Kind = iota // []byte, the 16 of a UUID
	Bytes             // []byte
	Text              // string
	JSON              // string: compact, the members of an object sorted by name
	Int               // int64
	Bool              // bool
	Time              // int64, microseconds since 1970 in UTC
)

// Column is one of a table's. Any may be NULL, which is nil in a Row.
type Column struct {
	Name string
	Kind Kind
}

// Table is a table that every store has.
type Table struct {
	Name string
	// Columns begin with those of the key, by which rows are ordered; texts by byte.
	Columns []Column
	Keys    int // how many columns are the key
	// Passing says that the store itself deletes rows of this table in time.
	Passing bool
}

// Row is a row's values in the order of the table's columns. It is not changed.
type Row []any

// Tables lists what is kept, referred to before what refers to it.
func Tables() []Table {
	return []Table{
		{Name: "users", Keys: 1, Columns: []Column{
			{"id", ID}, {"issuer", Text}, {"subject", Text}, {"email", Text}, {"first_name", Text}, {"last_name", Text},
			{"image_url", Text}, {"created_at", Time},
		}},
		{Name: "workspaces", Keys: 1, Columns: []Column{
			{"id", ID}, {"name", Text}, {"slug", Text}, {"color_idx", Int}, {"created_by", ID}, {"personal_of", ID},
			{"org_issuer", Text}, {"org_id", Text}, {"default_language", Text}, {"theme", Text}, {"created_at", Time},
			{"updated_at", Time}, {"deleted_at", Time},
		}},
		{Name: "members", Keys: 1, Columns: []Column{
			{"id", ID}, {"workspace_id", ID}, {"user_id", ID}, {"role", Text}, {"source", Text}, {"issuer_role", Text},
			{"issuer_told_at", Time}, {"last_active_at", Time}, {"created_at", Time}, {"removed_at", Time},
		}},
		{Name: "invites", Keys: 1, Columns: []Column{
			{"id", ID}, {"workspace_id", ID}, {"email", Text}, {"role", Text}, {"token_hash", Bytes}, {"invited_by", ID},
			{"created_at", Time}, {"expires_at", Time}, {"accepted_at", Time}, {"revoked_at", Time},
		}},
		{Name: "api_keys", Keys: 1, Columns: []Column{
			{"id", ID}, {"workspace_id", ID}, {"chain_id", ID}, {"created_by", ID}, {"name", Text}, {"key_type", Text},
			{"prefix", Text}, {"suffix", Text}, {"hash", Bytes}, {"scopes", JSON}, {"active", Bool}, {"revoke_at", Time},
			{"expires_at", Time}, {"rate_limit", Int}, {"allowed_ips", JSON}, {"metadata", JSON}, {"rotated_from", ID},
			{"rotated_to", ID}, {"last_used_at", Time}, {"created_at", Time}, {"updated_at", Time}, {"version", Int},
		}},
		{Name: "audit_entries", Keys: 3, Columns: []Column{
			{"workspace_id", ID}, {"at", Time}, {"id", ID}, {"actor_kind", Text}, {"actor_user_id", ID}, {"actor_key_id", ID},
			{"action", Text}, {"target_kind", Text}, {"target_id", ID}, {"request_id", Text}, {"ip", Text}, {"user_agent", Text},
			{"before", JSON}, {"after", JSON},
		}},
		{Name: "idempotent_answers", Keys: 2, Passing: true, Columns: []Column{
			{"caller", ID}, {"key_hash", Bytes}, {"request_hash", Bytes}, {"sealed", Bytes}, {"created_at", Time}, {"expires_at", Time},
		}},
		{Name: "usage_counts", Keys: 5, Passing: true, Columns: []Column{
			{"step", Int}, {"bucket", Time}, {"workspace_id", ID}, {"subject", ID}, {"code", Text}, {"count", Int},
		}},
		{Name: "key_uses", Keys: 1, Passing: true, Columns: []Column{
			{"key_id", ID}, {"used_at", Time}, {"ip", Text}, {"user_agent", Text},
		}},
		{Name: "page_votes", Keys: 1, Columns: []Column{
			{"id", ID}, {"at", Time}, {"page", Text}, {"helpful", Bool}, {"comment", Text},
		}},
	}
}

// CanonicalJSON is the one form of a JSON text that all texts of the same meaning have.
func CanonicalJSON(text string) (string, error) {
	read := json.NewDecoder(strings.NewReader(text))
	read.UseNumber() // as it is written
	var meaning any
	if err := read.Decode(&meaning); err != nil {
		return "", errors.New("a column that should hold JSON holds something else")
	}
	var b strings.Builder
	write := json.NewEncoder(&b)
	write.SetEscapeHTML(false)
	if err := write.Encode(meaning); err != nil {
		return "", err
	}
	return strings.TrimSuffix(b.String(), "\n"), nil
}

// compareKeys orders rows by their keys.
func (t *Table) compareKeys(a, b Row) int {
	for i := range t.Keys {
		if c := compare(a[i], b[i]); c != 0 {
			return c
		}
	}
	return 0
}

// compare orders two values of a key, which are of the same kind and not NULL.
func compare(a, b any) int {
	switch a := a.(type) {
	case []byte:
		return bytes.Compare(a, b.([]byte))
	case int64:
		return cmp.Compare(a, b.(int64))
	default:
		return cmp.Compare(a.(string), b.(string))
	}
}
