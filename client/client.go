package client

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"time"
)

// Version is the version of this package, sent in User-Agent.
const Version = "0.1.0"

const (
	defaultMaxRetries = 2
	defaultTimeout    = 30 * time.Second // longer than the service works for one request
	idleConnections   = 64               // kept to the one host that there is
)

// Client calls one service. Make it with [New].
type Client struct {
	// Keys are the API keys: made, changed, revoked, rotated, verified.
	Keys KeyService
	// Workspaces own keys.
	Workspaces WorkspaceService
	// Members are who belongs to a workspace.
	Members MemberService
	// Invites make members.
	Invites InviteService

	base       string // without a slash at its end
	http       *http.Client
	token      func(context.Context) (string, error) // nil = none
	workspace  string
	userAgent  string
	maxRetries int
	timeout    time.Duration // of one request

	now    func() time.Time
	random io.Reader
}

// Option changes what [New] makes.
type Option func(*Client) error

// WithToken sends the token with every call: a session token or an API key.
func WithToken(token string) Option {
	return func(c *Client) error {
		if err := checkToken(token); err != nil {
			return fmt.Errorf("WithToken: %w", err)
		}
		secret := NewSecret(token)
		c.token = func(context.Context) (string, error) { return secret.Reveal(), nil }
		return nil
	}
}

// WithTokenSource asks source for the token before every request, a repeat too, so that
// a session token can be a fresh one. Source is called by many goroutines at once and
// should keep what it got.
func WithTokenSource(source func(ctx context.Context) (string, error)) Option {
	return func(c *Client) error {
		if source == nil {
			return errors.New("WithTokenSource: must not be nil")
		}
		c.token = source
		return nil
	}
}

func checkToken(token string) error {
	if token == "" {
		return errors.New("the token is empty")
	}
	if strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return errors.New("the token has a space, a control character or the like; was it read with the end of its line?")
	}
	return nil
}

// WithWorkspace names the workspace to act in, where a call does not name one. Without
// it: a key's own; for a session the one of its organisation, else the user's own.
func WithWorkspace(id string) Option {
	return func(c *Client) error {
		if !isUUID(id) {
			return errors.New("WithWorkspace: must be a UUID")
		}
		c.workspace = id
		return nil
	}
}

// WithHTTPClient sends through h, whose transport, timeout and cookie jar are used.
// Redirects are not followed, whatever h says: they would take the token elsewhere.
func WithHTTPClient(h *http.Client) Option {
	return func(c *Client) error {
		if h == nil {
			return errors.New("WithHTTPClient: must not be nil")
		}
		own := *h
		c.http = &own
		return nil
	}
}

// WithMaxRetries sets how often a failed call is repeated; 0 = never, default 2.
func WithMaxRetries(n int) Option {
	return func(c *Client) error {
		if n < 0 {
			return errors.New("WithMaxRetries: must be 0 or more")
		}
		c.maxRetries = n
		return nil
	}
}

// WithTimeout bounds each request, from its start to the end of its answer; default
// 30 s. The context bounds the whole call, with its repeats.
func WithTimeout(d time.Duration) Option {
	return func(c *Client) error {
		if d <= 0 {
			return errors.New("WithTimeout: must be more than 0")
		}
		c.timeout = d
		return nil
	}
}

// WithUserAgent puts the name of your program before this package's in User-Agent, such
// as "exporter/1.4".
func WithUserAgent(name string) Option {
	return func(c *Client) error {
		if name == "" || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r > '~' }) {
			return errors.New("WithUserAgent: must be printable ASCII")
		}
		c.userAgent = name + " " + c.userAgent
		return nil
	}
}

// New makes a client of the service at baseURL, such as https://keys.example.com. It
// sends nothing.
func New(baseURL string, options ...Option) (*Client, error) {
	base, err := parseBase(baseURL)
	if err != nil {
		return nil, fmt.Errorf("keypin: the base URL %w", err)
	}
	c := &Client{
		base:       base,
		userAgent:  "keypin-go/" + Version + " " + strings.ReplaceAll(runtime.Version(), " ", "-"),
		maxRetries: defaultMaxRetries,
		timeout:    defaultTimeout,
		now:        time.Now,
		random:     rand.Reader,
	}
	for _, option := range options {
		if err := option(c); err != nil {
			return nil, fmt.Errorf("keypin: %w", err)
		}
	}
	if c.http == nil {
		c.http = &http.Client{Transport: ownTransport()}
	}
	c.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	c.Keys, c.Workspaces, c.Members, c.Invites = KeyService{c}, WorkspaceService{c}, MemberService{c}, InviteService{c}
	return c, nil
}

// parseBase checks the base URL. Its errors do not repeat it, for it may hold a password.
func parseBase(s string) (string, error) {
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return "", errors.New("is not a URL")
	case u.Scheme != "http" && u.Scheme != "https":
		return "", errors.New("must begin with https:// or http://")
	case u.Hostname() == "":
		return "", errors.New("must name a host")
	case u.User != nil:
		return "", errors.New("must not hold a user or password; use WithToken")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return "", errors.New("must not have a query or a fragment")
	case strings.HasSuffix(strings.TrimRight(u.Path, "/"), "/api/v1"):
		return "", errors.New("must be without /api/v1, which the calls add")
	}
	return strings.TrimRight(u.String(), "/"), nil
}

// ownTransport is net/http's default one, keeping more connections: it would open and
// close one for most verifications of a busy service.
func ownTransport() http.RoundTripper {
	t, ok := http.DefaultTransport.(*http.Transport)
	if !ok { // somebody put their own there, and means it to be used
		return http.DefaultTransport
	}
	t = t.Clone()
	t.MaxIdleConns, t.MaxIdleConnsPerHost = idleConnections, idleConnections
	return t
}

func isUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		switch i {
		case 8, 13, 18, 23:
			if c != '-' {
				return false
			}
		default:
			if (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'f') {
				return false
			}
		}
	}
	return true
}
