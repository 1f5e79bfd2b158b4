package deploy

import (
	"context"
	"os/exec"
	"strings"
	"testing"

	"github.com/keypin/keypin/test/engines"
)

// documented is the page's SQL block that makes the roles, for a database that is called
// site: the server's superuser is called keypin already.
func documented(t *testing.T) string {
	t.Helper()
	roles, err := engines.DocumentedRoles("site")
	if err != nil {
		t.Fatal(err)
	}
	return roles
}

// ask runs a statement as the role and gives what psql says, errors too.
func ask(ctx context.Context, server *engines.Postgres, role, statement string) (string, error) {
	as := strings.Replace(server.URL("site"), "keypin@", role+"@", 1)
	cmd := exec.CommandContext(ctx, "psql", "--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set", "ON_ERROR_STOP=1", "--dbname", as, "--command", statement)
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

func TestTheRolesOfThePageCanDoWhatANodeDoesAndNoMore(t *testing.T) {
	binaries, err := engines.Postgreses()
	if err != nil {
		t.Fatal(err)
	}
	for _, folder := range binaries {
		t.Run(folder, func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			server, err := engines.StartPostgres(ctx, engines.PostgresOptions{Binaries: folder, Volatile: true})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := server.Stop(); err != nil {
					t.Error(err)
				}
			})
			if err := server.SQL(ctx, "postgres", documented(t), "CREATE ROLE stranger LOGIN"); err != nil {
				t.Fatal(err)
			}
			for _, step := range []struct {
				role, statement string
				may             bool
			}{
				{"site_owner", "CREATE TABLE things (id int PRIMARY KEY, name text)", true},
				{"site_a", "INSERT INTO things VALUES (1, 'one')", true},
				{"site_a", "UPDATE things SET name = 'two'", true},
				{"site_a", "SELECT * FROM things FOR UPDATE", true},
				{"site_a", "BEGIN ISOLATION LEVEL SERIALIZABLE; DELETE FROM things; COMMIT", true},
				{"site_a", "LISTEN site_changes; SELECT pg_notify('site_changes', 'x')", true},
				{"site_a", "CREATE TABLE more (id int)", false},
				{"site_a", "ALTER TABLE things ADD COLUMN more int", false},
				{"site_a", "TRUNCATE things", false},
				{"site_a", "DROP TABLE things", false},
				{"site_a", "CREATE TEMPORARY TABLE more (id int)", false},
				{"stranger", "SELECT 1", false},
			} {
				said, err := ask(ctx, server, step.role, step.statement)
				if (err == nil) != step.may {
					t.Errorf("%s: %s: may is %t, and psql says %q", step.role, step.statement, step.may, said)
				}
				if err != nil && !strings.Contains(said, "permission denied") && !strings.Contains(said, "must be owner") {
					t.Errorf("%s: %s: refused for another reason: %s", step.role, step.statement, said)
				}
			}
		})
	}
}
