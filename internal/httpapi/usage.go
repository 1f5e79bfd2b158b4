package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/keypin/keypin/internal/admin"
	"github.com/keypin/keypin/internal/keypin"
)

// usageCounts are how many checks had each outcome.
type usageCounts map[string]int64

// UsageFields is how keys were used in a time. It is exported because huma describes
// embedded fields of exported types only.
type UsageFields struct {
	From        time.Time    `json:"from" doc:"Where the first bucket begins." example:"2026-04-25T10:00:00Z"`
	To          time.Time    `json:"to" doc:"Where the last bucket ends." example:"2026-04-25T12:00:00Z"`
	Granularity string       `json:"granularity" enum:"minute,hour,day" doc:"How long a bucket is. Days are those of UTC." example:"hour"`
	Totals      usageCounts  `json:"totals" doc:"The checks of all buckets by outcome, such as valid or rate_limited, which are the codes of verify; only those that occurred." example:"{\"valid\":1277,\"rate_limited\":3}"`
	Points      []usagePoint `json:"points" nullable:"false" doc:"Every bucket of the time, oldest first."`
}

type usagePoint struct {
	At     time.Time   `json:"at" doc:"Where the bucket begins." example:"2026-04-25T10:00:00Z"`
	Counts usageCounts `json:"counts" doc:"The checks by outcome; empty when there was none." example:"{\"valid\":40}"`
}

// keyUsageFields is how one key was used.
type keyUsageFields struct {
	UsageFields
	LastUsed nullable[lastUseFields] `json:"last_used" doc:"The newest use of this very key that was accepted; null = never."`
}

type lastUseFields struct {
	At        time.Time `json:"at" doc:"When it was, at most 60 s behind." example:"2026-04-25T11:59:58Z"`
	IP        *string   `json:"ip" nullable:"true" doc:"The client's address; null when it was not told." example:"203.0.113.7"`
	UserAgent *string   `json:"user_agent" nullable:"true" doc:"The client's user agent, cut to 256 bytes; null when it was not told." example:"onepin/0.7.1"`
}

// workspaceUsageFields is how the keys of a workspace were used.
type workspaceUsageFields struct {
	UsageFields
	TopKeys []topKeyFields `json:"top_keys" nullable:"false" doc:"The keys that were used most in this time, at most 10, the most used first."`
}

type topKeyFields struct {
	APIKeyID keypin.ID   `json:"api_key_id" format:"uuid" doc:"The newest key of its chain of rotations, which are counted together." example:"3fa85f64-5717-4562-b3fc-2c963f66afa6"`
	Name     string      `json:"name" doc:"That key's name." example:"Marketing API Key"`
	Total    int64       `json:"total" doc:"Checks of any outcome." example:"1280"`
	Counts   usageCounts `json:"counts" doc:"The checks by outcome; only those that occurred." example:"{\"valid\":1277,\"rate_limited\":3}"`
}

func (a *API) registerUsage() {
	const behind = " Checks are counted at most 60 s later. Minutes are kept for 48 hours, hours for 35 days, days for 400."
	route(a, operation("get-api-key-usage", http.MethodGet, "/api/v1/api-keys/{key_id}/usage", "Get the usage of an API key",
		"Says how often a key was checked, by outcome, and when and from where it was last accepted. A key and those that it was rotated from or to are counted together, so rotating keeps its counts; a verify call with `cost` 0 counts for nothing."+behind), a.keyUsage)
	route(a, operation("get-usage", http.MethodGet, "/api/v1/usage", "Get the usage of a workspace",
		"Says how often the workspace's keys were checked, by outcome, and which keys most. Keys that nobody has are counted in no workspace."+behind), a.workspaceUsage)
}

// GivenTime is a time that a request may name.
type GivenTime struct {
	at  time.Time
	set bool
}

// UnmarshalText reads what bodies take for a time.
func (g *GivenTime) UnmarshalText(b []byte) error {
	g.set = true
	var faults keypin.Faults
	if !decodeValue(json.RawMessage(`"`+string(b)+`"`), "", &g.at, &faults) {
		return errors.New(faults[0].Message)
	}
	return nil
}

// pointer is nil when none was given.
func (g GivenTime) pointer() *time.Time {
	if !g.set {
		return nil
	}
	at := keypin.Timestamp(g.at)
	return &at
}

// UsageQuery selects a time.
type UsageQuery struct {
	From        GivenTime `query:"from" format:"date-time" doc:"The beginning, rounded down to a bucket's; not in the future, and not longer ago than is kept. Default: an hour, 24 hours or 30 days before to, by granularity."`
	To          GivenTime `query:"to" format:"date-time" doc:"The end, rounded up to a bucket's; after from, by at most 24 hours of minutes, 31 days of hours or 400 days. Default: now."`
	Granularity string    `query:"granularity" enum:"minute,hour,day" default:"hour" doc:"How long a bucket is."`
}

func (q UsageQuery) asked() admin.UsageRange {
	return admin.UsageRange{From: q.From.pointer(), To: q.To.pointer(), Step: keypin.UsageStep(q.Granularity)}
}

func (a *API) keyUsage(ctx context.Context, x *exchange, in *struct {
	WorkspaceHeader
	KeyPath
	UsageQuery
}) (*answer[keyUsageFields], error) {
	used, err := a.Admin.KeyUsage(ctx, x.call(in.workspace()), in.KeyID, in.asked())
	if err != nil {
		return nil, err
	}
	f := keyUsageFields{UsageFields: showUsage(&used.Usage)}
	if last := used.Last; last != nil {
		f.LastUsed.Value = &lastUseFields{At: last.At, UserAgent: orNull(last.UserAgent)}
		if last.IP.IsValid() {
			f.LastUsed.Value.IP = orNull(last.IP.String())
		}
	}
	return answered(x, f), nil
}

func (a *API) workspaceUsage(ctx context.Context, x *exchange, in *struct {
	WorkspaceHeader
	UsageQuery
}) (*answer[workspaceUsageFields], error) {
	used, err := a.Admin.WorkspaceUsage(ctx, x.call(in.workspace()), in.asked())
	if err != nil {
		return nil, err
	}
	f := workspaceUsageFields{UsageFields: showUsage(&used.Usage), TopKeys: make([]topKeyFields, len(used.Top))}
	for i, k := range used.Top {
		f.TopKeys[i] = topKeyFields{APIKeyID: k.KeyID, Name: k.Name, Total: k.Total, Counts: k.Counts}
	}
	return answered(x, f), nil
}

func showUsage(u *admin.Usage) UsageFields {
	f := UsageFields{From: u.Query.From, To: u.Query.To, Granularity: string(u.Query.Step), Totals: u.Totals, Points: make([]usagePoint, len(u.Points))}
	for i, p := range u.Points {
		f.Points[i] = usagePoint{At: p.At, Counts: p.Counts}
	}
	return f
}
