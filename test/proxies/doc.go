// Package proxies tests the examples of the documentation: nginx and Caddy, as Debian
// packages them, run with the very files of docs/examples in front of a small API, and
// ask a whole service who may pass. scripts/install.sh installs both.
//
// Only the addresses in the files are others. A client comes from an address of its own
// in 127.0.0.0/8, so that a proxy has one to tell.
package proxies
