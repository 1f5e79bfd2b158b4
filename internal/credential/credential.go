// Package credential reads what a request presents, as RFC 6750 section 2.1 has it.
// Its errors are CodeUnauthorized and never repeat what was sent.
package credential

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net/http"
	"strings"

	"github.com/keypin/keypin/internal/keypin"
)

const errNotValid = "The credentials are not valid."

// Bearer reads the one Authorization header.
func Bearer(h http.Header) (keypin.Secret, error) {
	values := h["Authorization"]
	if len(values) > 1 {
		return keypin.Secret{}, refused("more than one Authorization header")
	}
	if len(values) == 0 || !IsBearer(values[0]) { // another scheme is as good as none: section 3.1
		return keypin.Secret{}, &keypin.Error{Code: keypin.CodeUnauthorized, NoCredentials: true,
			Message: "Send a session token or an API key as Authorization: Bearer <token>."}
	}
	_, credential, _ := strings.Cut(values[0], " ")
	return read(strings.TrimLeft(credential, " "))
}

// IsBearer reports whether the value of an Authorization header is of that scheme.
func IsBearer(value string) bool {
	scheme, _, _ := strings.Cut(value, " ")
	return strings.EqualFold(scheme, "Bearer")
}

// APIKey reads an API key from Authorization: Bearer or from X-API-Key. When both are
// there they must agree: else who reads the other one behind us would see another key.
func APIKey(h http.Header) (keypin.Secret, error) {
	bare := h["X-Api-Key"]
	switch values := h["Authorization"]; {
	case len(bare) == 0 && (len(values) == 0 || len(values) == 1 && !IsBearer(values[0])):
		return keypin.Secret{}, &keypin.Error{Code: keypin.CodeUnauthorized, NoCredentials: true,
			Message: "Send an API key as Authorization: Bearer <key>, or as X-API-Key: <key>."}
	case len(bare) == 0:
		return Bearer(h)
	case len(bare) > 1:
		return keypin.Secret{}, refused("more than one X-API-Key header")
	case len(values) > 1 || len(values) == 1 && IsBearer(values[0]):
		key, err := Bearer(h)
		if err == nil && key.Reveal() != bare[0] {
			return keypin.Secret{}, refused("Authorization and X-API-Key differ")
		}
		return key, err
	}
	return read(bare[0])
}

// read refuses what cannot be a credential.
func read(credential string) (keypin.Secret, error) {
	if credential == "" || strings.ContainsAny(credential, " \t,") {
		return keypin.Secret{}, refused("malformed credentials")
	}
	return keypin.NewSecret(credential), nil
}

func refused(cause string) error {
	return keypin.Wrap(keypin.CodeUnauthorized, errNotValid, errors.New(cause))
}

// Equal compares in a time that tells nothing about either.
func Equal(a, b keypin.Secret) bool {
	x, y := sha256.Sum256([]byte(a.Reveal())), sha256.Sum256([]byte(b.Reveal()))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}
