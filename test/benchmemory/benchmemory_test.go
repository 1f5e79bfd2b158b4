package main

import (
	"testing"

	"github.com/keypin/keypin/test/measure"
)

func TestTheCachesCountersAreFound(t *testing.T) {
	t.Parallel()
	got, err := lookupsOf(`# HELP keypin_cache_loads_total Some help.
keypin_cache_loads_total 1
keypin_cache_bytes 12345
keypin_verifications_total{code="revoked",door="verify"} 23
keypin_verifications_total{code="valid",door="verify"} 77
go_memstats_mcache_inuse_bytes 5
`)
	if want := (lookups{hits: 99, misses: 1}); err != nil || got != want {
		t.Errorf("%+v, %v, want %+v", got, err, want)
	}
	if got.String() != "99.00 %" || (lookups{}).String() != "not counted" {
		t.Errorf("shown as %s and %s", got, lookups{})
	}
}

func TestThePageHasAPlaceForWhatIsMeasured(t *testing.T) {
	t.Parallel()
	measure.WantPlace(t, command)
}
