// Package copy tests the move of a deployment from SQLite to PostgreSQL, on the real
// databases and by the command.
package copy
