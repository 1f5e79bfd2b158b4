package profile

import (
	"cmp"
	"path/filepath"

	"github.com/keypin/keypin/client"
)

// onePinURL is where OnePin's own command goes when it is told nothing else.
const onePinURL = "https://api.onepin.ai"

// onePin is what OnePin's command would use.
type onePin struct {
	credential, baseURL, workspace Setting
	stored                         string // the address that a stored credential is for
}

// readOnePin reads OnePin's variables and, where they leave something open, the profile
// default of its file ~/.onepin/credentials, as its package 0.7 does. Whatever is unknown
// in that file is its own business.
func readOnePin(env Environment) (onePin, error) {
	var o onePin
	o.credential = env.setting(envOnePinAPIKey)
	o.baseURL = env.setting(envOnePinBaseURL)
	o.workspace = env.setting(envOnePinWorkspace)
	home := env.home()
	if home == "" || o.credential.Value() != "" && o.baseURL.Value() != "" {
		return o, nil
	}
	var file struct {
		Default struct {
			APIKey  client.Secret `toml:"api_key"`
			BaseURL string        `toml:"base_url"`
		} `toml:"default"`
	}
	path := filepath.Join(home, ".onepin", "credentials")
	found, err := readTOML(path, false, &file)
	if err != nil || !found {
		return o, err
	}
	source := "OnePin's " + path
	if o.baseURL.Value() == "" && file.Default.BaseURL != "" {
		o.baseURL = NewSetting(file.Default.BaseURL, source)
	}
	if o.credential.Value() == "" && !file.Default.APIKey.IsZero() {
		o.credential = NewSetting(file.Default.APIKey.Reveal(), source)
		o.stored = cmp.Or(file.Default.BaseURL, onePinURL)
	}
	return o, nil
}
