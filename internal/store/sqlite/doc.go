// Package sqlite is the embedded keypin.Store: one SQLite file in WAL mode, one
// connection that writes and a pool of connections that only read. Changes that
// arrive while another commit is under way are committed together, with one fsync.
//
// Invariants. A change that was acknowledged is on the disk (synchronous=FULL). Each
// change of a group runs within its own savepoint: when it fails, it alone is undone.
// Nothing outside a savepoint is ever written. A page of keys and its total are read
// from one snapshot. Dead is what is deleted: reading a key by its hash looks at its
// workspace too, so deleting a workspace changes one row however many keys it has.
//
// Failure. When a COMMIT fails, or the engine gives the transaction up (disk full,
// I/O error), every change of the group is answered with CodeUnavailable and none is
// kept. When another process holds the write lock for longer than five seconds, the
// changes that wait for it are answered so too. A caller that gives up waiting before
// its change began leaves no trace; once it began, the caller is told the outcome.
//
// Migrations only go forward. Code of version N runs before and after migration N+1,
// so that a process may still be running while the next one migrates: a migration
// adds what the old code can ignore, and what it removes is a version unused. A
// process does not start on a schema that is newer than it knows, though: it could
// not tell by how much.
package sqlite
