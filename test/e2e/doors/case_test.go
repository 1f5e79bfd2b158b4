package doors

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

// testCase is a story of calls that are made one after the other.
type testCase struct {
	Name  string
	Steps []step
}

// step is one call and what must come of it.
type step struct {
	Call string // the operation's id in the OpenAPI document
	// As is whose credentials are sent: a person, who has a workspace of their own, a key
	// that was saved, such as $secret, or nobody; "" = ada.
	As        string
	Workspace string // sent as X-Workspace-Id; "" = none
	Path      map[string]string
	Query     map[string]any
	Body      map[string]any

	// Want is a part of the answer's data: of objects some fields, of lists every item. {}
	// is an object without any.
	// A null is also met by a field that is missing, "~re" by a string that re matches.
	Want any
	// Refused is what must come instead of an answer.
	Refused *refusal
	// Save keeps parts of the answer for later steps: name: path.of.the.part.
	Save map[string]string
}

// refusal is an answer that is an error.
type refusal struct {
	Status int      `json:"status"`
	Code   string   `json:"code"`
	Fields []string `json:"fields,omitempty"` // at fault, in any order
}

// result is what a call came to: Data, or Refused.
type result struct {
	Data    any      `json:"data"`
	Refused *refusal `json:"refused"`
}

func readCases(t *testing.T) []testCase {
	t.Helper()
	text, err := os.ReadFile("cases.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var all []testCase
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(&all); err != nil {
		t.Fatal(err)
	}
	if len(all) < 20 {
		t.Fatalf("only %d cases", len(all))
	}
	return all
}

// saved are values by name.
type saved map[string]string

func newSaved(now time.Time) saved {
	return saved{
		"in_an_hour":  now.Add(time.Hour).UTC().Format(time.RFC3339),
		"an_hour_ago": now.Add(-time.Hour).UTC().Format(time.RFC3339),
	}
}

// fill replaces what is "$name" by the value of that name.
func (s saved) fill(v any) (any, error) {
	switch v := v.(type) {
	case string:
		name, ok := strings.CutPrefix(v, "$")
		if !ok {
			return v, nil
		}
		value, ok := s[name]
		if !ok {
			return nil, fmt.Errorf("$%s was not saved", name)
		}
		return value, nil
	case []any:
		out := make([]any, len(v))
		for i := range v {
			var err error
			if out[i], err = s.fill(v[i]); err != nil {
				return nil, err
			}
		}
		return out, nil
	case map[string]any:
		out := make(map[string]any, len(v))
		for k := range v {
			var err error
			if out[k], err = s.fill(v[k]); err != nil {
				return nil, err
			}
		}
		return out, nil
	default:
		return v, nil
	}
}

// filled is the step with every value in its place.
func (s saved) filled(in *step) (*step, error) {
	raw, err := json.Marshal(in)
	if err != nil {
		return nil, err
	}
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		return nil, err
	}
	if v, err = s.fill(v); err != nil {
		return nil, err
	}
	if raw, err = json.Marshal(v); err != nil {
		return nil, err
	}
	out := new(step)
	return out, json.Unmarshal(raw, out)
}

// keep saves parts of data.
func (s saved) keep(data any, parts map[string]string) error {
	for name, path := range parts {
		v := data
		for part := range strings.SplitSeq(path, ".") {
			m, _ := v.(map[string]any)
			v = m[part]
		}
		text, ok := v.(string)
		if !ok {
			return fmt.Errorf("there is no text at %s to save", path)
		}
		s[name] = text
	}
	return nil
}

// differs says where got is not what is wanted; "" = nowhere.
func differs(path string, want, got any) string {
	switch want := want.(type) {
	case map[string]any:
		m, ok := got.(map[string]any)
		if !ok {
			return fmt.Sprintf("%s is %v, want an object", path, got)
		}
		if len(want) == 0 && len(m) > 0 {
			return fmt.Sprintf("%s is %v, want it empty", path, got)
		}
		for k, w := range want {
			if d := differs(path+"."+k, w, m[k]); d != "" {
				return d
			}
		}
		return ""
	case []any:
		l, ok := got.([]any)
		if !ok && got != nil || len(l) != len(want) {
			return fmt.Sprintf("%s is %v, want %d items", path, got, len(want))
		}
		for i := range want {
			if d := differs(fmt.Sprintf("%s[%d]", path, i), want[i], l[i]); d != "" {
				return d
			}
		}
		return ""
	case string:
		text, ok := got.(string)
		pattern, matches := strings.CutPrefix(want, "~")
		if ok && (matches && regexp.MustCompile(pattern).MatchString(text) || !matches && text == want) {
			return ""
		}
	default:
		if want == got {
			return ""
		}
	}
	return fmt.Sprintf("%s is %v, want %v", path, got, want)
}

// judge says what is wrong with a result; "" = nothing.
func (s *step) judge(got *result) string {
	switch {
	case s.Refused == nil && got.Refused != nil:
		return fmt.Sprintf("was refused: %+v", *got.Refused)
	case s.Refused == nil:
		if s.Want == nil {
			return ""
		}
		return differs("data", s.Want, got.Data)
	case got.Refused == nil:
		return fmt.Sprintf("was answered %v, want %+v", got.Data, *s.Refused)
	}
	want, is := *s.Refused, *got.Refused
	slices.Sort(want.Fields)
	slices.Sort(is.Fields)
	if want.Status != is.Status || want.Code != is.Code || !slices.Equal(want.Fields, is.Fields) {
		return fmt.Sprintf("was refused as %+v, want %+v", is, want)
	}
	return ""
}

func TestWhatIsOtherwiseThanWantedIsSeen(t *testing.T) {
	t.Parallel()
	data := map[string]any{"name": "a", "n": 1.0, "list": []any{map[string]any{"x": true}}, "nothing": nil}
	for name, c := range map[string]struct {
		want any
		same bool
	}{
		"part of it":      {map[string]any{"name": "a", "list": []any{map[string]any{"x": true}}}, true},
		"null is null":    {map[string]any{"nothing": nil, "missing": nil}, true},
		"a pattern":       {map[string]any{"name": "~^[a-c]$"}, true},
		"another pattern": {map[string]any{"name": "~^b$"}, false},
		"another text":    {map[string]any{"name": "b"}, false},
		"another number":  {map[string]any{"n": 2.0}, false},
		"not null":        {map[string]any{"name": nil}, false},
		"missing":         {map[string]any{"missing": "a"}, false},
		"too few":         {map[string]any{"list": []any{}}, false},
		"too many":        {map[string]any{"list": []any{map[string]any{"x": true}, map[string]any{}}}, false},
		"no object":       {[]any{}, false},
		"not empty":       {map[string]any{}, false},
	} {
		if d := differs("data", c.want, data); (d == "") != c.same {
			t.Errorf("%s: %q", name, d)
		}
	}
	for name, c := range map[string]struct {
		s    step
		got  result
		same bool
	}{
		"refused":           {step{Refused: &refusal{422, "x", []string{"b", "a"}}}, result{Refused: &refusal{422, "x", []string{"a", "b"}}}, true},
		"answered":          {step{Refused: &refusal{Status: 422}}, result{Data: data}, false},
		"refused otherwise": {step{Refused: &refusal{422, "x", []string{"a"}}}, result{Refused: &refusal{422, "x", nil}}, false},
		"refused at all":    {step{}, result{Refused: &refusal{422, "x", nil}}, false},
	} {
		if d := c.s.judge(&c.got); (d == "") != c.same {
			t.Errorf("%s: %q", name, d)
		}
	}
}
