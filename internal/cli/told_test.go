package cli_test

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/keypin/keypin/internal/cli"
)

func TestAnErrorThatComesWithoutWordsIsToldAllTheSame(t *testing.T) {
	t.Parallel()
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusConflict)
		_, _ = w.Write([]byte(`{"error":{"code":"conflict","message":""}}`))
	}))
	t.Cleanup(service.Close)
	var out, problems bytes.Buffer
	code := cli.Main(context.Background(), cli.Process{Args: []string{"keys", "list"}, Stdout: &out, Stderr: &problems,
		Environ: []string{"KEYPIN_BASE_URL=" + service.URL, "KEYPIN_API_KEY=something"}})
	if code != 1 || !strings.Contains(problems.String(), "409") || out.Len() > 0 {
		t.Errorf("ended with %d, %q and %q", code, problems.String(), out.String())
	}
}
