package admin_test

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/keypin/keypin/internal/admin"
	"github.com/keypin/keypin/internal/keypin"
)

// use counts uses of the key at an instant.
func (w *world) use(key keypin.APIKey, at time.Time, code string, count int64) {
	w.t.Helper()
	must(w.t, w.store.Tx(w.t.Context(), func(tx keypin.Tx) error {
		return tx.AddUsage(w.t.Context(), []keypin.UsageCount{
			{WorkspaceID: key.WorkspaceID, ChainID: key.ChainID, Minute: keypin.UsageMinute.Floor(at), Code: code, Count: count},
		})
	}))
}

func point(at time.Time, counts map[string]int64) keypin.UsagePoint {
	return keypin.UsagePoint{At: at, Counts: counts}
}

func TestAKeysUsageHasEveryBucketAndSurvivesItsRotation(t *testing.T) {
	t.Parallel()
	w, call := owner(t)
	old := w.create(call)
	w.use(old, w.now().Add(-2*time.Hour), "valid", 3)
	use := keypin.LastUse{KeyID: old.ID, At: w.now().Add(-2 * time.Hour), IP: netip.MustParseAddr("192.0.2.1"), UserAgent: "tool/1"}
	must(t, w.store.Tx(t.Context(), func(tx keypin.Tx) error { return tx.TouchKey(t.Context(), use) }))
	rotated, err := w.RotateKey(t.Context(), call, old.ID, admin.Rotation{Grace: time.Hour})
	must(t, err)
	w.use(rotated.New.Key, w.now(), "revoked", 1)
	w.advance(30 * time.Minute) // 12:30

	from := w.now().Add(-2 * time.Hour)
	want := admin.Usage{
		Query:  keypin.UsageQuery{From: w.now().Add(-150 * time.Minute), To: w.now().Add(30 * time.Minute), Step: keypin.UsageHour},
		Totals: map[string]int64{"valid": 3, "revoked": 1},
		Points: []keypin.UsagePoint{
			point(w.now().Add(-150*time.Minute), map[string]int64{"valid": 3}),
			point(w.now().Add(-90*time.Minute), map[string]int64{}),
			point(w.now().Add(-30*time.Minute), map[string]int64{"revoked": 1}),
		},
	}
	for id, last := range map[keypin.ID]*keypin.LastUse{old.ID: &use, rotated.New.Key.ID: nil} {
		got, err := w.KeyUsage(t.Context(), call, id, admin.UsageRange{From: &from})
		must(t, err)
		equal(t, got, admin.KeyUsage{Usage: want, Last: last})
	}
}

func TestAWorkspacesUsageNamesTheTopKeys(t *testing.T) {
	t.Parallel()
	w, call := owner(t)
	little, much := w.create(call), w.create(call)
	w.use(little, w.now(), "valid", 1)
	w.use(much, w.now(), "valid", 5)
	w.use(much, w.now(), "expired", 2)
	rotated, err := w.RotateKey(t.Context(), call, much.ID, admin.Rotation{})
	must(t, err)
	w.advance(time.Second)
	for step, points := range map[keypin.UsageStep]int{"": 25, keypin.UsageMinute: 61, keypin.UsageHour: 25, keypin.UsageDay: 31} {
		got, err := w.WorkspaceUsage(t.Context(), call, admin.UsageRange{Step: step})
		must(t, err)
		equal(t, got.Totals, map[string]int64{"valid": 6, "expired": 2})
		equal(t, got.Top, []keypin.KeyUsage{
			{ChainID: much.ID, KeyID: rotated.New.Key.ID, Name: "a key", Total: 7, Counts: map[string]int64{"valid": 5, "expired": 2}},
			{ChainID: little.ID, KeyID: little.ID, Name: "a key", Total: 1, Counts: map[string]int64{"valid": 1}},
		})
		if len(got.Points) != points || !got.Points[points-1].At.Equal(got.Query.To.Add(-got.Query.Step.Width())) || got.Query.To.Before(w.now()) {
			t.Errorf("by %q: %d points until %v", step, len(got.Points), got.Query.To)
		}
	}
}

