package client_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"time"

	"github.com/keypin/keypin/client"
)

// pretend answers as a service would, so that the examples run without one.
func pretend() *http.Client {
	mux := http.NewServeMux()
	for pattern, answer := range map[string]string{
		"POST /api/v1/api-keys": `{"data": {"id": "3fa85f64-5717-4562-b3fc-2c963f66afa6", "name": "Nightly export", "preview": "op_live-xxxxxx-09BlC0",
			"api_key": "op_live_0000000000000000000000000009BlC0"}}`,
		"POST /api/v1/api-keys/verify": `{"data": {"valid": true, "code": "valid", "rate_limit": {"limit": 100, "remaining": 99, "reset_at": "2026-04-25T12:01:00Z"},
			"api_key": {"id": "3fa85f64-5717-4562-b3fc-2c963f66afa6", "name": "Nightly export", "scopes": ["workflows:read"]}}, "meta": {"timestamp": "2026-04-25T12:00:00Z"}}`,
		"GET /api/v1/api-keys": `{"data": [{"name": "Nightly export", "preview": "op_live-xxxxxx-09BlC0"}, {"name": "Dashboard", "preview": "op_read-xxxxxx-a81Fz2"}],
			"pagination": {"next": null, "prev": null, "limit": 100, "total": 2}}`,
		"PATCH /api/v1/api-keys/{id}": `{"data": {"name": "Nightly export", "active": false, "expires_at": null}}`,
		"PATCH /api/v1/api-keys/{id}/rotate": `{"data": {"old_key": {"preview": "op_live-xxxxxx-09BlC0", "expires_at": "2026-04-25T13:00:00Z"},
			"new_key": {"preview": "op_live-xxxxxx-2Pylo5", "api_key": "op_live_zZ9aB8cC7dD6eE5fF4gG3hH2iI2Pylo5"}}}`,
		"GET /api/v1/api-keys/{id}/usage": `{"data": {"granularity": "hour", "totals": {"valid": 1204, "rate_limited": 76}, "points": [],
			"last_used": {"at": "2026-04-25T11:59:58Z", "ip": "203.0.113.7", "user_agent": "exporter/1.4"}}}`,
	} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte(answer)) })
	}
	mux.HandleFunc("POST /api/v1/workspaces", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Request-Id", "req_123e4567-e89b-12d3-a456-426614174000")
		w.WriteHeader(http.StatusUnprocessableEntity)
		_, _ = w.Write([]byte(`{"error": {"code": "validation_error", "message": "The request is not valid.",
			"details": [{"field": "body.name", "message": "must be 1 to 200 characters after trimming, without control characters"}]}}`))
	})
	return &http.Client{Transport: direct{mux}}
}

// direct hands requests to a handler, without a network.
type direct struct{ http.Handler }

func (d direct) RoundTrip(r *http.Request) (*http.Response, error) {
	answer := httptest.NewRecorder()
	d.ServeHTTP(answer, r)
	return answer.Result(), nil
}

const keyID = "3fa85f64-5717-4562-b3fc-2c963f66afa6"

func connect() *client.Client {
	keypin, err := client.New("https://keys.example.com", client.WithToken("a-session-token-or-an-api-key"), client.WithHTTPClient(pretend()))
	if err != nil {
		log.Fatal(err)
	}
	return keypin
}

