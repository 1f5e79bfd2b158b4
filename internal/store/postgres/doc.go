// Package postgres is the keypin.Store in a PostgreSQL database that many nodes share.
//
// Changes. Each runs in a SERIALIZABLE transaction. When the engine undoes one because of
// another that ran at the same time (SQLSTATE 40001, 40P01), the change is run again, a
// bounded number of times with a short random pause; nothing else is ever tried again
// here. Uses and counts give the same in whatever order they are added, so that a
// transaction which does nothing else is READ COMMITTED: it locks its rows in one order
// and waits, where nodes that flush at once would make one another fail.
//
// Notifications. The transaction that changes a key, or deletes a workspace, also
// notifies the channel keypin_changes, with `key <hash in hex>` or `workspace <id>`. So
// a change that is committed is told, and one that is not is not. Using a key tells nothing.
//
// Counts. A change of how many keys a workspace has, or how many of them have ended, is
// a row of its own in key_count_changes, and the counts are the sums of the rows. So
// changes in one workspace do not wait for one another. Behind the calls, in transactions
// of their own, rows are folded into their sum, keys that lapsed are judged again, and
// expired answers are removed; lists are right without it (keyquery.go).
//
// Poolers. With Options.Pooled nothing outlives a transaction: statements have no names,
// and settings are local. What is read alone is then bounded by our own clock only.
//
// Invariants. A change that was acknowledged is committed. A page of keys and its total
// are read from one snapshot. Only a server that takes writes is connected to, and a key
// that a replica answered with is not given out.
//
// Failure. When the server cannot be reached, refuses for the moment, or takes longer than
// Options.Timeout for one exchange, the answer is CodeUnavailable. When the connection is
// lost during COMMIT nobody knows the outcome: that is CodeUnavailable too. A caller who goes
// away is noticed between two exchanges, the last time before COMMIT; after that the caller is
// told the outcome.
//
// Migrations only go forward. Code of version N runs before and after migration N+1, so
// that nodes keep serving while the next version migrates: a migration adds what the old
// code can ignore (every query names its columns), makes indexes of large tables
// concurrently, and what it removes is a version unused. A process does not start on a
// schema that is newer than it knows, though: it could not tell by how much.
package postgres
