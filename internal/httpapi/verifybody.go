package httpapi

import "strconv"

// scan reads the body of a check as clients write it: one flat object of known names,
// each once, strings of printable ASCII without escapes, whole numbers. It reports
// false for everything else, right or wrong, which decodeBody then judges. So it is
// only quicker, never other: a fuzz test holds the two together.
func (b *verifyBody) scan(body string) bool {
	s := scanner{rest: body}
	if !s.take('{') {
		return false
	}
	for first := true; ; first = false {
		if s.take('}') {
			return s.end() && b.Key.Set
		}
		if !first && !s.take(',') {
			return false
		}
		name, ok := s.str()
		if !ok || !s.take(':') || !b.scanField(&s, name) {
			return false
		}
	}
}

// scanField reads the value of one field that was not there before.
func (b *verifyBody) scanField(s *scanner, name string) (ok bool) {
	switch name {
	case "key":
		if b.Key.Set {
			return false
		}
		b.Key.Value, ok = s.str()
		b.Key.Set = ok
	case "scopes":
		ok = !b.Scopes.Set && s.take('[')
		for ok && !s.take(']') {
			if len(b.Scopes.Value) > 0 && !s.take(',') {
				return false
			}
			var scope string
			scope, ok = s.str()
			b.Scopes.Value = append(b.Scopes.Value, scope)
		}
		b.Scopes.Set = ok
	case "client_ip":
		ok = scanOne(&b.ClientIP, s.str)
	case "cost":
		ok = scanOne(&b.Cost, s.number)
	case "hold_ms":
		ok = scanOne(&b.HoldMS, s.number)
	case "user_agent":
		ok = scanOne(&b.UserAgent, s.str)
	}
	return ok
}

func scanOne[T any](field *optional[T], value func() (T, bool)) (ok bool) {
	if field.Set {
		return false
	}
	field.Value, ok = value()
	field.Set = ok
	return ok
}

// scanner reads JSON from the front of rest.
type scanner struct{ rest string }

func (s *scanner) space() {
	for len(s.rest) > 0 && (s.rest[0] == ' ' || s.rest[0] == '\n' || s.rest[0] == '\t' || s.rest[0] == '\r') {
		s.rest = s.rest[1:]
	}
}

// take reads c, if it is next.
func (s *scanner) take(c byte) bool {
	s.space()
	if len(s.rest) == 0 || s.rest[0] != c {
		return false
	}
	s.rest = s.rest[1:]
	return true
}

func (s *scanner) end() bool {
	s.space()
	return len(s.rest) == 0
}

// str reads a plain string, which shares the body's memory.
func (s *scanner) str() (string, bool) {
	if !s.take('"') {
		return "", false
	}
	for i := range len(s.rest) {
		switch c := s.rest[i]; {
		case c == '"':
			v := s.rest[:i]
			s.rest = s.rest[i+1:]
			return v, true
		case c < ' ' || c > '~' || c == '\\':
			return "", false
		}
	}
	return "", false
}

// number reads up to 9 digits without a leading zero.
func (s *scanner) number() (int64, bool) {
	s.space()
	n := 0
	for n < len(s.rest) && s.rest[n] >= '0' && s.rest[n] <= '9' {
		n++
	}
	if n == 0 || n > 9 || n > 1 && s.rest[0] == '0' {
		return 0, false
	}
	v, err := strconv.ParseInt(s.rest[:n], 10, 64)
	s.rest = s.rest[n:]
	return v, err == nil
}