// Make a key, and hand its plaintext over: it cannot be had again.
func Example() {
	ctx := context.Background()
	keypin, err := client.New("https://keys.example.com",
		client.WithToken("a-session-token-or-an-api-key"),
		client.WithHTTPClient(pretend())) // leave this out: it pretends to be the service
	if err != nil {
		log.Fatal(err)
	}
	made, err := keypin.Keys.Create(ctx, client.CreateKeyParams{
		Name:            "Nightly export",
		Scopes:          []string{"workflows:read"},
		RateLimitPerMin: new(100),
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(made.Name, made.Secret)
	fmt.Println(made.Secret.Reveal())
	// Output:
	// Nightly export [secret]
	// op_live_0000000000000000000000000009BlC0
}

// Ask whether a key is good for what its owner wants to do.
func ExampleKeyService_Verify() {
	keypin := connect()

	verdict, err := keypin.Keys.Verify(context.Background(), client.VerifyParams{
		Key:      client.NewSecret("op_live_0000000000000000000000000009BlC0"),
		Scopes:   []string{"workflows:read"},
		ClientIP: netip.MustParseAddr("203.0.113.7"),
	})
	switch {
	case err != nil:
		log.Fatal(err) // nothing is known of the key: refuse, such as with a 503
	case verdict.Valid:
		fmt.Printf("%s may; %d of %d left\n", verdict.APIKey.Name, verdict.RateLimit.Remaining, verdict.RateLimit.Limit)
	case verdict.Code == client.OutcomeRateLimited:
		fmt.Println("not before", verdict.RateLimit.ResetAt)
	default:
		fmt.Println("no:", verdict.Code)
	}
	// Output: Nightly export may; 99 of 100 left
}

// Go through all keys; the pages are fetched on the way.
func ExampleKeyService_List() {
	keypin := connect()

	for key, err := range keypin.Keys.List(context.Background(), client.ListKeysParams{Sort: client.SortName}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(key.Name, key.Preview)
	}
	// Output:
	// Nightly export op_live-xxxxxx-09BlC0
	// Dashboard op_read-xxxxxx-a81Fz2
}

// Suspend a key and take its expiry away. What is not named stays as it is.
func ExampleKeyService_Update() {
	keypin := connect()

	key, err := keypin.Keys.Update(context.Background(), keyID, client.UpdateKeyParams{
		Active:    client.Set(false),
		ExpiresAt: client.Clear[time.Time](),
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(key.Name, "active:", key.Active, "expires:", key.ExpiresAt != nil)
	// Output: Nightly export active: false expires: false
}

// Replace a key, and let the old secret work for another hour.
func ExampleKeyService_Rotate() {
	keypin := connect()

	rotation, err := keypin.Keys.Rotate(context.Background(), keyID, client.RotateKeyParams{Grace: time.Hour})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(rotation.OldKey.Preview, "until", rotation.OldKey.ExpiresAt.Format(time.TimeOnly))
	fmt.Println(rotation.NewKey.Preview, "from now on")
	// Output:
	// op_live-xxxxxx-09BlC0 until 13:00:00
	// op_live-xxxxxx-2Pylo5 from now on
}

// See how a key is used.
func ExampleKeyService_Usage() {
	keypin := connect()

	usage, err := keypin.Keys.Usage(context.Background(), keyID, client.UsageParams{Granularity: client.ByHour})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(usage.Totals[client.OutcomeValid], "let through,", usage.Totals[client.OutcomeRateLimited], "over the limit")
	fmt.Println("last from", usage.LastUsed.IP, "by", usage.LastUsed.UserAgent)
	// Output:
	// 1204 let through, 76 over the limit
	// last from 203.0.113.7 by exporter/1.4
}

// Tell what went wrong: errors.Is knows the kind, and the Error the rest.
func ExampleError() {
	keypin := connect()

	_, err := keypin.Workspaces.Create(context.Background(), client.CreateWorkspaceParams{})
	if errors.Is(err, client.ErrValidation) {
		e, _ := errors.AsType[*client.Error](err)
		for _, d := range e.Details {
			fmt.Println(d.Field, d.Message)
		}
		fmt.Println("when asking for help, name", e.RequestID)
	}
	// Output:
	// body.name must be 1 to 200 characters after trimming, without control characters
	// when asking for help, name req_123e4567-e89b-12d3-a456-426614174000
}

// Take away everything that a list holds: collect it before the first is gone.
func ExampleCollect() {
	keypin := connect()

	keys, err := client.Collect(keypin.Keys.List(context.Background(), client.ListKeysParams{}))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(keys), "keys")
	// Output: 2 keys
}
