// Package storetest says what every keypin.Store must do, as tests that run against
// any implementation on its real engine: Exercise for each method by itself and for
// transactions, Isolation for what one workspace must not see of another.
//
// The tests share nothing: each opens a store of its own. They assume of the engine
// only what keypin.Store promises, so a failure is a broken promise.
package storetest
