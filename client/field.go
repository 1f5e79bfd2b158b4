package client

import (
	"encoding/json"
	"reflect"
)

// Field is a field of an update, which tells three things apart: the zero Field leaves
// what is there as it is, [Set] replaces it, and [Clear] takes it away.
//
//	client.UpdateKeyParams{Name: client.Set("Nightly export"), ExpiresAt: client.Clear[time.Time]()}
type Field[T any] struct {
	value T
	state fieldState
}

type fieldState int

const (
	fieldAbsent fieldState = iota
	fieldSet
	fieldCleared
)

// Set is a field that replaces what is there. An empty list replaces it too.
func Set[T any](value T) Field[T] { return Field[T]{value: value, state: fieldSet} }

// Clear is a field that takes away what is there. Where a field cannot be taken away,
// such as a name, the call is refused.
func Clear[T any]() Field[T] { return Field[T]{state: fieldCleared} }

// Get is the value, and whether there is one.
func (f Field[T]) Get() (value T, ok bool) { return f.value, f.state == fieldSet }

// IsZero reports whether the field leaves what is there as it is.
func (f Field[T]) IsZero() bool { return f.state == fieldAbsent }

// MarshalJSON writes the value or null. A nil list or map is an empty one: on the wire
// null would leave some fields as they are.
func (f Field[T]) MarshalJSON() ([]byte, error) {
	if f.state != fieldSet {
		return []byte("null"), nil
	}
	switch v := reflect.ValueOf(f.value); v.Kind() { //nolint:exhaustive // only these two have a nil that stands for empty
	case reflect.Slice:
		if v.IsNil() {
			return []byte("[]"), nil
		}
	case reflect.Map:
		if v.IsNil() {
			return []byte("{}"), nil
		}
	}
	return json.Marshal(f.value)
}

func (f Field[T]) cleared() bool { return f.state == fieldCleared }
