package engines

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// DocumentedRoles is the SQL of docs/operations.md that makes a database and its roles,
// for another name than keypin: a server's superuser is called that already.
func DocumentedRoles(name string) (string, error) {
	home, err := root()
	if err != nil {
		return "", err
	}
	page, err := os.ReadFile(filepath.Join(home, "docs", "operations.md"))
	if err != nil {
		return "", err
	}
	block := regexp.MustCompile("(?s)```sql\n(CREATE ROLE .*?)```").FindSubmatch(page)
	if block == nil {
		return "", errors.New("docs/operations.md has no SQL that makes roles")
	}
	return strings.ReplaceAll(string(block[1]), "keypin", name), nil
}
