package measure

import (
	"os"
	"path/filepath"
	"testing"
)

const begin = "<!-- measured: written by make it -->"

func TestOnlyTheMeasuredPartOfThePageIsRewritten(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "page.md")
	if err := os.WriteFile(file, []byte("# Title\n"+begin+"\nold\n"+measuredEnd+"\nthe end\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"first\n", "second\n"} {
		if err := Rewrite(file, "make it", text); err != nil {
			t.Fatal(err)
		}
		page, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if want := "# Title\n" + begin + "\n\n" + text + "\n" + measuredEnd + "\nthe end\n"; string(page) != want {
			t.Errorf("the page is %q, want %q", page, want)
		}
	}
}

func TestAPageWithoutAMeasuredPartIsLeftAlone(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "page.md")
	if err := os.WriteFile(file, []byte(begin+"\nno end"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Rewrite(file, "make it", "new"); err == nil {
		t.Error("a page without the end of a measured part was rewritten")
	}
}

func TestAFolderIsOnTheInnermostMount(t *testing.T) {
	t.Parallel()
	const mounts = `24 1 254:0 / / rw,relatime - ext4 /dev/vda rw
30 24 0:26 / /tmp rw shared:5 - tmpfs tmpfs rw
31 24 254:16 / /tmpdisk rw - xfs /dev/vdb rw
`
	for dir, want := range map[string]string{"/": "ext4", "/work": "ext4", "/tmp": "tmpfs", "/tmp/a": "tmpfs", "/tmpdisk/a": "xfs", "/tmpdisks": "ext4"} {
		if kind, _ := mountOf(mounts, dir); kind != want {
			t.Errorf("%s is on %s, want %s", dir, kind, want)
		}
	}
}

func TestARatioIsComparedTurnByTurn(t *testing.T) {
	t.Parallel()
	of := []Sample{{Rate: 10}, {Rate: 300}, {Rate: 60}}
	to := []Sample{{Rate: 20}, {Rate: 100}, {Rate: 60}}
	if got, want := RatioOf(of, to, Rate), (Ratio{Median: 1, Least: 0.5, Most: 3}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func TestTheMemoryOfThisProcessIsTold(t *testing.T) {
	t.Parallel()
	now, most, err := Resident(os.Getpid())
	if err != nil || now < 1<<20 || most < now {
		t.Errorf("%d now, at most %d, %v", now, most, err)
	}
}
