package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"
)

// build says what this binary was made of.
type build struct {
	version, commit string
	date            time.Time // of the commit; of today if that is not known
}

func readBuild() build {
	b := build{version: "devel", commit: "unknown", date: time.Now().UTC()}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		b.version = v
	}
	changed := ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			b.commit = s.Value
		case s.Key == "vcs.time":
			if at, err := time.Parse(time.RFC3339, s.Value); err == nil {
				b.date = at
			}
		case s.Key == "vcs.modified" && s.Value == "true":
			changed = " with changes"
		}
	}
	b.commit += changed
	return b
}

func newVersion(p Process) *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Show the version, the commit and the Go version",
		Example: "  keypin version",
		Args:    cobra.NoArgs,
		RunE: run(func(*cobra.Command) error {
			b := readBuild()
			_, err := fmt.Fprintf(p.Stdout, "keypin %s\ncommit %s\n%s %s/%s\n", b.version, b.commit, runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		}),
	}
}
