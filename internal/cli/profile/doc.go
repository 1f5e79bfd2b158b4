// Package profile knows which service to call and as whom: from flags, the environment,
// the file credentials.toml in the user's configuration folder, and last what OnePin's
// own command left behind.
//
// Invariants: the file is read only if nobody else may, and is replaced as a whole or
// not at all. A credential that is stored with an address is sent to that address only.
// No error holds any of the file's text, for that may be a credential.
package profile
