package httpapi

import (
	"strings"

	"github.com/keypin/keypin/internal/credential"
	"github.com/keypin/keypin/internal/keypin"
	"github.com/keypin/keypin/internal/token"
	"github.com/keypin/keypin/internal/verify"
)

// authenticate finds out who calls, and spends one unit of a calling key's limit.
func (a *API) authenticate(x *exchange) error {
	presented, err := credential.Bearer(x.request.Header)
	if err != nil {
		return err
	}
	if token.LooksLikeKey(presented.Reveal()) {
		return a.authenticateKey(x, presented)
	}
	if strings.Count(presented.Reveal(), ".") != 2 {
		return keypin.E(keypin.CodeUnauthorized, "The credentials are not valid.")
	}
	identity, err := a.Sessions.Verify(x.ctx(), presented.Reveal())
	if err != nil {
		return err
	}
	x.principal, err = a.Admin.SignIn(x.ctx(), *identity)
	return err
}

func (a *API) authenticateKey(x *exchange, secret keypin.Secret) error {
	outcome, err := a.Keys.Verify(x.ctx(), &verify.Request{Secret: secret, ClientIP: x.clientIP, UserAgent: x.request.UserAgent(), Cost: 1})
	if err != nil {
		return err
	}
	if outcome.Limited {
		a.SetRateLimit(x.header, &outcome.RateLimit, x.start)
	}
	if err := outcome.CallerError(); err != nil {
		return err
	}
	x.principal = outcome.Principal()
	return nil
}
