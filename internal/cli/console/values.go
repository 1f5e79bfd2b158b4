package console

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/keypin/keypin/client"
	"github.com/keypin/keypin/internal/cli/problem"
)

// choice is a flag with a few values.
type choice struct {
	value   string
	allowed []string
}

func (c *choice) String() string { return c.value }

func (c *choice) Type() string { return "choice" }

// Choices are the values, for the manifest.
func (c *choice) Choices() []string { return c.allowed }

func (c *choice) Set(s string) error {
	if !slices.Contains(c.allowed, s) {
		return fmt.Errorf("must be one of %s", strings.Join(c.allowed, ", "))
	}
	c.value = s
	return nil
}

// moment is a flag that names a time: a length of time from now, a day, or a time.
type moment struct {
	now   func() time.Time
	at    time.Time
	never bool // was given as never, if it may
	may   bool
	back  bool // a length of time counts back from now
}

func (m *moment) String() string { return "" }

func (m *moment) Type() string { return "time" }

func (m *moment) Set(s string) error {
	if s == "never" && m.may {
		m.at, m.never = time.Time{}, true
		return nil
	}
	m.never = false
	if d, err := parseSpan(s); err == nil {
		if m.back {
			d = -d
		}
		m.at = m.now().Add(d)
		return nil
	}
	for _, layout := range []string{time.RFC3339Nano, time.DateOnly} {
		if at, err := time.Parse(layout, s); err == nil {
			m.at = at
			return nil
		}
	}
	never := ""
	if m.may {
		never = ", or never"
	}
	return fmt.Errorf("must be a length of time such as 90d or 12h, a day such as 2027-01-31 (UTC), a time such as 2027-01-31T12:00:00Z%s", never)
}

var days = regexp.MustCompile(`^(\d{1,5})([dw])$`)

// parseSpan reads a length of time: Go's units, and d and w for days and weeks.
func parseSpan(s string) (time.Duration, error) {
	if m := days.FindStringSubmatch(s); m != nil {
		n, err := strconv.Atoi(m[1])
		unit := 24 * time.Hour
		if m[2] == "w" {
			unit *= 7
		}
		return time.Duration(n) * unit, err
	}
	d, err := time.ParseDuration(s)
	if err == nil && d < 0 {
		err = fmt.Errorf("must not be negative")
	}
	return d, err
}

// span is a flag that is a length of time.
type span struct{ d time.Duration }

func (v *span) String() string {
	if v.d == 0 {
		return ""
	}
	return v.d.String()
}

func (v *span) Type() string { return "duration" }

func (v *span) Set(s string) error {
	d, err := parseSpan(s)
	if err != nil {
		return fmt.Errorf("must be a length of time such as 30m, 24h or 7d")
	}
	v.d = d
	return nil
}

// pairs reads KEY=VALUE arguments.
func pairs(list []string) (map[string]string, error) {
	if len(list) == 0 {
		return nil, nil
	}
	out := map[string]string{}
	for _, one := range list {
		key, value, ok := strings.Cut(one, "=")
		if !ok || key == "" {
			return nil, problem.Usage("--metadata must be KEY=VALUE")
		}
		if _, twice := out[key]; twice {
			return nil, problem.Usage("--metadata names a key twice")
		}
		out[key] = value
	}
	return out, nil
}

var uuidRule = regexp.MustCompile(`^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$`)

func isUUID(s string) bool { return uuidRule.MatchString(s) }

// secretRule is the form of a key's plaintext and of a session token.
var secretRule = regexp.MustCompile(`^([a-z][a-z0-9_]*_[0-9A-Za-z]{32}|eyJ[\w-]+\.[\w-]+\.[\w-]*)$`)

// looksSecret tells that an argument is what must not be one.
func looksSecret(s string) bool { return secretRule.MatchString(strings.TrimSpace(s)) }

// notAsArgument is the answer to a secret among the arguments.
func notAsArgument() *problem.Problem {
	return problem.Usage("a key or token was given as an argument, where other users of this machine and your shell's history can see it").
		WithDo("rotate it if others could; name a key by its name or its last 6 characters, and give secrets on standard input")
}

// expiry is when a session token expires, as it says itself. Nothing is verified: it is
// for telling a person.
func expiry(credential client.Secret) (time.Time, bool) {
	parts := strings.Split(credential.Reveal(), ".")
	if len(parts) != 3 {
		return time.Time{}, false
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return time.Time{}, false
	}
	var claims struct {
		Expires *float64 `json:"exp"`
	}
	if json.Unmarshal(payload, &claims) != nil || claims.Expires == nil {
		return time.Time{}, false
	}
	return time.Unix(int64(*claims.Expires), 0), true
}
