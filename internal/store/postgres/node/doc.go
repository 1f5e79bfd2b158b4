// Package node is this process among those that share a PostgreSQL database: it
// registers, hears of the changes that the others make, and knows how far it has heard.
//
// # What is promised
//
// AsOf gives an instant such that the Follower was told of every change that was answered
// before it. A cache that judges by what it remembers only while that is less than a
// second ago accepts no key on a state that was changed, and the change answered, more
// than a second before the request came.
//
// # Why a ping proves it
//
//  1. A change and its notification are one transaction (package postgres), so that what
//     is answered was notified.
//  2. PreCommit_Notify (async.c) puts the notification into the server's queue, under a
//     lock that is held "till after commit. This ensures that queue entries appear in
//     commit order, and in particular that there are never uncommitted queue entries
//     ahead of committed ones". So nothing that is committed waits behind what is not.
//  3. The transaction becomes visible. After that AtCommit_Notify calls SignalBackends,
//     which signals each listener of the database "unless they're already caught up". A
//     listener that came to the entry before it was visible stopped there ("The source
//     transaction is still in progress, so we can't process this message yet"), so it is
//     not caught up, and is signalled. Only then does COMMIT return. These words are the
//     same in the versions that number backends (to 16) and those that number processes
//     (from 17); later ones wake fewer listeners of other channels.
//  4. A signal that was sent is handled before its process takes in anything that is sent
//     later: the system call that reads a ping that began after COMMIT returned ends with
//     the handler, which notes that there is something to read (HandleNotifyInterrupt).
//  5. PostgresMain runs the ping, commits it, and calls ProcessNotifyInterrupt if there is
//     something to read, before it says ReadyForQuery. The notifications are ahead of the
//     ping's end in the same stream. The tests ask the real servers for this 10,000 times.
//  6. The session hands a notification to the Follower as it reads it, and the ping is not
//     over before ReadyForQuery. Only then AsOf moves, and to when the ping began: what
//     was answered while it was under way may not have been heard of.
//  7. A new connection knows nothing of what was notified before. It listens, then empties
//     the Follower, then pings. What is looked up after the LISTEN is told of; what was
//     looked up before is forgotten. Until the ping succeeds AsOf stands still.
//
// # Why the ping is a commit
//
// A hot standby refuses the ping. A primary that is cut off from its synchronous standby
// cannot finish it, but would answer a query for ever. A ping that was finished shows that
// the standby was one at some time after the ping began, so that no successor answered a
// change before. When somebody cancels the wait for the standby, the server calls the
// commit done, with a warning of SyncRepWaitForLSN: that ping counts as failed.
//
// For the same reason a server that was read from must be the one that was pinged:
// connections of a pool may lead to the old primary still. Vouches compares the timelines.
// A replica never fills the cache: how far it lags is not known to who reads from it.
//
// Numbers of a sequence, or of transactions, are not used: they are taken in one order and
// committed in another, so to have seen 7 says nothing of 6.
//
// # When things fail
//
//   - A process that stands still (SIGSTOP, a long collection) finds its last ping too long
//     ago. That it read the clock before it stopped does no harm: the request was there.
//   - A machine that slept has a steady clock that stood still, and a clock on the wall
//     that did not. Time elapsed is the larger of the two.
//   - A server that stalls, a connection that is lost, half open or slow: no ping succeeds
//     within 800 ms, and the connection is made anew, at most a quarter of a second after
//     the last attempt, to the next host or address each time.
//   - A failover ends or stalls the pings. The timeline and AsOf move with the first one
//     on the new primary.
//   - A queue that is full (8 GB, when some listener stays within a transaction) makes
//     COMMIT of those who notify fail with "too many notifications in the NOTIFY queue":
//     changes are refused, never answered without being notified. A node reads without a
//     transaction, and one that does not read at all is ended by its own deadline.
//
// Not covered: a failover to a standby that had not received every commit loses changes
// that were answered, whatever is cached, and a primary that was replaced without being
// ended answers pings; use synchronous replication, with a standby of the quorum promoted.
// A hypervisor that stops a guest with both of its clocks goes unnoticed for at most a
// second of the guest's time after it goes on. A clock on the wall that is set back by as
// much as the machine slept, before anything runs, hides the sleep.
//
// The simulation in test/freshness looks for an acceptance past the bound with this
// package's own loop, and shows that it would find one if a step were left out.
package node
