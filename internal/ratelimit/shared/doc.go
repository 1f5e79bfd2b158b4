// Package shared keeps the strict limit over many nodes, with Redis.
package shared
