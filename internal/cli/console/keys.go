package console

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/keypin/keypin/client"
	"github.com/keypin/keypin/internal/cli/problem"
	"github.com/keypin/keypin/internal/cli/show"
)

func (c *console) keys() *cobra.Command {
	return Group(&cobra.Command{
		Use:   "keys",
		Short: "Make, list, change, rotate, revoke and verify API keys",
		Long: `API keys belong to a workspace. Where a command takes KEY, name it by its id, its
name, or its last 6 characters; never give a key itself as an argument.`,
		Example: `  keypin keys create "Nightly export" --scope workflows:read --expires 90d
  keypin keys list
  keypin keys rotate "Nightly export" --grace 24h`,
	}, c.keysList(), c.keysCreate(), c.keysGet(), c.keysUpdate(), c.keysRotate(), c.keysRevoke(), c.keysVerify(), c.keysUsage())
}

// part is which part of a list is wanted.
type part struct {
	limit int
	all   bool
}

func addPart(cmd *cobra.Command) *part {
	p := &part{}
	cmd.Flags().IntVar(&p.limit, "limit", 50, "list at most `N`")
	cmd.Flags().BoolVar(&p.all, "all", false, "list all, however many there are")
	return p
}

func (p *part) check(cmd *cobra.Command) error {
	switch {
	case p.limit < 1:
		return problem.Usage("--limit must be 1 or more; --all lists all")
	case p.all && cmd.Flags().Changed("limit"):
		return problem.Usage("--limit and --all cannot be given together")
	}
	return nil
}

// page is how many to ask for at a time.
func (p *part) page() int {
	if p.all {
		return 0
	}
	return min(p.limit, 100)
}

// collect follows the pages of a list as far as is wanted.
func collect[T any](s *session, p *part, list func(context.Context, *client.Client) iter.Seq2[T, error]) ([]T, error) {
	more := false
	items, err := call(s, func(ctx context.Context, api *client.Client) ([]T, error) {
		items := []T{}
		for item, err := range list(ctx, api) {
			if err != nil {
				return nil, err
			}
			if more = !p.all && len(items) == p.limit; more {
				break
			}
			items = append(items, item)
		}
		return items, nil
	})
	if more && err == nil {
		s.out.Note("There are more than these %d: --limit N or --all lists them.", p.limit)
	}
	return items, err
}

func (c *console) keysList() *cobra.Command {
	status := &choice{value: "active", allowed: []string{"active", "revoked", "all"}}
	kind := &choice{allowed: []string{"live", "test", "read-only"}}
	order := &choice{value: "-created_at", allowed: []string{"-created_at", "created_at", "name", "-name", "-last_used_at", "last_used_at"}}
	var params client.ListKeysParams
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the keys of a workspace",
		Long: `List shows the keys that can be used, newest first. --status revoked lists all others:
revoked, suspended and expired ones. No key itself is shown: it was, once, when it
was made.

On a terminal the columns fit its width and times are relative. Elsewhere the output
is tab-separated and without titles: state, name, key, scopes, last use, creation,
id; --json has all fields.`,
		Example: `  keypin keys list --status all --search export
  keypin keys list --all --jq '.[] | select(.expires_at == null) | .name'
  keypin keys list --template '{{range .}}{{.id}} {{timeago .last_used_at}}{{"\n"}}{{end}}'`,
		Args: takes(0, 0, ""),
	}
	wanted := addPart(cmd)
	cmd.RunE = c.run(func(s *session, _ []string) error {
		if err := wanted.check(cmd); err != nil {
			return err
		}
		if looksSecret(params.Text) {
			return notAsArgument()
		}
		params.Status, params.KeyType, params.Sort = client.KeyStatus(status.value), client.KeyType(kind.value), client.KeySort(order.value)
		params.Limit = wanted.page()
		keys, err := collect(s, wanted, func(ctx context.Context, api *client.Client) iter.Seq2[client.APIKey, error] {
			return api.Keys.List(ctx, params)
		})
		if err != nil {
			return err
		}
		return s.data(keys, func() error { return s.showKeys(keys, params) })
	})
	f := cmd.Flags()
	f.Var(status, "status", "which keys: `STATUS` active, revoked (all that cannot be used) or all")
	f.StringVar(&params.Text, "search", "", "only keys with `TEXT` in their name or their last 6 characters")
	f.Var(kind, "type", "only keys of the `TYPE` live, test or read-only")
	f.StringVar(&params.Scope, "scope", "", "only keys that hold `SCOPE`")
	f.StringVar(&params.CreatedBy, "created-by", "", "only keys that the user with this `ID` made")
	f.Var(order, "sort", "`ORDER` created_at, name or last_used_at; a minus before it reverses it")
	completeChoices(cmd)
	return cmd
}

