package operations_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// used is what an expression of PromQL names: series, with the labels and the values that
// it selects them by, and the labels that it groups by.
type used struct {
	series []selector
	groups []string
}

type selector struct {
	name     string
	matchers []matcher
}

type matcher struct{ label, operator, value string }

// token is one part of an expression. Numbers, durations in brackets and operators that
// join series do not matter here and are passed over.
var token = regexp.MustCompile(`\[[^\]]*\]|"(?:[^"\\]|\\.)*"|[a-zA-Z_:][a-zA-Z0-9_:]*|=~|!~|!=|[0-9][0-9a-zA-Z.]*|\S`)

var operators = []string{"=", "!=", "=~", "!~"}

// words stand in expressions without being a series or a function.
var words = map[string]bool{"and": true, "or": true, "unless": true, "bool": true, "offset": true}

// grouping is followed by a list of labels.
var grouping = map[string]bool{"by": true, "without": true, "on": true, "ignoring": true, "group_left": true, "group_right": true}

var name = regexp.MustCompile(`^[a-zA-Z_:][a-zA-Z0-9_:]*$`)

// read finds what the expression names. Whatever is neither a function nor a word of
// PromQL is taken for a series, so that none goes unchecked.
func read(expression string) (used, error) {
	var u used
	tokens := token.FindAllString(expression, -1)
	at := func(i int) string {
		if i < len(tokens) {
			return tokens[i]
		}
		return ""
	}
	for i := 0; i < len(tokens); i++ {
		switch t := tokens[i]; {
		case grouping[t] && at(i+1) == "(":
			for i += 2; at(i) != ")"; i++ {
				if at(i) == "" {
					return u, fmt.Errorf("a list of labels does not end: %s", expression)
				}
				if at(i) != "," {
					u.groups = append(u.groups, at(i))
				}
			}
		case !name.MatchString(t) || words[t] || at(i+1) == "(" || grouping[at(i+1)]: // such as sum by (
		default:
			s := selector{name: t}
			if at(i+1) == "{" {
				for i += 2; at(i) != "}"; i++ {
					if at(i) == "," {
						continue
					}
					m := matcher{at(i), at(i + 1), strings.Trim(at(i+2), `"`)}
					if !name.MatchString(m.label) || !slices.Contains(operators, m.operator) || !strings.HasPrefix(at(i+2), `"`) {
						return u, fmt.Errorf("%s %s %s is no matcher: %s", m.label, m.operator, m.value, expression)
					}
					s.matchers = append(s.matchers, m)
					i += 2
				}
			}
			u.series = append(u.series, s)
		}
	}
	if len(u.series) == 0 {
		return u, fmt.Errorf("no series: %s", expression)
	}
	return u, nil
}
