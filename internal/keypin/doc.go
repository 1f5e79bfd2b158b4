// Package keypin is the domain: API keys, the workspaces that own them, who may
// do what to them, and the ports through which the rest of the service reaches
// storage, time and randomness. It imports the standard library only.
//
// Rules live here as pure functions, so that every door (HTTP, command line,
// dashboard) applies the same ones; the adapters behind the ports decide nothing.
package keypin
