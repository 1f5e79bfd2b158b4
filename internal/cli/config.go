package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/keypin/keypin/internal/cli/console"
)

func newConfig(p Process) *cobra.Command {
	check := &cobra.Command{
		Use:   "check",
		Short: "Check the configuration without starting anything",
		Long: `Check reads the configuration as "keypin serve" would and names everything that is
wrong with it: the field, what is wrong and what would be right. It opens nothing
but the configuration file.`,
		Example: "  keypin config check --config /etc/keypin.yaml",
		Args:    cobra.NoArgs,
		RunE: run(func(cmd *cobra.Command) error {
			if _, err := loadValid(cmd, p.Environ); err != nil {
				return err
			}
			_, err := fmt.Fprintln(p.Stdout, "the configuration is valid")
			return err
		}),
	}
	show := &cobra.Command{
		Use:   "print",
		Short: "Show every setting and where it came from",
		Long: `Print shows the settings in effect, one per line, with the source of each: the
default, the file, an environment variable or a flag. Secrets are masked. It shows
settings that "keypin config check" would complain about, too.`,
		Example: "  KEYPIN_LOG_FORMAT=text keypin config print",
		Args:    cobra.NoArgs,
		RunE: run(func(cmd *cobra.Command) error {
			c, err := load(cmd, p.Environ)
			if err != nil {
				return err
			}
			return c.Print(p.Stdout)
		}),
	}
	for _, cmd := range []*cobra.Command{check, show} {
		addSettings(cmd, flagListen, flagDataListen, flagDataDir, flagDatabase, flagRedis, flagInsecure)
	}
	return console.Group(&cobra.Command{Use: "config", Short: "Check or show the configuration"}, check, show)
}