func (s *session) showKeys(keys []client.APIKey, params client.ListKeysParams) error {
	if len(keys) == 0 {
		switch {
		case params.Text != "" || params.KeyType != "" || params.Scope != "" || params.CreatedBy != "":
			s.out.Note("No key matches.")
		case params.Status == client.KeysActive:
			s.out.Note(`There are no keys in use. keypin keys create "My first key" makes one.`)
		default:
			s.out.Note("There are no such keys.")
		}
		return nil
	}
	rows := make([][]show.Cell, len(keys))
	for i := range keys {
		k := &keys[i]
		rows[i] = []show.Cell{
			s.keyState(k), {Text: k.Name, Style: show.Strong}, {Text: k.Preview}, {Text: strings.Join(k.Scopes, ",")},
			s.out.AgoOr(k.LastUsedAt, "never"), s.out.Ago(k.CreatedAt), {Text: k.ID, Style: show.Faint},
		}
	}
	return s.out.Table([]show.Column{
		{Title: "STATE", Least: 9}, {Title: "NAME", Least: 16}, {Title: "KEY"}, {Title: "SCOPES", Least: 14, Drop: 2},
		{Title: "LAST USED", Drop: 1}, {Title: "CREATED", Drop: 4}, {Title: "ID", Drop: 3},
	}, rows)
}

// keyState is whether a key can be used, in a word or two.
func (s *session) keyState(k *client.APIKey) show.Cell {
	switch now := s.out.Now; {
	case k.RevokedAt != nil && !k.RevokedAt.After(now):
		return show.Cell{Text: "revoked", Style: show.Bad}
	case !k.Active:
		return show.Cell{Text: "suspended", Style: show.Warning}
	case k.ExpiresAt != nil && !k.ExpiresAt.After(now):
		return show.Cell{Text: "expired", Style: show.Bad}
	case k.RotatedTo != "" && k.ExpiresAt != nil:
		return show.Cell{Text: "rotated", Style: show.Warning}
	default:
		return show.Cell{Text: "active", Style: show.Good}
	}
}

// keyDetails is a key for a person.
func (s *session) keyDetails(k *client.APIKey) []show.Pair {
	limit := "the service's default"
	if k.RateLimitPerMin != nil {
		limit = fmt.Sprintf("%d a minute", *k.RateLimitPerMin)
	}
	list := func(items []string, none string) show.Cell {
		if len(items) == 0 {
			return show.Cell{Text: none, Style: show.Faint}
		}
		return show.Cell{Text: strings.Join(items, ", ")}
	}
	return []show.Pair{
		{Label: "name", Cell: show.Cell{Text: k.Name, Style: show.Strong}},
		{Label: "key", Cell: show.Cell{Text: k.Preview}},
		{Label: "id", Cell: show.Cell{Text: k.ID}},
		{Label: "state", Cell: s.keyState(k)},
		{Label: "type", Cell: show.Cell{Text: string(k.KeyType)}},
		{Label: "scopes", Cell: list(k.Scopes, "none: it may do nothing")},
		{Label: "limit", Cell: show.Cell{Text: limit}},
		{Label: "allowed from", Cell: list(k.AllowedIPs, "anywhere")},
		{Label: "metadata", Cell: metadataCell(k.Metadata)},
		{Label: "expires", Cell: s.out.AgoOr(k.ExpiresAt, "never")},
		{Label: "last used", Cell: s.out.AgoOr(k.LastUsedAt, "never")},
		{Label: "created", Cell: s.out.Ago(k.CreatedAt)},
		{Label: "changed", Cell: changed(s, k)},
		{Label: "revoked", Cell: s.out.AgoOr(k.RevokedAt, "")},
		{Label: "made by", Cell: show.Cell{Text: k.CreatedBy}},
		{Label: "rotated from", Cell: show.Cell{Text: k.RotatedFrom}},
		{Label: "rotated to", Cell: show.Cell{Text: k.RotatedTo}},
	}
}

func changed(s *session, k *client.APIKey) show.Cell {
	if k.UpdatedAt.Sub(k.CreatedAt) < time.Second {
		return show.Cell{}
	}
	return s.out.Ago(k.UpdatedAt)
}

func (c *console) keysGet() *cobra.Command {
	return &cobra.Command{
		Use:               "get KEY",
		Short:             "Show one key",
		Long:              "Get shows all of a key but the key itself, which nobody has but its holder.",
		Example:           "  keypin keys get \"Nightly export\"\n  keypin keys get 2PyLo5 --json",
		Args:              takes(1, 1, "KEY"),
		ValidArgsFunction: c.completeKeys(client.KeysAll),
		RunE: c.run(func(s *session, args []string) error {
			k, err := s.findKey(args[0])
			if err != nil {
				return err
			}
			return s.data(k, func() error { return s.out.Details(s.keyDetails(k)) })
		}),
	}
}
