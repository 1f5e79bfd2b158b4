package keypin

import "fmt"

// Secret holds a string that must not be printed, logged or marshalled by
// accident: every formatting verb, encoder and logger sees "[secret]". Reveal is
// the one way to the value, so a search for it finds every place that needs it.
type Secret struct{ value string }

const maskedSecret = "[secret]"

// NewSecret wraps s.
func NewSecret(s string) Secret { return Secret{value: s} }

// Reveal gives the value away.
func (s Secret) Reveal() string { return s.value }

// IsZero reports whether there is nothing to hide.
func (s Secret) IsZero() bool { return s.value == "" }

// Format prints the mask whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(maskedSecret)) }

// String prints the mask.
func (s Secret) String() string { return maskedSecret }

// MarshalText hides the value from JSON, YAML, slog and the like.
func (s Secret) MarshalText() ([]byte, error) { return []byte(maskedSecret), nil }
