// Package doors runs one list of cases, cases.yaml, through every door that a customer may
// take: plain HTTP, the Go client, the command line, and the Python SDK, sync and async.
// The service is the built program. A case that is added once runs at each of them.
//
// A case names calls as the OpenAPI document does, with the values of their path, query
// and body. What comes back is compared as the API has it: a door may leave null fields
// out, and lists are followed to their last page.
package doors
