// Command chaos runs three nodes on one PostgreSQL and one Redis under load, breaks what
// is between them and their engines, the engines and the nodes themselves, and lets
// package check judge the log of every answer. See README.md.
//
//	make chaos
package main
