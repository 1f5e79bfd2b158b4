// Package node is this process among those that share a PostgreSQL database: it
// registers, hears of the changes that the others make, and knows how far it has heard.
//
// # What is promised
//
// AsOf gives an instant before which every change was answered that the Follower was not
// told of. A cache that judges by what it remembers only while that is less than a
// second ago accepts no key on a state that was changed, and the change answered, more
// than a second before the request came.
//
// # Why it holds
//
//  1. A change and its notification are one transaction (package postgres), so that what
//     is answered was notified.
//  2. COMMIT puts the notification into the server's queue and signals the processes
//     that listen (PreCommit_Notify, SignalBackends in async.c) before it returns.
//  3. A process that was signalled sends what is in the queue before it says that it is
//     ready for the next query: PostgresMain processes notifications that are
//     pending before it goes idle (ProcessNotifyInterrupt, then ReadyForQuery). This is a
//     paraphrase. A signal that was sent is taken before the process goes on.
//  4. So when a ping that began after a COMMIT had returned comes back on the listening
//     connection, the notification was read from that connection before. It was told to
//     the Follower as it was read, and only then AsOf moves, to when the ping began.
//  5. A new connection knows nothing of what was notified before. It listens, then
//     empties the Follower, and only then pings. What is looked up after the LISTEN is
//     told of, what was looked up before is forgotten.
//
// The ping is a commit of the node's own row, not a mere query: a hot standby refuses
// it, and a primary that is cut off from its synchronous standbys cannot finish it, while
// both would still answer reads. Numbers of a sequence are not used: they commit out of
// order. No replica fills the cache.
//
// # When things fail
//
// A process that stood still (SIGSTOP, a long collection) finds its last ping too long
// ago and asks the database; so does a machine that slept, since elapsed time is the
// larger of what the steady clock and the clock on the wall say. A connection that is
// lost, half open or slow lets no ping succeed within 800 ms, and is made anew, at most a
// quarter of a second apart. While nothing is proven, checks ask the database, which has
// to prove itself by a commit (postgres.Proven).
//
// Not covered yet: this connection may lead to the new primary while one of the store's
// pool is made to the old one, by a URL of several hosts or a name that resolves to both.
// The node is fresh then, and what the pool reads is old. Fence the old primary.
//
// Not covered: a failover to a standby that had not received every commit loses changes
// that were answered, whatever is cached; use synchronous replication where that must not
// be. A hypervisor that stops a guest with both of its clocks goes unnoticed for at most
// a second of the guest's time after it goes on.
package node
