// Package client calls Keypin from Go:
//
//	keypin, err := client.New("https://keys.example.com", client.WithToken(os.Getenv("KEYPIN_TOKEN")))
//	if err != nil {
//		return err
//	}
//	made, err := keypin.Keys.Create(ctx, client.CreateKeyParams{Name: "Nightly export", Scopes: []string{"workflows:read"}})
//	if err != nil {
//		return err
//	}
//	fmt.Println(made.Secret.Reveal()) // shown once; everywhere else a Secret prints as [secret]
//
//	verdict, err := keypin.Keys.Verify(ctx, client.VerifyParams{Key: presented, Scopes: []string{"workflows:read"}})
//
// A [Client] is safe for use by many goroutines; make one and keep it. Its calls stand in
// groups: [KeyService], [WorkspaceService], [MemberService], [InviteService], and a few
// of the client itself, such as [Client.WhoAmI].
//
// To check keys in your own process, without asking each time, put a [Guard] in front of
// your handlers.
//
// # Errors
//
// Whatever goes wrong once a call is made is an [*Error]: the service's own, with its
// code and the fields at fault, or one that says that no answer came. [errors.Is] tells
// the kinds apart, such as [ErrNotFound] and [ErrUnavailable]. No error's text holds a
// token, a key or an invite's token.
//
// # Repeats
//
// A call that fails by a broken connection or by 408, 429, 500, 502, 503 or 504 is
// repeated, twice by default ([WithMaxRetries]), after a random and growing wait, or
// after what Retry-After says. It returns the failure instead when that would be more
// than 30 s or later than the context's deadline.
//
// A repeat never does a thing twice. What makes something (keys, rotations, workspaces,
// invites) carries one Idempotency-Key for all its requests, so that the service answers
// the second as it did the first. Reads, deletions and updates come to the same when they
// are sent again; of a deletion see [Error.Attempts]. An update with [IfMatch], the
// acceptance of an invite, and a verification that spends more than one admission are
// repeated only when nothing can have come of the first. A verification that spends one
// is repeated like a read: if the first answer was lost, one admission too many has been
// counted, never one too few. Probes are not repeated.
//
// # Traces
//
// Calls are part of your trace when the HTTP client that [WithHTTPClient] is given
// carries it on; see the example there. This package itself imports no tracing.
//
// # Lists
//
// Lists are iterators that fetch their pages as they go:
//
//	for key, err := range keypin.Keys.List(ctx, client.ListKeysParams{Status: client.KeysAll}) {
//		if err != nil {
//			return err
//		}
//		fmt.Println(key.Name, key.Preview)
//	}
//
// Pages are cut by position, so who revokes keys in such a loop moves those that follow,
// and passes over some. [Collect] the list first.
package client
