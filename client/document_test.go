package client

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/netip"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// exercise is a call with everything that it can be given. It returns what the caller
// gets; of a list, an item.
type exercise func(context.Context, *Client) (any, error)

// exercises has one for every operation of the service.
func exercises() map[string]exercise {
	at := time.Date(2026, 4, 25, 12, 0, 0, 0, time.UTC)
	part := ListParams{Offset: 1, Limit: 2}
	workspace, match, once := InWorkspace(testID), IfMatch(`"v1"`), IdempotencyKey("d9428888-122b")
	usage := UsageParams{From: at, To: at.Add(time.Hour), Granularity: ByMinute}
	return map[string]exercise{
		"GET /health":             func(ctx context.Context, kp *Client) (any, error) { return kp.Health(ctx) },
		"GET /ready":              func(ctx context.Context, kp *Client) (any, error) { return kp.Ready(ctx) },
		"GET /api/v1/auth/whoami": func(ctx context.Context, kp *Client) (any, error) { return kp.WhoAmI(ctx, workspace) },
		"GET /api/v1/usage":       func(ctx context.Context, kp *Client) (any, error) { return kp.Usage(ctx, usage, workspace) },
		"GET " + keyPath + "/usage": func(ctx context.Context, kp *Client) (any, error) {
			return kp.Keys.Usage(ctx, testID, usage, workspace)
		},

		"GET " + keysPath: func(ctx context.Context, kp *Client) (any, error) {
			page, err := kp.Keys.ListPage(ctx, ListKeysParams{KeysAll, "a", KeyLive, "voices:read", testID, SortName, 1, 2}, workspace)
			return item(page), err
		},
		"POST " + keysPath: func(ctx context.Context, kp *Client) (any, error) {
			return kp.Keys.Create(ctx, CreateKeyParams{"a", KeyLive, []string{"voices:read"}, new(1), "ab", &at, []string{"::1"}, map[string]string{"a": "b"}}, workspace, once)
		},
		"GET " + keyPath: func(ctx context.Context, kp *Client) (any, error) { return kp.Keys.Get(ctx, testID, workspace) },
		"PATCH " + keyPath: func(ctx context.Context, kp *Client) (any, error) {
			return kp.Keys.Update(ctx, testID, UpdateKeyParams{Set("a"), Set([]string{}), Set(true), Set(1), Set(at), Set([]string{}), Set(map[string]string{})}, workspace, match)
		},
		"DELETE " + keyPath: func(ctx context.Context, kp *Client) (any, error) {
			return kp.Keys.Revoke(ctx, testID, workspace, match)
		},
		"PATCH " + keyPath + "/rotate": func(ctx context.Context, kp *Client) (any, error) {
			return kp.Keys.Rotate(ctx, testID, RotateKeyParams{time.Hour, Set(at)}, workspace, match, once)
		},
		"POST " + keysPath + "/verify": func(ctx context.Context, kp *Client) (any, error) {
			return kp.Keys.Verify(ctx, VerifyParams{NewSecret("k"), []string{"voices:read"}, netip.IPv6Loopback(), new(1), time.Second, "curl/8"}, workspace)
		},

		"GET " + workspacesPath: func(ctx context.Context, kp *Client) (any, error) {
			page, err := kp.Workspaces.ListPage(ctx, part, workspace)
			return item(page), err
		},
		"POST " + workspacesPath: func(ctx context.Context, kp *Client) (any, error) {
			return kp.Workspaces.Create(ctx, CreateWorkspaceParams{"a", "b", 1}, workspace, once)
		},
		"GET " + workspacesPath + "/slug-available": func(ctx context.Context, kp *Client) (any, error) {
			_, err := kp.Workspaces.SlugAvailable(ctx, "a", workspace)
			return slugAvailability{}, err
		},
		"GET " + workspacePath: func(ctx context.Context, kp *Client) (any, error) { return kp.Workspaces.Get(ctx, testID) },
		"PATCH " + workspacePath: func(ctx context.Context, kp *Client) (any, error) {
			return kp.Workspaces.Update(ctx, testID, UpdateWorkspaceParams{Set("a"), Set("b"), Set(1)})
		},
		"DELETE " + workspacePath:            func(ctx context.Context, kp *Client) (any, error) { return kp.Workspaces.Delete(ctx, testID) },
		"GET " + workspacePath + "/settings": func(ctx context.Context, kp *Client) (any, error) { return kp.Workspaces.Settings(ctx, testID) },
		"PATCH " + workspacePath + "/settings": func(ctx context.Context, kp *Client) (any, error) {
			return kp.Workspaces.UpdateSettings(ctx, testID, UpdateSettingsParams{Set("en"), Set(ThemeDark)})
		},

		"GET " + membersPath: func(ctx context.Context, kp *Client) (any, error) {
			page, err := kp.Members.ListPage(ctx, testID, part)
			return item(page), err
		},
		"PATCH " + memberPath: func(ctx context.Context, kp *Client) (any, error) {
			return kp.Members.SetRole(ctx, testID, testID, RoleAdmin)
		},
		"DELETE " + memberPath: func(ctx context.Context, kp *Client) (any, error) { return kp.Members.Remove(ctx, testID, testID) },
		"GET " + invitesPath: func(ctx context.Context, kp *Client) (any, error) {
			page, err := kp.Invites.ListPage(ctx, testID, part)
			return item(page), err
		},
		"POST " + invitesPath: func(ctx context.Context, kp *Client) (any, error) {
			return kp.Invites.Create(ctx, testID, CreateInviteParams{"a@example.com", RoleViewer}, once)
		},
		"PATCH " + invitePath: func(ctx context.Context, kp *Client) (any, error) {
			return kp.Invites.SetRole(ctx, testID, testID, RoleAdmin)
		},
		"DELETE " + invitePath: func(ctx context.Context, kp *Client) (any, error) { return kp.Invites.Revoke(ctx, testID, testID) },
		"POST " + workspacesPath + "/invites/{token}/accept": func(ctx context.Context, kp *Client) (any, error) {
			return kp.Invites.Accept(ctx, NewSecret("token"))
		},
	}
}

