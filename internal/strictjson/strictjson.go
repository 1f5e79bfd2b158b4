// Package strictjson finds what encoding/json passes over in silence. Its errors say what
// would be right and where, and never repeat what was sent.
package strictjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

const maxDepth = 32

// Check refuses what encoding/json would let pass: invalid UTF-8, a name given
// twice in one object, more than one value, and deep nesting. Its errors say where,
// not what.
func Check(data []byte) error {
	if !utf8.Valid(data) {
		return errors.New("must be UTF-8")
	}
	if hasLoneSurrogate(data) {
		return errors.New("must not escape half of a character")
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var stack []map[string]bool // the names seen in each open object; nil for an array
	names := false              // whether the next token can be a name
	for {
		t, err := d.Token()
		if errors.Is(err, io.EOF) && d.InputOffset() > 0 && len(stack) == 0 {
			return nil
		}
		if err != nil {
			return errors.New("must be one JSON value; it stops being one at byte " + strconv.FormatInt(d.InputOffset(), 10))
		}
		switch delim, isDelim := t.(json.Delim); {
		case isDelim && (delim == '{' || delim == '['):
			if len(stack) == maxDepth {
				return errors.New("must not be nested deeper than " + strconv.Itoa(maxDepth) + " levels")
			}
			var seen map[string]bool
			if delim == '{' {
				seen = map[string]bool{}
			}
			stack = append(stack, seen)
			names = delim == '{'
			continue
		case isDelim:
			stack = stack[:len(stack)-1]
		case names:
			seen, name := stack[len(stack)-1], t.(string)
			if seen[name] {
				return errors.New("must not give a field twice, as at byte " + strconv.FormatInt(d.InputOffset(), 10))
			}
			seen[name] = true
			names = false
			continue
		}
		if len(stack) == 0 && endsThere(data[d.InputOffset():]) {
			return nil
		}
		if len(stack) == 0 {
			return errors.New("must be one JSON value; another one begins after byte " + strconv.FormatInt(d.InputOffset(), 10))
		}
		names = stack[len(stack)-1] != nil
	}
}

// hasLoneSurrogate finds an escape such as \ud800 without its other half, which
// encoding/json would replace in silence.
func hasLoneSurrogate(data []byte) bool {
	half := func(i int) rune { // the UTF-16 unit that is escaped at i; 0 for none
		if i+6 > len(data) || data[i] != '\\' || data[i+1] != 'u' {
			return 0
		}
		n, err := strconv.ParseUint(string(data[i+2:i+6]), 16, 16)
		if err != nil {
			return 0
		}
		return rune(n)
	}
	for i := 0; i < len(data); i++ {
		if data[i] != '\\' {
			continue
		}
		if r := half(i); utf16.IsSurrogate(r) {
			if utf16.DecodeRune(r, half(i+6)) == utf8.RuneError {
				return true
			}
			i += 10
		}
		i++ // past what is escaped
	}
	return false
}

func endsThere(rest []byte) bool { return len(bytes.TrimLeft(rest, " \t\r\n")) == 0 }
