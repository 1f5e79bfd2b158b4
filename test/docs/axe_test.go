package docs

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// findings are what axe-core finds wrong, a line each.
func (b *tab) findings(rules string) []string {
	b.t.Helper()
	return ask[[]string](b, fmt.Sprintf(`axe.run(document, %s).then((r) => r.violations.flatMap((v) => v.nodes.map((n) => v.id + " at " + n.target.join(" ") + ": " + n.failureSummary.replace(/\s+/g, " "))))`, rules))
}

func (b *tab) loadAxe() {
	b.t.Helper()
	source, err := axe()
	if err != nil {
		b.t.Fatalf("%v; scripts/install.sh installs axe-core", err)
	}
	b.run(string(source))
}

// everything is what WCAG 2.2 AA asks for, as far as a program can tell, and axe's best
// practices; in the second theme only the colours differ.
const (
	everything = `{resultTypes: ["violations"], runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}`
	colours    = `{resultTypes: ["violations"], runOnly: {type: "rule", values: ["color-contrast", "link-in-text-block"]}}`
)

func TestAxeFindsNothingOnAnyPageInBothThemes(t *testing.T) {
	t.Parallel()
	paths := sitePaths(t)
	const tabs = 2
	for i := range tabs {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			b := newTab(t, 1400, 1000)
			for n := i; n < len(paths); n += tabs {
				b.open(paths[n])
				b.run("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
				b.loadAxe()
				b.media("light")
				for _, finding := range b.findings(everything) {
					t.Errorf("%s, light: %s", paths[n], finding)
				}
				b.media("dark")
				for _, finding := range b.findings(colours) {
					t.Errorf("%s, dark: %s", paths[n], finding)
				}
			}
		})
	}
}

func TestAxeFindsNothingInWindowsOrOnAPhone(t *testing.T) {
	t.Parallel()
	b := newTab(t, 390, 844)
	check := func(what string) {
		t.Helper()
		for _, theme := range []string{"light", "dark"} {
			b.media(theme)
			for _, finding := range b.findings(everything) {
				t.Errorf("%s, %s: %s", what, theme, finding)
			}
		}
	}
	b.open("/docs/api-reference/api-keys/rotate-api-key")
	b.loadAxe()
	check("the page")
	b.click(".menu")
	check("the menu")
	b.run("document.querySelector('#nav').hidePopover()")
	b.click(".find")
	b.write("#search-field", "key")
	b.await("document.querySelectorAll('#search-found li').length > 1")
	check("the search")
	b.run("document.querySelector('#search').close()")
	b.click(".try-open")
	b.write("#try-token", "none")
	b.do(chromedp.SetValue(chromedp.CSS("[data-name=key_id]"), "3fa85f64-5717-4562-b3fc-2c963f66afa6"))
	b.click(".send")
	b.await("!document.querySelector('.try-sure').hidden")
	check("the form that asks")
	b.click(".try-yes")
	b.await("document.querySelector('.try-status b') !== null")
	check("the form with an answer")
	b.forgive("401")
	b.open("/docs/nothing-here")
	b.forgive("404")
	b.loadAxe()
	check("what is not there")
}

func TestAxeSeesWhatIsWrong(t *testing.T) {
	t.Parallel()
	b := newTab(t, 1000, 800)
	b.open("/docs")
	b.loadAxe()
	b.run("document.querySelector('h1').insertAdjacentHTML('afterend', '<img src=\"/favicon.ico\"><button></button>')")
	found := strings.Join(b.findings(everything), "\n")
	for _, want := range []string{"image-alt", "button-name"} {
		if !strings.Contains(found, want) {
			t.Errorf("axe does not see %s:\n%s", want, found)
		}
	}
}
