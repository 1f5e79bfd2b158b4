package httpapi

import (
	"context"
	"io"
	"log/slog"
	"net/netip"
	"time"

	"github.com/keypin/keypin/internal/admin"
	"github.com/keypin/keypin/internal/keypin"
	"github.com/keypin/keypin/internal/verify"
)

// SessionVerifier turns a session token into who it speaks for.
type SessionVerifier interface {
	// Verify checks the token. CodeUnauthorized, CodeUnavailable.
	Verify(ctx context.Context, token string) (*keypin.Identity, error)
}

// Observer counts what was answered. Its labels are bounded: route is a pattern,
// never a path.
type Observer interface {
	ObserveRequest(route, method string, status int, took time.Duration)
	// Door gives what counts the checks that are answered at one door, by outcome or
	// error code. It is asked once for each door.
	Door(name string) func(code string, took time.Duration)
}

// Options are what New joins together. Every field without a default is needed.
type Options struct {
	Admin    *admin.Service
	Keys     *verify.Service
	Sessions SessionVerifier
	Registry *keypin.Registry
	Clock    keypin.Clock
	Random   io.Reader
	Logger   *slog.Logger
	Observer Observer

	// Ready answers nil while the service can work. It is asked by /ready.
	Ready func(ctx context.Context) error
	// JWKS is served at /.well-known/jwks.json; nil = no local issuer, no such page.
	JWKS []byte
	// Epoch names this process's stream of changes, for caches at the edge.
	Epoch string
	// Version is what the probes tell.
	Version string
	// PublicURL is the base of absolute URLs, without a slash at its end; "" = the
	// scheme and host that the request came to.
	PublicURL string
	// TrustedProxies are the peers whose forwarding headers are believed.
	TrustedProxies []netip.Prefix
	// AllowedOrigins are the origins whose pages may call the API; none = CORS off.
	AllowedOrigins []string
	// MinSDKVersion refuses older SDKs with 426; "" = none.
	MinSDKVersion string
}
