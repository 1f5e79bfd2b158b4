package gateway

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/keypin/keypin/internal/keypin"
)

// needs are what a route of a proxy asks for. A route asks the same every time, so
// they are read once.
type needs struct {
	scopes []keypin.Scope
	// deny403 folds 429 into 403, for nginx, which takes any other status for an error.
	deny403 bool
	err     error // what is wrong with the query, told at every request
}

// maxNeeds bounds the queries that are remembered. There are as many as a proxy has
// routes; further ones are read anew.
const maxNeeds = 256

// needsCache remembers needs by the query they were read from.
type needsCache struct {
	mu    sync.Mutex
	known atomic.Pointer[map[string]*needs]
}

// of reads a query such as scope=workflows:read&scope=voices:read&deny=403.
func (c *needsCache) of(registry *keypin.Registry, query string) *needs {
	if known := c.known.Load(); known != nil {
		if n, ok := (*known)[query]; ok {
			return n
		}
	}
	n := readNeeds(registry, query)
	if n.err == nil {
		c.remember(query, n)
	}
	return n
}

func (c *needsCache) remember(query string, n *needs) {
	c.mu.Lock()
	defer c.mu.Unlock()
	more := map[string]*needs{}
	if known := c.known.Load(); known != nil {
		if len(*known) >= maxNeeds {
			return
		}
		more = maps.Clone(*known)
	}
	more[query] = n
	c.known.Store(&more)
}

func readNeeds(registry *keypin.Registry, query string) *needs {
	n := &needs{}
	var faults keypin.Faults
	values, err := url.ParseQuery(query)
	if err != nil {
		faults.Add("query", "must be percent-encoded pairs joined by &")
	}
	scopes := make([]keypin.Scope, len(values["scope"]))
	for i, name := range values["scope"] {
		scopes[i] = keypin.Scope(name)
	}
	var unknown []int
	n.scopes, unknown = registry.Normalize(scopes)
	for _, i := range unknown {
		faults.Add(fmt.Sprintf("query.scope[%d]", i), "must be a scope of this service")
	}
	if deny, ok := values["deny"]; ok {
		n.deny403 = true
		if !slices.Equal(deny, []string{"403"}) {
			faults.Add("query.deny", "must be 403, or be left out")
		}
	}
	delete(values, "scope")
	delete(values, "deny")
	if len(values) > 0 {
		faults.Add("query", "has a parameter that is not known; known are scope, deny")
	}
	n.err = faults.Err()
	return n
}
