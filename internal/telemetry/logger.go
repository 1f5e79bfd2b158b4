package telemetry

import (
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"strings"

	"github.com/keypin/keypin/internal/token"
)

// NewLogger makes a logger that writes one line per record to w, as json or text,
// from level (debug, info, warn or error) up. Durations are seconds in json, and as
// Go prints them in text. A record of a request that is traced has trace_id and span_id.
func NewLogger(w io.Writer, format, level string) (*slog.Logger, error) {
	var least slog.Level
	if err := least.UnmarshalText([]byte(level)); err != nil {
		return nil, fmt.Errorf("unknown log level: %w", err)
	}
	clean := redactor{w}
	switch format {
	case "json":
		return slog.New(traced{slog.NewJSONHandler(clean, &slog.HandlerOptions{Level: least, ReplaceAttr: forJSON})}), nil
	case "text":
		return slog.New(traced{slog.NewTextHandler(clean, &slog.HandlerOptions{Level: least})}), nil
	}
	return nil, fmt.Errorf("unknown log format %q", format)
}

// forJSON keeps bytes out of base64, in which Redact would not know a secret, and
// gives durations a unit that needs no explanation.
func forJSON(_ []string, a slog.Attr) slog.Attr {
	switch a.Value.Kind() {
	case slog.KindDuration:
		a.Value = slog.Float64Value(a.Value.Duration().Seconds())
	case slog.KindAny:
		if bytes, ok := a.Value.Any().([]byte); ok {
			a.Value = slog.StringValue(string(bytes))
		}
	default: // nothing is made of the others, which is what most attributes are
	}
	return a
}

// redactor cleans what it writes. The handlers write a whole record at a time, so
// it sees message, names, groups and values of any type alike. Secrets are made of
// characters that neither format escapes.
type redactor struct{ to io.Writer }

func (r redactor) Write(line []byte) (int, error) {
	if _, err := io.WriteString(r.to, Redact(string(line))); err != nil {
		return 0, err
	}
	return len(line), nil
}

var (
	// jwt finds JSON Web Tokens (RFC 7519): eyJ is how `{"` begins in base64url.
	jwt = regexp.MustCompile(`eyJ[A-Za-z0-9_-]*\.[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*)*`)
	// bearer finds RFC 6750's credentials, and whatever else stands in their place.
	// Nothing need stand before the word: an escaped line break ends in a letter.
	bearer = regexp.MustCompile(`(?i)(bearer(?:\s|%20|\+)+)[^\s"'\\,;:<>(){}\[\]]+`)
)

// Redact masks API keys, JSON Web Tokens and bearer values in s.
func Redact(s string) string {
	s = token.Redact(s)
	// The expressions cost more than the line that they search; most lines need neither.
	if strings.Contains(s, "eyJ") {
		s = jwt.ReplaceAllString(s, "[redacted]")
	}
	if containsFold(s, "bearer") {
		s = bearer.ReplaceAllString(s, "${1}[redacted]")
	}
	return s
}

// containsFold reports whether word, in lower-case ASCII, stands in s in any case.
func containsFold(s, word string) bool {
	upper := word[0] - 'a' + 'A'
	for i := 0; i+len(word) <= len(s); i++ {
		if (s[i] == word[0] || s[i] == upper) && strings.EqualFold(s[i:i+len(word)], word) {
			return true
		}
	}
	return false
}
