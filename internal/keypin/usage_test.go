package keypin

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestBucketsLieInUTC(t *testing.T) {
	kathmandu := time.FixedZone("", 5*3600+45*60)
	at := time.Date(2026, time.March, 1, 2, 3, 4, 5, kathmandu) // 2026-02-28 20:18:04 UTC
	for step, want := range map[UsageStep]time.Time{
		UsageMinute: time.Date(2026, time.February, 28, 20, 18, 0, 0, time.UTC),
		UsageHour:   time.Date(2026, time.February, 28, 20, 0, 0, 0, time.UTC),
		UsageDay:    time.Date(2026, time.February, 28, 0, 0, 0, 0, time.UTC),
	} {
		if got := step.Floor(at); got != want {
			t.Errorf("%s: the bucket begins at %v, want %v", step, got, want)
		}
		if got := step.Ceil(at); got != want.Add(step.Width()) {
			t.Errorf("%s: the next one begins at %v", step, got)
		}
		if got := step.Ceil(want); got != want {
			t.Errorf("%s: a beginning is moved to %v", step, got)
		}
	}
}

func TestWhatIsKeptBeginsWithAWholeBucket(t *testing.T) {
	now := noon.Add(90 * time.Second)
	for step, want := range map[UsageStep]time.Time{
		UsageMinute: time.Date(2026, time.November, 21, 12, 1, 0, 0, time.UTC),
		UsageHour:   time.Date(2026, time.October, 19, 12, 0, 0, 0, time.UTC),
		UsageDay:    time.Date(2025, time.October, 19, 0, 0, 0, 0, time.UTC),
	} {
		if got := step.Oldest(now); got != want {
			t.Errorf("%s: it begins at %v, want %v", step, got, want)
		}
	}
}

func TestCoarseBucketsFillTheSameTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		step := rapid.SampledFrom(UsageSteps()).Draw(t, "step")
		from := step.Floor(noon.Add(time.Duration(rapid.IntRange(0, 10_000).Draw(t, "from")) * time.Minute))
		query := UsageQuery{From: from, To: from.Add(time.Duration(rapid.IntRange(1, 1500).Draw(t, "buckets")) * step.Width()), Step: step}
		seen, buckets := map[time.Time]bool{}, 0
		for _, part := range query.Coarse() {
			if part.Buckets() < 1 || part.Step.Floor(part.From) != part.From || part.Step.Floor(part.To) != part.To {
				t.Fatalf("%v has the part %v", query, part)
			}
			buckets += part.Buckets()
			for at := part.From; at.Before(part.To); at = at.Add(step.Width()) {
				if seen[at] || at.Before(query.From) || !at.Before(query.To) {
					t.Fatalf("%v: %v is twice in it, or outside", query, at)
				}
				seen[at] = true
			}
		}
		if len(seen) != query.Buckets() {
			t.Fatalf("%v: %d buckets of %d are filled", query, len(seen), query.Buckets())
		}
		days := int(query.To.Sub(query.From) / (24 * time.Hour))
		if buckets > days+2*23+2*59 {
			t.Fatalf("%v: %d buckets", query, buckets)
		}
	})
}
