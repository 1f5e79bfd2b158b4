package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/keypin/keypin/internal/app"
	"github.com/keypin/keypin/internal/cli/problem"
	"github.com/keypin/keypin/internal/config"
	"github.com/keypin/keypin/internal/telemetry"
)

func newServe(p Process) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the service",
		Long: `Serve runs the service until it is told to stop (Ctrl-C or SIGTERM). Then /ready
turns 503, requests in flight are finished, and the process ends; a second signal
ends it at once. Before it answers requests, a signal ends it with 130.

With no issuers configured the service is its own issuer of session tokens: see
"keypin token". Because whoever reads the data folder can then sign in as anyone,
it starts this way on a loopback address only.`,
		Example: `  keypin serve
  keypin serve --listen 127.0.0.1:9000 --data-listen "" --data-dir /var/lib/keypin
  keypin serve --config /etc/keypin.yaml`,
		Args: cobra.NoArgs,
		RunE: run(func(cmd *cobra.Command) error {
			c, err := loadValid(cmd, p.Environ)
			if err != nil {
				return err
			}
			logger, err := telemetry.NewLogger(p.Stderr, c.Log.Format, c.Log.Level)
			if err != nil {
				return err
			}
			service, err := app.New(cmd.Context(), c, options(logger))
			if err != nil {
				return err
			}
			err = service.Run(cmd.Context())
			select {
			case <-service.Ready():
			default:
				return err // it has not started, which may be because it was told to stop
			}
			if err != nil {
				return problem.Failed("%v", err) // even when it was told to stop: it did not stop well
			}
			return nil
		}),
	}
	addSettings(cmd, flagListen, flagDataListen, flagDataDir, flagDatabase, flagRedis, flagInsecure)
	return cmd
}

func newMigrate(p Process) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "migrate",
		Short: "Bring the database to this version",
		Long: `Migrate makes the database if there is none and brings it to the form that this
version needs. "keypin serve" does so itself when it starts; this is for doing it
before.`,
		Example: `  keypin migrate --data-dir /var/lib/keypin
  keypin migrate --database sqlite:///var/lib/keypin/keypin.db`,
		Args: cobra.NoArgs,
		RunE: run(func(cmd *cobra.Command) error {
			c, err := loadValid(cmd, p.Environ)
			if err != nil {
				return err
			}
			if err := app.Migrate(cmd.Context(), c); err != nil {
				return err
			}
			_, err = fmt.Fprintf(p.Stdout, "%s is up to date\n", config.ShownURL(c.DatabaseURL()))
			return err
		}),
	}
	addSettings(cmd, flagDataDir, flagDatabase)
	return cmd
}