func TestUsageIsForWhoMayReadKeys(t *testing.T) {
	t.Parallel()
	w, call := owner(t)
	key, reader := w.create(call, "voices:read"), w.create(call, keypin.ScopeKeysRead)
	viewer := w.join(call, "viewer@example.com", keypin.RoleViewer)
	stranger := w.session("stranger@example.com")
	for name, each := range map[string]struct {
		call        admin.Call
		one, listed keypin.Code
	}{
		"admin": {call, "", ""}, "viewer": {viewer, "", ""}, "a key that may read keys": {w.keyCall(reader), "", ""},
		"a key that may not": {w.keyCall(key), keypin.CodeInsufficientScope, keypin.CodeInsufficientScope},
		"a stranger":         {stranger, keypin.CodeNotFound, ""},
		"a stranger who names it": {
			in(stranger, key.WorkspaceID), keypin.CodeWorkspaceForbidden, keypin.CodeWorkspaceForbidden,
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := w.KeyUsage(t.Context(), each.call, key.ID, admin.UsageRange{})
			expect(t, err, each.one)
			_, err = w.WorkspaceUsage(t.Context(), each.call, admin.UsageRange{})
			expect(t, err, each.listed)
		})
	}
}

func TestARangeOfUsageThatCannotBeToldIsRefused(t *testing.T) {
	t.Parallel()
	w, call := owner(t)
	key := w.create(call)
	w.advance(30 * time.Second)
	ago := func(d time.Duration) *time.Time {
		at := w.now().Add(-d)
		return &at
	}
	const day = 24 * time.Hour
	for name, c := range map[string]struct {
		asked  admin.UsageRange
		fields []string
	}{
		"a day of minutes":              {admin.UsageRange{Step: keypin.UsageMinute, From: ago(day)}, nil},
		"minutes of the day before":     {admin.UsageRange{Step: keypin.UsageMinute, From: ago(2 * day), To: ago(day)}, nil},
		"31 days of hours":              {admin.UsageRange{Step: keypin.UsageHour, From: ago(31 * day)}, nil},
		"400 days":                      {admin.UsageRange{Step: keypin.UsageDay, From: ago(400 * day)}, nil},
		"days before 390 days ago":      {admin.UsageRange{Step: keypin.UsageDay, To: ago(390 * day)}, nil},
		"a bucket that has just begun":  {admin.UsageRange{From: ago(0), To: ago(-time.Microsecond)}, nil},
		"the end of a day to come":      {admin.UsageRange{From: ago(time.Hour), To: ago(-20 * time.Hour)}, nil},
		"more than a day of minutes":    {admin.UsageRange{Step: keypin.UsageMinute, From: ago(day + time.Second)}, []string{"query.to"}},
		"more than 31 days of hours":    {admin.UsageRange{From: ago(31*day + time.Second)}, []string{"query.to"}},
		"more than 400 days":            {admin.UsageRange{Step: keypin.UsageDay, From: ago(400 * day), To: ago(-time.Second)}, []string{"query.to"}},
		"minutes that are gone":         {admin.UsageRange{Step: keypin.UsageMinute, From: ago(2*day + time.Minute), To: ago(2 * day)}, []string{"query.from"}},
		"minutes of a day that is gone": {admin.UsageRange{Step: keypin.UsageMinute, To: ago(3 * day)}, []string{"query.to"}},
		"nothing":                       {admin.UsageRange{From: ago(time.Hour), To: ago(time.Hour)}, []string{"query.to"}},
		"backwards":                     {admin.UsageRange{From: ago(time.Hour), To: ago(2 * time.Hour)}, []string{"query.to"}},
		"the future":                    {admin.UsageRange{From: ago(-time.Hour), To: ago(-2 * time.Hour)}, []string{"query.from"}},
		"from the future to now":        {admin.UsageRange{From: ago(-time.Hour)}, []string{"query.from", "query.to"}},
		"from the year 1":               {admin.UsageRange{From: &time.Time{}}, []string{"query.from", "query.to"}},
		"weeks":                         {admin.UsageRange{Step: "week"}, []string{"query.granularity"}},
	} {
		_, one := w.KeyUsage(t.Context(), call, key.ID, c.asked)
		_, all := w.WorkspaceUsage(t.Context(), call, c.asked)
		for _, err := range []error{one, all} {
			var fields []string
			var e *keypin.Error
			if errors.As(err, &e) {
				for _, d := range e.Details {
					fields = append(fields, d.Field)
				}
			}
			if diff := cmp.Diff(c.fields, fields); diff != "" {
				t.Errorf("%s: %v (-want +got)\n%s", name, err, diff)
			}
		}
	}
}
