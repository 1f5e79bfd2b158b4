package measure

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
)

// Build makes the program of a package, keypin's as it is shipped. flags are more of
// go build's.
func Build(ctx context.Context, program, pkg string, flags ...string) error {
	args := slices.Concat([]string{"build", "-trimpath", "-o", program}, flags, []string{pkg})
	cmd := exec.CommandContext(ctx, "go", args...) //nolint:gosec // the folder is ours
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building %s: %w\n%s", pkg, err, out)
	}
	return nil
}
