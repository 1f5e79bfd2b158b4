package docs

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

func command(t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), served.Program, args...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "NO_COLOR=1"}
	return cmd
}

// visit goes to a page of the reference by the sidebar, as a reader does.
func (b *tab) visit(path string) {
	b.t.Helper()
	b.follow(path)
	b.await(fmt.Sprintf("location.pathname === %q && document.querySelector('.try-open')?.offsetParent !== null && document.querySelector('#nav a[aria-current]').pathname === location.pathname", path))
}

// try opens the form and sends it; sure says that it asks first.
func (b *tab) try(sure bool) (status, body string) {
	b.t.Helper()
	b.click(".send")
	if sure {
		b.await("!document.querySelector('.try-sure').hidden")
		if got := b.text(".try-status"); got != "The answer will be here." {
			b.t.Errorf("it was sent before it asked: %s", got)
		}
		b.click(".try-yes")
	}
	b.await("document.querySelector('.try-status b') !== null && !document.querySelector('.send').disabled")
	return b.text(".try-status"), ask[string](b, "document.querySelector('.try-result code').textContent")
}

func TestAReaderCreatesRotatesAndRevokesAKeyFromThePages(t *testing.T) {
	t.Parallel()
	b := newTab(t, 1400, 1000)
	const reference = "/docs/api-reference/api-keys/"
	b.open(reference + "create-api-key")
	b.click(".try-open")
	b.write("#try-token", served.Token)
	status, body := b.try(false)
	if !strings.HasPrefix(status, "201") || !strings.Contains(status, " ms") || !strings.Contains(body, `"api_key": "op_live_`) {
		t.Fatalf("create: %s\n%s", status, body)
	}
	if headers := ask[string](b, "document.querySelector('.try-headers code').textContent"); !strings.Contains(headers, "x-request-id: req_") {
		t.Errorf("the headers are %q", headers)
	}
	b.click(".try-close")

	b.visit(reference + "rotate-api-key")
	b.click(".try-open") // the token and the key are there from before
	status, body = b.try(true)
	if !strings.HasPrefix(status, "200") || !strings.Contains(body, `"rotated_from": "`) {
		t.Fatalf("rotate: %s\n%s", status, body)
	}
	b.click(".try-close")

	b.visit(reference + "delete-api-key")
	b.click(".try-open")
	b.click(".send")
	b.await("!document.querySelector('.try-sure').hidden")
	b.click(".try-no")
	if got := b.text(".try-status"); got != "The answer will be here." {
		t.Errorf("it was sent though the reader said no: %s", got)
	}
	status, body = b.try(true)
	if !strings.HasPrefix(status, "200") || !strings.Contains(body, `"active": false`) || strings.Contains(body, `"revoked_at": null`) {
		t.Errorf("revoke: %s\n%s", status, body)
	}
	b.click(".try-close")

	b.visit(reference + "get-api-key")
	b.click(".try-open")
	b.do(chromedp.SetValue(chromedp.CSS("[data-name=key_id]"), "not-a-uuid"))
	status, body = b.try(false)
	if !strings.HasPrefix(status, "422") || !strings.Contains(body, "path.key_id") {
		t.Errorf("a wrong id: %s\n%s", status, body)
	}
	b.forgive("422")
}

// forgive drops what the console says of an answer that a test meant to get.
func (b *tab) forgive(status string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var others []string
	for _, problem := range b.problems {
		if !strings.Contains(problem, "status of "+status) {
			others = append(others, problem)
		}
	}
	b.problems = others
}
