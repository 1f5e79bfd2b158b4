package app

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/keypin/keypin/internal/authn"
	"github.com/keypin/keypin/internal/config"
	"github.com/keypin/keypin/internal/keypin"
)

// MintToken makes a session token of the local issuer in c's data folder, which
// must be there. The second result tells that the folder held no key and one was
// made. A request that is not right is a *keypin.Error with CodeValidation.
func MintToken(c *config.Config, ask authn.LocalToken, o Options) (keypin.Secret, bool, error) {
	if !c.LocalIssuer() {
		return keypin.Secret{}, false, errors.New("issuers are configured, so the service accepts their session tokens and none of its own; sign in with one of them")
	}
	dir := c.DataDir
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return keypin.Secret{}, false, fmt.Errorf("data_dir: %s does not exist; name the data folder of the service with --data-dir, or start it first with: keypin serve --data-dir %s", dir, dir)
	case err != nil:
		return keypin.Secret{}, false, fmt.Errorf("data_dir: %w; name a folder that this user may read with --data-dir", err)
	case !info.IsDir():
		return keypin.Secret{}, false, fmt.Errorf("data_dir: %s is not a folder; name the data folder of the service with --data-dir", dir)
	}
	_, err = os.Stat(filepath.Join(dir, "issuer.key"))
	madeKey := errors.Is(err, fs.ErrNotExist)
	issuer, err := authn.OpenLocalIssuer(dir, o.Random)
	if err != nil {
		return keypin.Secret{}, false, fmt.Errorf("data_dir: %w", err)
	}
	token, err := issuer.Mint(ask, o.Clock())
	return token, madeKey, err
}
