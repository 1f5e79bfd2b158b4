package show

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/template"
	"time"

	"github.com/itchyny/gojq"
)

// Format is what --json, --jq and --template ask for.
type Format struct {
	json     bool
	query    *gojq.Code
	template *template.Template
}

// errTwoFormats is the answer to --jq and --template at once.
var errTwoFormats = errors.New("--jq and --template cannot be given together")

// NewFormat reads the flags, so that a mistake in them is found before anything is done.
func NewFormat(asJSON bool, query, templ string, now time.Time) (Format, error) {
	f := Format{json: asJSON}
	switch {
	case query != "" && templ != "":
		return f, errTwoFormats
	case query != "":
		parsed, err := gojq.Parse(query)
		if err != nil {
			return f, fmt.Errorf("--jq is not a jq expression: %w", err)
		}
		if f.query, err = gojq.Compile(parsed); err != nil {
			return f, fmt.Errorf("--jq is not a jq expression: %w", err)
		}
	case templ != "":
		var err error
		if f.template, err = template.New("--template").Funcs(functions(now)).Parse(templ); err != nil {
			return f, fmt.Errorf("--template is not a Go template: %w", err)
		}
	}
	return f, nil
}

// Given tells that a program reads the output.
func (f Format) Given() bool { return f.json || f.query != nil || f.template != nil }

// Write writes the data as it was asked for.
func (f Format) Write(w io.Writer, data any) error {
	plain, err := encode(data)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if f.query == nil && f.template == nil {
		if err := json.Indent(&b, plain, "", "  "); err != nil {
			return err
		}
	} else {
		d := json.NewDecoder(bytes.NewReader(plain))
		var generic any
		if err := d.Decode(&generic); err != nil {
			return err
		}
		if err := f.apply(&b, generic); err != nil {
			return err
		}
	}
	if b.Len() > 0 && !bytes.HasSuffix(b.Bytes(), []byte("\n")) {
		b.WriteByte('\n')
	}
	_, err = w.Write(b.Bytes())
	return err
}

func (f Format) apply(b *bytes.Buffer, data any) error {
	if f.template != nil {
		if err := f.template.Execute(b, data); err != nil {
			return fmt.Errorf("--template: %w", err)
		}
		return nil
	}
	results := f.query.Run(data)
	for {
		v, more := results.Next()
		if !more {
			return nil
		}
		var halt *gojq.HaltError
		if err, failed := v.(error); failed {
			if errors.As(err, &halt) && halt.Value() == nil {
				return nil
			}
			return fmt.Errorf("--jq: %w", err)
		}
		text, isText := v.(string)
		if !isText {
			line, err := encode(v)
			if err != nil {
				return err
			}
			text = strings.TrimSuffix(string(line), "\n")
		}
		b.WriteString(text + "\n")
	}
}

// encode is JSON as a person would write it: with < and > as they are.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return b.Bytes(), err
}

// functions are those of --template beside Go's own.
func functions(now time.Time) template.FuncMap {
	return template.FuncMap{
		"json": func(v any) (string, error) {
			b, err := encode(v)
			return strings.TrimSuffix(string(b), "\n"), err
		},
		"join": func(sep string, list []any) string {
			parts := make([]string, len(list))
			for i, v := range list {
				parts[i] = fmt.Sprint(v)
			}
			return strings.Join(parts, sep)
		},
		"pluck": func(field string, list []any) []any {
			var out []any
			for _, v := range list {
				if object, ok := v.(map[string]any); ok {
					out = append(out, object[field])
				}
			}
			return out
		},
		"timeago": func(v any) (string, error) {
			if v == nil {
				return "never", nil
			}
			t, err := time.Parse(time.RFC3339Nano, fmt.Sprint(v))
			if err != nil {
				return "", errors.New("timeago: is not a time")
			}
			return Relative(now, t), nil
		},
	}
}
