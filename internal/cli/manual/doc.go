// Package manual describes the commands: as help for a person at a terminal, as manual
// pages, and as a manifest for programs. All of it is made of the commands themselves,
// so it cannot say anything else than they do.
package manual
