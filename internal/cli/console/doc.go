// Package console holds the commands that call a service: signing in, keys, workspaces,
// members and invites. They work through package client alone, as any other program
// would.
//
// Invariants: what is wrong with a command line is found before anything is sent. A
// question is asked on a terminal only; without one, what cannot be undone needs --yes.
// A new secret is written to one place, once, and no error or note holds one.
package console
