package verify

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"sync"

	"github.com/keypin/keypin/internal/keypin"
)

// maxCommons bounds what is shared of a kind. Keys whose makers repeat
// themselves share, which most do; further keys have their own.
const maxCommons = 1 << 14

// commons is what keys share. It is safe for concurrent use.
type commons struct {
	mu     sync.Mutex
	scopes map[string]*ScopeList
	traits map[string]*traits
}

func (c *commons) scopeList(scopes []keypin.Scope) *ScopeList {
	names := make([]string, len(scopes))
	for i, s := range scopes {
		names[i] = string(s)
	}
	joined := strings.Join(names, " ")
	c.mu.Lock()
	defer c.mu.Unlock()
	list, ok := c.scopes[joined]
	if !ok {
		list = &ScopeList{Scopes: slices.Clone(scopes), Joined: joined}
		if c.scopes == nil {
			c.scopes = map[string]*ScopeList{}
		}
		if len(c.scopes) < maxCommons {
			c.scopes[joined] = list
		}
	}
	return list
}

func (c *commons) traitsOf(row *keypin.APIKey) (*traits, error) {
	var text bytes.Buffer // the metadata, and behind it the ranges
	text.WriteString("{}")
	if len(row.Metadata) > 0 {
		text.Reset()
		e := json.NewEncoder(&text)
		e.SetEscapeHTML(false)
		if err := e.Encode(row.Metadata); err != nil { // with its names in order
			return nil, err
		}
		text.Truncate(text.Len() - 1) // the line's end
	}
	metadata := text.Len()
	for _, r := range row.AllowedIPs {
		text.WriteString(" " + r.String())
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	t, ok := c.traits[text.String()]
	if !ok {
		name := text.String()
		t = &traits{allowedIPs: slices.Clone(row.AllowedIPs), metadata: name[:metadata]}
		if c.traits == nil {
			c.traits = map[string]*traits{}
		}
		if len(c.traits) < maxCommons {
			t.shared = true
			c.traits[name] = t
		}
	}
	return t, nil
}
