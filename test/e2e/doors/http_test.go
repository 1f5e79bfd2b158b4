package doors

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// overHTTP sends each call as the OpenAPI document describes it.
type overHTTP struct {
	url        string
	operations map[string]operation
}

type operation struct{ method, path string }

// readOperations reads the document that is committed.
func readOperations(t *testing.T) map[string]operation {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "api", "openapi.json"))
	if err != nil {
		t.Fatal(err)
	}
	var document struct {
		Paths map[string]map[string]struct {
			OperationID string `json:"operationId"`
		}
	}
	if err := json.Unmarshal(text, &document); err != nil {
		t.Fatal(err)
	}
	all := map[string]operation{}
	for path, methods := range document.Paths {
		for method, o := range methods {
			all[o.OperationID] = operation{strings.ToUpper(method), path}
		}
	}
	return all
}

func (h *overHTTP) do(ctx context.Context, s *step, credential string) (*result, error) {
	o, ok := h.operations[s.Call]
	if !ok {
		return nil, fmt.Errorf("there is no operation %q", s.Call)
	}
	path := o.path
	for name, value := range s.Path {
		path = strings.ReplaceAll(path, "{"+name+"}", url.PathEscape(value))
	}
	query := url.Values{}
	for name, value := range s.Query {
		query.Set(name, fmt.Sprint(value))
	}
	at := h.url + path
	if len(query) > 0 {
		at += "?" + query.Encode()
	}
	var items []any
	for {
		r, next, err := h.send(ctx, o.method, at, s, credential)
		if err != nil || r.Refused != nil || !strings.HasPrefix(s.Call, "list-") {
			return r, err
		}
		page, _ := r.Data.([]any)
		items = append(items, page...)
		if next == "" {
			return &result{Data: items}, nil
		}
		at = next
	}
}

func (h *overHTTP) send(ctx context.Context, method, at string, s *step, credential string) (*result, string, error) {
	var body io.Reader
	if s.Body != nil {
		raw, err := json.Marshal(s.Body)
		if err != nil {
			return nil, "", err
		}
		body = bytes.NewReader(raw)
	}
	r, err := http.NewRequestWithContext(ctx, method, at, body)
	if err != nil {
		return nil, "", err
	}
	if s.Body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if credential != "" {
		r.Header.Set("Authorization", "Bearer "+credential)
	}
	if s.Workspace != "" {
		r.Header.Set("X-Workspace-Id", s.Workspace)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	var answer struct {
		Data       any
		Status     any // of a probe, which has no envelope
		Pagination struct{ Next string }
		Error      *struct {
			Code    string
			Details []struct{ Field string }
		}
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return nil, "", err
	}
	switch {
	case answer.Error != nil:
		refused := &refusal{Status: resp.StatusCode, Code: answer.Error.Code}
		for _, d := range answer.Error.Details {
			refused.Fields = append(refused.Fields, d.Field)
		}
		return &result{Refused: refused}, "", nil
	case answer.Status != nil:
		return &result{Data: map[string]any{"status": answer.Status}}, "", nil
	default:
		return &result{Data: answer.Data}, answer.Pagination.Next, nil
	}
}
