// Package dbtrace makes spans of what the service asks of PostgreSQL and of Redis, where
// a request is traced.
//
// A span has the statement's name as sqlc knows it, or the command's, and the code of an
// error. Statements, their arguments, keys, values and the texts of errors hold what
// callers sent, so no span holds them.
package dbtrace
