// Package node makes this process one of several that serve the same PostgreSQL.
package node
