// Package shared keeps the strict limit over many nodes: in every window of 60 s at most
// so many admissions of a chain of keys, counted by one script in Redis. Limiter asks it,
// or spends what this node has leased, and does what the operator chose while Redis cannot
// tell what was admitted.
//
// # Why the limit is not exceeded while Redis answers
//
// The instant of an admission is any between the coming of its request and its answer. So
// the limit holds when instants can be chosen such that no window of 60 s has more of them
// than the limit.
//
//  1. window.lua is ratelimit.Window: units count from when they are given until 60 s after
//     they may last be spent, or longer, never shorter. Redis runs one script at a time and
//     all of it, by one clock, its own, which never goes back for a chain.
//  2. A request that Redis itself admits: its instant is that of the script, which lies
//     between the call and its answer.
//  3. A lease: units given for hold, all counted until 60 s after hold. The node counts the
//     hold from before it sent the call, hence it ends no later here than there. It serves
//     requests that came before that end. The instant of such an admission is when its
//     request came, or that of the script if that was later: never after the hold.
//     Both clocks of the node are looked at, since the one that measures stands still
//     while a machine sleeps.
//  4. What is left of a lease when another call is made is given back with that call: the
//     node forgets it before it sends the call, so that it is spent or given back but
//     never both. The script finds the entry by when it began and by its epoch, and takes
//     away no more than the entry has. A call that is lost gives back nothing: the units lapse.
//  5. A call whose answer is lost, or that ran although nobody waited for it, counts units
//     that nobody spends: too few are admitted, never too many. No call is made twice.
//
// Steps 1 to 5 need that Redis forgets nothing and that its clock does not gain.
//
//  6. An epoch stands beside the windows, in the same slot of a Cluster: an id, the server's
//     run id, and when it began. Redis' memory is of one run of one server. A server that
//     was restarted (even with its append-only file, which may lack the last second), was
//     emptied, or was promoted has no epoch or one of another run; the script begins a
//     new one before it counts anything.
//  7. Whatever was admitted before is out of every window 61 s after the new epoch began:
//     60 s, and 1 s (keypin.MaxHold) for what was still to be spent. Until then, every node
//     doubts the bucket: it knows the epoch's age from every answer. A node also doubts for
//     61 s after the id has changed, however old the new epoch is: it may have been
//     admitted by the old server until now.
//  8. A clock of Redis that gains 100 ms and 1 part in 1000 on the node's, between two
//     answers, counts as such a loss. One that was set back makes what is counted count
//     from then, which is too long.
//  9. Not noticed: single keys that are deleted or evicted (Open refuses a server that
//     evicts); a primary that others have replaced but that still answers some nodes: set
//     min-replicas-to-write 1 and min-replicas-max-lag 10 with Sentinel, so that it stops
//     taking writes; in a Cluster cluster-node-timeout, 15 s by default, does that.
//
// # What holds without Redis
//
// A node is without Redis from the first call that fails, for everybody at once, until
// another one, every 250 ms, is answered. Then, and while it doubts:
//
//   - Deny: keys that have a limit are answered CodeUnavailable. The limit is never
//     exceeded. After a loss that lasts for 61 s, at the very first start too: an empty
//     Redis does not tell whether it was always empty.
//   - Local: each node admits at most limit ÷ nodes, rounded down; where Redis answers,
//     it must admit as well, so that the return is no fresh window. In the first minute after the
//     loss at most twice the limit; then the limit, while the number of nodes is right.
//     Nodes that alone are cut off from Redis add their shares to the limit that the
//     others keep: less than twice. A key whose limit is lower than the number of nodes has
//     no share: it is answered CodeUnavailable while Redis does not answer, and Redis
//     alone decides while it is doubted, which is within the same bounds.
//   - Allow: everything is admitted while Redis does not answer. When it does it decides at
//     once: at most the limit in any window that begins then, once more for every loss.
//
// # What a steady client gets
//
// A client that calls at its limit is admitted at least 99 % of the time, over all nodes.
// It loses what counts for too long: leaseHold, at most 0.25 % of a window, and above 256 a
// minute the merging of entries, at most 0.4 %. Units left over are given back.
// A refusal is remembered for at most refusalHold, as another node may give back units.
// One that comes a moment before its turn, as a client does whose calls come by several
// nodes, is asked for twice: package verify waits in between.
//
// # Cost
//
// A chain that is asked about now and then costs a call for each request. One that is
// asked about often at a node costs about ten a second, and at most ten a second while
// it is refused. Requests that come while a call is under way wait for it and ask together.
// The script takes Redis 7.0 10 to 14 µs, of which INFO, for the run id, is about 4.
package shared
