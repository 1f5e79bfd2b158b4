package app

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// checksInAll is how many checks the test below makes.
const checksInAll = 1_000_000

// doors are a service's handlers, without the network before them.
type doors struct {
	public, data http.Handler
	token        string // an admin's session
}

func openDoors(t *testing.T) doors {
	t.Helper()
	c := testConfig(t)
	a, err := New(t.Context(), c, testOptions(t, io.Discard))
	if err != nil {
		t.Fatal(err)
	}
	var open closers
	public, data, err := a.assemble(t.Context(), &open)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := open.close(); err != nil {
			t.Error(err)
		}
	})
	return doors{public, data, mint(t, c)}
}

// call makes a call of the API in a workspace ("" = the caller's own) and decodes its
// data.
func (d doors) call(t *testing.T, workspace, method, path, body string, status int, into any) {
	t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+d.token)
	if workspace != "" {
		r.Header.Set("X-Workspace-Id", workspace)
	}
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	d.public.ServeHTTP(w, r)
	if w.Code != status {
		t.Errorf("%s %s answered %d: %s", method, path, w.Code, w.Body)
		return
	}
	if err := json.Unmarshal(w.Body.Bytes(), &struct{ Data any }{into}); err != nil {
		t.Error(err)
	}
}

// sink keeps the body of an answer.
type sink struct {
	header http.Header
	body   bytes.Buffer
}

func (s *sink) Header() http.Header         { return s.header }
func (s *sink) WriteHeader(int)             {}
func (s *sink) Write(b []byte) (int, error) { return s.body.Write(b) }

// check reports whether the key may read workflows.
func (d doors) check(w *sink, body []byte) bool {
	w.body.Reset()
	clear(w.header)
	r := httptest.NewRequest(http.MethodPost, "/api/v1/api-keys/verify", bytes.NewReader(body))
	r.Header["Content-Type"] = []string{"application/json"}
	d.data.ServeHTTP(w, r)
	return bytes.HasPrefix(w.body.Bytes(), []byte(`{"data":{"valid":true,`))
}

// 64 clients check a key while it is revoked, suspended, narrowed, rotated or its
// workspace deleted, and while harmless changes have it looked up again and again: from
// the moment of the answer on, not one check lets it in.
func TestFromTheAnswerOfAChangeOnNoCheckLetsTheKeyIn(t *testing.T) {
	t.Parallel()
	d := openDoors(t)
	const keys = "/api/v1/api-keys"
	changes := []func(id, workspace string){
		func(id, ws string) { d.call(t, ws, "DELETE", keys+"/"+id, "", 200, nil) },
		func(id, ws string) { d.call(t, ws, "PATCH", keys+"/"+id, `{"active":false}`, 200, nil) },
		func(id, ws string) { d.call(t, ws, "PATCH", keys+"/"+id, `{"scopes":["voices:read"]}`, 200, nil) },
		func(id, ws string) { d.call(t, ws, "PATCH", keys+"/"+id+"/rotate", "", 200, nil) },
		func(id, ws string) { d.call(t, ws, "PATCH", keys+"/"+id, `{"allowed_ips":["198.51.100.1"]}`, 200, nil) },
		func(_, ws string) { d.call(t, "", "DELETE", "/api/v1/workspaces/"+ws, "", 200, nil) },
	}
	const clients, perRound = 64, 4000
	var checks, before atomic.Int64
	for round := 0; checks.Load() < checksInAll; round++ {
		var ws, key struct {
			ID     string `json:"id"`
			APIKey string `json:"api_key"`
		}
		d.call(t, "", "POST", "/api/v1/workspaces", `{"name":"Race"}`, 201, &ws)
		d.call(t, ws.ID, "POST", keys, `{"name":"raced","scopes":["workflows:read"]}`, 201, &key)
		body := []byte(`{"key":"` + key.APIKey + `","scopes":["workflows:read"],"client_ip":"203.0.113.7"}`)
		var answered atomic.Bool
		var made atomic.Int64
		var wg sync.WaitGroup
		for range clients {
			wg.Go(func() {
				w := &sink{header: http.Header{}}
				for made.Add(1) < perRound {
					late := answered.Load()
					switch in := d.check(w, body); {
					case in && late:
						t.Errorf("round %d: let in after the change was answered", round)
						return
					case in:
						before.Add(1)
					}
				}
			})
		}
		wg.Go(func() { // harmless changes, so that the key is looked up meanwhile
			for i := 0; made.Load() < perRound/2 && !answered.Load(); i++ {
				r := httptest.NewRequest(http.MethodPatch, keys+"/"+key.ID, strings.NewReader(fmt.Sprintf(`{"name":"raced %d"}`, i)))
				r.Header.Set("Authorization", "Bearer "+d.token)
				r.Header.Set("X-Workspace-Id", ws.ID)
				d.public.ServeHTTP(httptest.NewRecorder(), r) // refused once the key is gone
			}
		})
		wg.Go(func() {
			for made.Load() < perRound/4 { // in the thick of it
				runtime.Gosched()
			}
			changes[round%len(changes)](key.ID, ws.ID)
			answered.Store(true)
		})
		wg.Wait()
		checks.Add(min(made.Load(), perRound))
		if t.Failed() {
			return
		}
	}
	if before.Load() < checksInAll/20 {
		t.Errorf("only %d of %d checks came before the change", before.Load(), checks.Load())
	}
}
