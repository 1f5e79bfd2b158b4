package gateway_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestAReportIsReadStrictly(t *testing.T) {
	hash := strings.Repeat("ab", 32)
	good := `{"key_hash":"` + hash + `","code":"valid","count":2,"at":"2026-04-25T12:00:00Z","client_ip":"203.0.113.7","user_agent":"tool/1"}`
	with := func(field, value string) string {
		var u map[string]json.RawMessage
		if err := json.Unmarshal([]byte(good), &u); err != nil {
			t.Fatal(err)
		}
		u[field] = json.RawMessage(value)
		b, err := json.Marshal(u)
		if err != nil {
			t.Fatal(err)
		}
		return `{"uses":[` + good + "," + string(b) + "]}"
	}
	for name, c := range map[string]struct {
		body   string
		status int
		field  string
	}{
		"nothing to report":      {`{"uses":[]}`, 200, ""},
		"two uses of no key":     {`{"uses":[` + good + "," + good + `]}`, 200, ""},
		"no body":                {``, 422, "body"},
		"no object":              {`[]`, 422, "body"},
		"no uses":                {`{}`, 422, "body"},
		"null":                   {`{"uses":null}`, 422, "body"},
		"two values":             {`{"uses":[]}{}`, 422, "body"},
		"another case":           {`{"Uses":[]}`, 422, "body"},
		"a field given twice":    {`{"uses":[],"uses":[]}`, 422, "body"},
		"a field of a use twice": {`{"uses":[{"code":"valid","code":"valid"}]}`, 422, "body"},
		"an unknown field":       {with("more", `1`), 422, "body"},
		"a field in capitals":    {with("CODE", `"valid"`), 422, "body"},
		"no hash":                {with("key_hash", `"abc"`), 422, "body.uses[1].key_hash"},
		"a hash too long":        {with("key_hash", `"`+hash+`ab"`), 422, "body.uses[1].key_hash"},
		"an unknown outcome":     {with("code", `"not_found"`), 422, "body.uses[1].code"},
		"no count":               {with("count", `0`), 422, "body.uses[1].count"},
		"a count too large":      {with("count", `1000000001`), 422, "body.uses[1].count"},
		"a fraction":             {with("count", `1.5`), 422, "body"},
		"no time":                {with("at", `"yesterday"`), 422, "body"},
		"no address":             {with("client_ip", `"home"`), 422, "body"},
		"a long user agent":      {with("user_agent", `"`+strings.Repeat("é", 513)+`"`), 422, "body.uses[1].user_agent"},
		"too many":               {`{"uses":[` + strings.Repeat(good+",", 1000) + good + `]}`, 422, "body.uses"},
		"too large":              {`{"uses":[]` + strings.Repeat(" ", 1<<20) + `}`, 413, ""},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDoors(t)
			r := httptest.NewRequest(http.MethodPost, "/api/v1/usage-reports", strings.NewReader(c.body))
			r.Header.Set("Content-Type", "application/json; charset=utf-8")
			w := httptest.NewRecorder()
			d.UsageReports(w, r)
			var answer struct {
				Error struct {
					Details []struct{ Field string }
				}
			}
			if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || w.Code != c.status {
				t.Fatalf("answered %d (%v): %s", w.Code, err, w.Body)
			}
			if c.field != "" && (len(answer.Error.Details) != 1 || answer.Error.Details[0].Field != c.field) {
				t.Errorf("the fields at fault are %+v", answer.Error.Details)
			}
		})
	}
	d := newDoors(t)
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodPost, "/api/v1/usage-reports", strings.NewReader("{}"))
	r.Header.Set("Content-Type", "text/plain")
	if d.UsageReports(w, r); w.Code != http.StatusUnsupportedMediaType {
		t.Errorf("text is answered %d", w.Code)
	}
}
