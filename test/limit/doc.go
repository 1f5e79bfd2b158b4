// Package limit holds the strict limit to its word through the front door: the whole
// service, over its real listener, for longer than two windows of real time. Package
// app has the same in simulated time.
package limit
