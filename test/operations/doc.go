// Package operations checks the operator's files: docs/operations/alerts.yml,
// docs/operations/dashboard.json and the tables of docs/telemetry.md. They name metrics
// and labels, and nothing but these tests would notice a name that the service does not
// serve.
package operations
