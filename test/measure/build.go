package measure

import (
	"context"
	"fmt"
	"os"
	"os/exec"
)

// Build makes the program of a package, keypin's as it is shipped.
func Build(ctx context.Context, program, pkg string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", program, pkg) //nolint:gosec // the folder is ours
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building %s: %w\n%s", pkg, err, out)
	}
	return nil
}
