package main

import (
	"testing"

	"github.com/keypin/keypin/test/measure"
)

func TestARunIsRefusedWhenAVerificationEndedOtherwise(t *testing.T) {
	t.Parallel()
	before := map[string]int{"valid": 10, "rate_limited": 1}
	for _, c := range []struct {
		after map[string]int
		fine  bool
	}{
		{map[string]int{"valid": 110, "rate_limited": 1}, true},
		{map[string]int{"valid": 141, "rate_limited": 1}, true}, // some were on their way when the turn ended
		{map[string]int{"valid": 109, "rate_limited": 1}, false},
		{map[string]int{"valid": 110, "rate_limited": 2}, false},
		{map[string]int{"valid": 110, "rate_limited": 1, "not_found": 1}, false},
	} {
		if err := all("valid", before, c.after, 100); (err == nil) != c.fine {
			t.Errorf("%v: %v", c.after, err)
		}
	}
}

func TestThePageHasAPlaceForWhatIsMeasured(t *testing.T) {
	t.Parallel()
	measure.WantPlace(t, command)
}
