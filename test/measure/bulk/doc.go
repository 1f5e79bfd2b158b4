// Package bulk fills a database with keys much faster than the service would: in large
// transactions that wait for no disk, past the service, which must not run then. The
// rows are what the service itself would store, the schema's checks and triggers
// included. The keys' plaintexts can be made again, so that who measures can present
// every one of a million keys without keeping a list.
package bulk
