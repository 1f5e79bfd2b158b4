// Package config reads the service's settings: built-in defaults, then a YAML
// file, then KEYPIN_ environment variables, then flags, each stronger than the one
// before. It knows every setting by name, and where each value came from.
//
// Invariants: a name that is not a setting is an error, never ignored; every
// problem is reported at once, as the field, what is wrong and what would be
// right; a secret is in no error and no print. Load fails when a value cannot be
// read at all, Validate when what was read makes no sense. Neither opens anything
// but the configuration file.
package config
