// Package durability kills the program again and again while it is changing keys,
// and compares what it acknowledged with what is there afterwards: nothing that was
// acknowledged is missing, and nothing is there by half.
//
// What is killed is the process, not the machine. That the disk has what a commit
// promised is the engine's part (synchronous=FULL).
package durability
