package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestOnlyTheMeasuredPartOfThePageIsRewritten(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "page.md")
	if err := os.WriteFile(file, []byte("# Title\n"+measuredBegin+"\nold\n"+measuredEnd+"\nthe end\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"first\n", "second\n"} {
		if err := rewrite(file, text); err != nil {
			t.Fatal(err)
		}
		page, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if want := "# Title\n" + measuredBegin + "\n\n" + text + "\n" + measuredEnd + "\nthe end\n"; string(page) != want {
			t.Errorf("the page is %q, want %q", page, want)
		}
	}
}

func TestAPageWithoutAMeasuredPartIsLeftAlone(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "page.md")
	if err := os.WriteFile(file, []byte(measuredBegin+"\nno end"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := rewrite(file, "new"); err == nil {
		t.Error("a page without the end of a measured part was rewritten")
	}
}

func TestThePageOfTheProjectHasAMeasuredPart(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "benchmarks.md"))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "page.md")
	if err := os.WriteFile(file, page, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := rewrite(file, "new"); err != nil {
		t.Error(err)
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
	of := []sample{{rate: 10}, {rate: 300}, {rate: 60}}
	to := []sample{{rate: 20}, {rate: 100}, {rate: 60}}
	if got, want := ratioOf(of, to, rate), (ratio{median: 1, least: 0.5, most: 3}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}
