// Command cluster runs PostgreSQL, Redis, three nodes of bin/keypin and nginx in front
// of them on this machine, says where they are and what to try, and stops and removes
// all of it on Ctrl-C.
//
//	make cluster
package main
