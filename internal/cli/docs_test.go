package cli_test

import (
	"bytes"
	"context"
	"net/http"
	"net/url"
	"regexp"
	"testing"

	"github.com/keypin/keypin/internal/cli"
)

func TestWhatReadersThoughtOfThePagesIsShownWhileTheServiceRuns(t *testing.T) {
	t.Parallel()
	service := startService(t)
	for _, vote := range []url.Values{
		{"page": {"/docs/quickstart"}, "answer": {"yes"}},
		{"page": {"/docs/quickstart"}, "answer": {"no"}, "comment": {"Where is it?"}},
		{"page": {"/docs/verifying"}, "answer": {"yes"}},
		{"page": {"/docs/rotating"}, "answer": {"no"}, "comment": {"Two\nlines."}},
	} {
		answer, err := http.PostForm(service.url+"/docs/feedback", vote)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			t.Fatalf("%v is answered with %d", vote, answer.StatusCode)
		}
	}
	feedback := func(args ...string) string {
		t.Helper()
		var out, problems bytes.Buffer
		args = append([]string{"docs", "feedback", "--data-dir", service.data}, args...)
		if code := cli.Main(context.Background(), cli.Process{Args: args, Stdout: &out, Stderr: &problems}); code != 0 {
			t.Fatalf("%v ended with %d: %s", args, code, problems.String())
		}
		return regexp.MustCompile(`20\d\d-\d\d-\d\dT[\d:.]+Z`).ReplaceAllString(out.String(), "WHEN")
	}
	const all = `PAGE              HELPFUL  NOT
/docs/quickstart  1        1
/docs/rotating    0        1
/docs/verifying   1        0

WHEN  /docs/rotating  not helpful
  Two
  lines.

WHEN  /docs/quickstart  not helpful
  Where is it?
`
	if got := feedback(); got != all {
		t.Errorf("got\n%swant\n%s", got, all)
	}
	const one = `{"at":"WHEN","page":"/docs/rotating","helpful":false,"comment":"Two\nlines."}` + "\n"
	if got := feedback("--page", "/docs/rotating", "--json"); got != one {
		t.Errorf("got %swant %s", got, one)
	}
}
