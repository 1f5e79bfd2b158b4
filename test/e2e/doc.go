// Package e2e tests the service through its front door: the whole of it, as app
// builds it, over HTTP, on its real database.
package e2e
