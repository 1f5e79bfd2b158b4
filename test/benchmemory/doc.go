// Command benchmemory measures how much memory the program needs when a million keys
// are all in use, and how long it takes to start when its database holds ten million.
// It writes both into docs/benchmarks.md. Run it in the project's folder:
//
//	go run ./test/benchmemory
//
// Memory is what the system counts as the process's own (VmRSS), after every key was
// verified over HTTP several times. The keys are made again as they are presented, so
// no list of them takes part.
package main