func item[T any](*Page[T]) any { var none T; return none }

// schema is as much of a JSON Schema as is asked about here.
type schema struct {
	Ref        string             `json:"$ref"`
	Type       any                `json:"type"`
	Properties map[string]*schema `json:"properties"`
	Items      *schema            `json:"items"`
	AnyOf      []*schema          `json:"anyOf"`
}

type content struct {
	Content map[string]struct {
		Schema *schema `json:"schema"`
	} `json:"content"`
}

type documented struct {
	OperationID string `json:"operationId"`
	Parameters  []struct {
		Name string `json:"name"`
		In   string `json:"in"`
	} `json:"parameters"`
	RequestBody content            `json:"requestBody"`
	Responses   map[string]content `json:"responses"`
}

type document struct {
	Paths      map[string]map[string]documented `json:"paths"`
	Components struct {
		Schemas map[string]*schema `json:"schemas"`
	} `json:"components"`
}

// object finds the object that a schema describes, or an item of its list; nil for
// anything else.
func (d *document) object(s *schema) *schema {
	switch {
	case s == nil:
		return nil
	case s.Ref != "":
		return d.object(d.Components.Schemas[strings.TrimPrefix(s.Ref, "#/components/schemas/")])
	case s.Items != nil:
		return d.object(s.Items)
	case len(s.AnyOf) > 0:
		return d.object(s.AnyOf[0])
	case s.Properties != nil:
		return s
	}
	return nil
}

// An endpoint, a parameter or a field that the service gains fails this test until the
// client has it.
func TestTheClientCanDoWhateverTheServiceCan(t *testing.T) {
	raw, err := os.ReadFile("../api/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	var d document
	if err := json.Unmarshal(raw, &d); err != nil {
		t.Fatal(err)
	}
	all := exercises()
	operations := 0
	for path, methods := range d.Paths {
		for method, op := range methods {
			operations++
			name := strings.ToUpper(method) + " " + path
			call, there := all[name]
			if !there {
				t.Errorf("%s (%s): the client has no method for it, or this test does not know it", name, op.OperationID)
				continue
			}
			t.Run(op.OperationID, func(t *testing.T) { d.compare(t, path, &op, call) })
		}
	}
	if operations < 20 {
		t.Errorf("the document has %d operations: this reader does not understand it", operations)
	}
}

func (d *document) compare(t *testing.T, path string, op *documented, call exercise) {
	body := `{"data":{},"status":"ok"}`
	for _, p := range op.Parameters {
		if p.Name == "offset" {
			body = `{"data":[],"pagination":{"next":null,"total":0}}`
		}
	}
	kp, s := scripted(t, nil, answers(http.StatusOK, body), refuses(http.StatusForbidden, CodeForbidden))
	result, err := call(t.Context(), kp)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := call(t.Context(), kp); asError(t, err).Op != op.OperationID {
		t.Errorf("its errors name it %s", asError(t, err).Op)
	}
	r := s.seen[0]
	if want := strings.NewReplacer("{key_id}", testID, "{workspace_id}", testID, "{member_id}", testID, "{invite_id}", testID, "{token}", "token").Replace("/base" + path); r.URL.Path != want {
		t.Errorf("it called %s, want %s", r.URL.Path, want)
	}
	for _, p := range op.Parameters {
		if p.In == "query" && !r.URL.Query().Has(p.Name) || p.In == "header" && r.Header.Get(p.Name) == "" {
			t.Errorf("it has no way to send the %s parameter %s", p.In, p.Name)
		}
	}
	if described := d.object(op.RequestBody.Content["application/json"].Schema); described != nil {
		var sent map[string]any
		if err := json.Unmarshal([]byte(s.sent[0]), &sent); err != nil {
			t.Fatal(err)
		}
		for field := range described.Properties {
			if _, there := sent[field]; !there {
				t.Errorf("it has no way to send the field %s", field)
			}
		}
	}
	for status, response := range op.Responses {
		if answered := d.object(response.Content["application/json"].Schema); strings.HasPrefix(status, "2") {
			if data := answered.Properties["data"]; data != nil {
				answered = d.object(data)
			}
			d.holds(t, reflect.TypeOf(result), answered, "")
		}
	}
}

// holds checks that a type has every field of the object that a schema describes.
func (d *document) holds(t *testing.T, typ reflect.Type, s *schema, path string) {
	t.Helper()
	for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice {
		typ = typ.Elem()
	}
	if typ.Kind() != reflect.Struct || s == nil {
		t.Fatalf("the answer%s is described as %+v, and read into a %v", path, s, typ)
	}
	fields := map[string]reflect.Type{}
	for _, f := range reflect.VisibleFields(typ) {
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" && name != "-" {
			fields[name] = f.Type
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		field, there := fields[name]
		if !there {
			t.Errorf("%v has no field for %s", typ, name)
		} else if inner := d.object(s.Properties[name]); inner != nil {
			d.holds(t, field, inner, path+"."+name)
		}
	}
}
