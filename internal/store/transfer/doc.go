// Package transfer makes the rows of one store equal to another's, whatever their
// engines. It walks through both in the order of their keys and writes only what differs.
// So a copy that was broken off goes on where it stopped, a second one brings only what
// has changed since the first, and one that finds nothing to write has compared every row.
//
// What is kept is described once, in Tables; each engine reads and writes rows of these
// kinds of values. What an engine derives from them (counts, indexes) it makes itself.
package transfer
