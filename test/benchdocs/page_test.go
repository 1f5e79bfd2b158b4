package main

import (
	"testing"

	"github.com/keypin/keypin/test/measure"
)

func TestThePageHasAPlaceForWhatIsMeasured(t *testing.T) {
	t.Parallel()
	measure.WantPlace(t, command)
}
