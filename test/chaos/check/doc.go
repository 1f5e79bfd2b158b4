// Package check judges the log of a run of the chaos test: what was asked, of which node,
// when it began and when it was answered, and the faults meanwhile. It knows nothing of
// how the log came about, so that it can be tested with logs that hold a planted fault.
//
// All times are of one clock. A change took effect at an instant between its begin and
// its end, if it was acknowledged; a change whose answer is missing or was 5xx may have
// taken effect at any instant after its begin, or never. Everything is judged in favour
// of the service: what is reported cannot have been right, whichever instants those were.
//
//   - Stale: a check that was accepted (or refused) although no state that the key can
//     have had from 1 s before the check began until it was answered explains it. A check
//     begins when the client sends it, so that one which waited at a stalled node is
//     judged by the time at which it was sent.
//   - Limit: more admissions of a chain of keys than may be, all certainly within 60 s.
//   - Lost: at the end a node does not show what was acknowledged, or was not asked.
//   - Status: a 5xx other than 503 with Retry-After, or a 4xx that nothing explains.
//   - Recovery: a node that is not as before within 5 s of a fault's end, or that fails
//     after that while there is no fault.
package check
