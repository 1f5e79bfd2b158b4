package httpapi

import (
	"errors"
	"net/http"
	"strings"

	"github.com/keypin/keypin/internal/keypin"
	"github.com/keypin/keypin/internal/token"
	"github.com/keypin/keypin/internal/verify"
)

const errNotValid = "The credentials are not valid."

// authenticate finds out who calls, and spends one unit of a calling key's limit.
func (a *API) authenticate(x *exchange) error {
	credential, err := bearer(x.request.Header)
	if err != nil {
		return err
	}
	if token.LooksLikeKey(credential) {
		return a.authenticateKey(x, keypin.NewSecret(credential))
	}
	if strings.Count(credential, ".") != 2 {
		return keypin.E(keypin.CodeUnauthorized, errNotValid)
	}
	identity, err := a.Sessions.Verify(x.ctx(), credential)
	if err != nil {
		return err
	}
	x.principal, err = a.Admin.SignIn(x.ctx(), *identity)
	return err
}

func (a *API) authenticateKey(x *exchange, secret keypin.Secret) error {
	outcome, err := a.Keys.Verify(x.ctx(), verify.Request{Secret: secret, ClientIP: x.clientIP, UserAgent: x.request.UserAgent(), Cost: 1})
	if err != nil {
		return err
	}
	setRateLimit(x.header, outcome.RateLimit, x.start)
	if err := outcome.CallerError(); err != nil {
		return err
	}
	key := outcome.Key
	x.principal = &keypin.Principal{Kind: keypin.AuthAPIKey, Key: key}
	if key.CreatedBy != nil {
		x.principal.UserID = *key.CreatedBy
	}
	return nil
}

// bearer reads the one Authorization header, as RFC 6750 section 2.1 has it.
func bearer(h http.Header) (string, error) {
	values := h.Values("Authorization")
	if len(values) > 1 {
		return "", keypin.Wrap(keypin.CodeUnauthorized, errNotValid, errors.New("more than one Authorization header"))
	}
	scheme, credential, _ := strings.Cut(strings.Join(values, ""), " ")
	if !strings.EqualFold(scheme, "Bearer") { // another scheme is as good as none: section 3.1
		return "", &keypin.Error{Code: keypin.CodeUnauthorized, NoCredentials: true,
			Message: "Send a session token or an API key as Authorization: Bearer <token>."}
	}
	credential = strings.TrimLeft(credential, " ")
	if credential == "" || strings.ContainsAny(credential, " \t,") {
		return "", keypin.Wrap(keypin.CodeUnauthorized, errNotValid, errors.New("malformed Authorization header"))
	}
	return credential, nil
}
