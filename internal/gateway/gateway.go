package gateway

import (
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"github.com/keypin/keypin/internal/keypin"
	"github.com/keypin/keypin/internal/verify"
)

// Wire is how errors and limits look in an answer; the API's own.
type Wire interface {
	// Identify gives an answer its request id, and what every answer carries.
	Identify(w http.ResponseWriter, r *http.Request) string
	// Problem answers an error.
	Problem(w http.ResponseWriter, r *http.Request, err error)
	// SetRateLimit sets the headers that tell a key's caller about its limit.
	SetRateLimit(h http.Header, rl *keypin.RateLimit, now time.Time)
}

// Options are what New joins together. Every field is needed but TrustedProxies.
type Options struct {
	Keys     *verify.Service
	Feed     *verify.Feed
	Registry *keypin.Registry
	Wire     Wire
	Clock    keypin.Clock
	// Door gives what counts the checks that are answered at one door.
	Door func(name string) func(code string, took time.Duration)
	// Stopping is closed when the service begins to shut down; streams end then.
	Stopping <-chan struct{}
	// TrustedProxies are the peers whose forwarding headers are believed.
	TrustedProxies []netip.Prefix
}

// Gateway answers the data listener's doors. It is safe for concurrent use.
type Gateway struct {
	Options
	needs         needsCache
	forwardAuthed func(code string, took time.Duration)
	extAuthzed    func(code string, took time.Duration)
}

// New makes a Gateway.
func New(o Options) *Gateway {
	return &Gateway{Options: o, forwardAuthed: o.Door("forward_auth"), extAuthzed: o.Door("ext_authz")}
}

// ForwardAuthPath is where ForwardAuth is served.
const ForwardAuthPath = "/forward-auth"

// staleSeconds is the value of X-Keypin-Stale, at least 1.
func staleSeconds(o *verify.Outcome) string {
	return strconv.FormatInt(int64((o.Stale+time.Second-1)/time.Second), 10)
}
