package client

import "fmt"

const maskedSecret = "[secret]"

// Secret holds a key or a token that must not be printed, logged or marshalled by
// accident: every formatting verb, encoder and logger sees "[secret]". [Secret.Reveal]
// is the one way to the value, so a search for it finds every place that needs it.
// Secrets cannot be compared with ==.
type Secret struct {
	_ [0]func()
	// A pointer: fmt prints the unexported fields of somebody's struct without asking
	// Format, and follows no pointer in them.
	value *string
}

// NewSecret wraps s.
func NewSecret(s string) Secret {
	if s == "" {
		return Secret{}
	}
	return Secret{value: &s}
}

// Reveal gives the value away.
func (s Secret) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// IsZero reports whether there is nothing to hide.
func (s Secret) IsZero() bool { return s.value == nil }

// Format prints the mask whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(maskedSecret)) }

// String prints the mask.
func (s Secret) String() string { return maskedSecret }

// MarshalText hides the value from JSON, YAML, slog and the like.
func (s Secret) MarshalText() ([]byte, error) { return []byte(maskedSecret), nil }

// UnmarshalText reads the value, so that an answer can be decoded into a Secret.
func (s *Secret) UnmarshalText(b []byte) error {
	*s = NewSecret(string(b))
	return nil
}
