package config

import (
	"fmt"
	"strings"

	"github.com/keypin/keypin/internal/spelling"
)

// Problem is one thing that is wrong with the configuration.
type Problem struct {
	Field  string // the YAML path, such as issuers[0].jwks_url
	Source string // where the value came from, such as env KEYPIN_LISTEN; "" when it is not known
	Wrong  string // what is wrong with it
	Right  string // what would be right
}

// Problems is everything that is wrong with the configuration, as one error.
type Problems []Problem

// Error lists the problems, one per line.
func (p Problems) Error() string {
	var b strings.Builder
	b.WriteString("the configuration is not valid")
	for _, one := range p {
		b.WriteString("\n  " + one.Field)
		if one.Source != "" && one.Source != sourceDefault {
			b.WriteString(" (" + one.Source + ")")
		}
		fmt.Fprintf(&b, ": %s; %s", one.Wrong, one.Right)
	}
	return b.String()
}

func (p *Problems) add(field, wrong, right string) {
	*p = append(*p, Problem{Field: field, Wrong: wrong, Right: right})
}

func (p Problems) err() error {
	if len(p) == 0 {
		return nil
	}
	return p
}

// nearest is the known name that takes the fewest edits to reach from name. The
// last part of a dotted name may be meant alone: format is near log.format.
func nearest(name string, known []string) string {
	best, fewest := "", -1
	for _, k := range known {
		d := spelling.Distance(name, k)
		if i := strings.LastIndexByte(k, '.'); i >= 0 {
			d = min(d, spelling.Distance(name, k[i+1:])+1)
		}
		if fewest < 0 || d < fewest {
			best, fewest = k, d
		}
	}
	return best
}
