package config

import (
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
)

// Print writes the settings in effect, one per line, as
// `key = value  (source: default|file PATH|env NAME|flag --name)`. Secrets, and
// passwords in URLs, are masked.
func (c *Config) Print(w io.Writer) error {
	effective := *c
	effective.Database = c.DatabaseURL()
	for _, s := range settings(&effective) {
		if _, err := fmt.Fprintf(w, "%s = %s  (source: %s)\n", s.key, mask(printed(s.value.plain())), c.source(s.key)); err != nil {
			return err
		}
	}
	return nil
}

// source says where the value of a setting, or of a part of one, came from.
func (c *Config) source(field string) string {
	field, _, _ = strings.Cut(field, "[")
	if s, ok := c.sources[field]; ok {
		return s
	}
	return sourceDefault
}

func printed(v any) string {
	switch v := v.(type) {
	case string:
		if v == "" || strconv.Quote(v) != `"`+v+`"` {
			return strconv.Quote(v)
		}
		return v
	case []string:
		if len(v) == 0 {
			return "[]"
		}
		return printed(strings.Join(v, ","))
	case json.RawMessage:
		return string(v)
	default:
		return fmt.Sprint(v)
	}
}

var (
	urlPassword  = regexp.MustCompile(`(://[^/\s:@"]*:)[^\s"]*@`)
	querySecrets = regexp.MustCompile(`(?i)([?&;][a-z0-9_-]*(?:pass|secret|token|key)[a-z0-9_-]*=)[^&;\s"]*`)
)

// mask hides the password of a URL, in its authority or its query.
func mask(s string) string {
	s = urlPassword.ReplaceAllString(s, "${1}[secret]@")
	return querySecrets.ReplaceAllString(s, "${1}[secret]")
}
