package problem_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/keypin/keypin/internal/cli/problem"
)

func TestACommandThatWasStoppedTellsWhatElseFailed(t *testing.T) {
	t.Parallel()
	stopped := fmt.Errorf("reading: %w", context.Canceled)
	for _, tt := range []struct {
		err  error
		want string
	}{
		{stopped, "interrupted"},
		{errors.Join(stopped, context.Canceled), "interrupted"},
		{errors.New("the disk is full"), "interrupted: the disk is full"},
		{fmt.Errorf("copying: %w", errors.Join(errors.New("the disk is full"), stopped)), "interrupted: copying: the disk is full\nreading: context canceled"},
	} {
		if p := problem.Interrupted(tt.err); p.What != tt.want || p.Exit != 130 {
			t.Errorf("%v: %d, %q, want %q", tt.err, p.Exit, p.What, tt.want)
		}
	}
}
