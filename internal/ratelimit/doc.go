// Package ratelimit keeps the strict limit: in every window of 60 s at most so many
// admissions. Window is the rule, a pure function of its state and the time; Memory
// applies it to every chain of keys on one node.
//
// Invariants:
//   - The limit holds for every window (t-60 s, t], wherever it is laid, not only for
//     calendar minutes; an admission at t is out of it at exactly t+60 s, so that a
//     client at limit 1 that calls every 60.000 s is always admitted.
//   - A client that calls steadily at its limit is admitted at least 99 % of the time.
//     Up to exactLimit every admission is remembered. Above, those within 1/256 of a
//     window are remembered as one, and leave together with the last of them: too much
//     is counted for at most 0.4 % of a window, never too little.
//   - A cost is admitted wholly or not at all, and a refusal changes nothing.
//   - Time never runs backwards: an earlier time than the latest seen counts as that.
//
// What happens on failure: Memory has nothing that can fail. A restart forgets every
// admission, so in the 60 s around it a key can be admitted up to twice its limit.
package ratelimit
