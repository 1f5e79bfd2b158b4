package config

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/providers/env/v2"
	"github.com/knadh/koanf/providers/file"
	"github.com/knadh/koanf/v2"
)

// Input is what Load reads from.
type Input struct {
	// File is the path of the YAML file; "" = what KEYPIN_CONFIG says, else none.
	File string
	// Environ is the environment as os.Environ gives it.
	Environ []string
	// Flags are the values of the flags that were given, by the setting's YAML path.
	Flags map[string]string
}

const sourceDefault = "default"

// EnvConfig names the configuration file.
const EnvConfig = EnvPrefix + "CONFIG"

// clientEnv are variables that begin like ours and are read by clients of the
// service, so that both can run in one shell.
func clientEnv() []string {
	return []string{
		EnvPrefix + "API_KEY", EnvPrefix + "BASE_URL", EnvPrefix + "WORKSPACE_ID",
		EnvPrefix + "PROFILE", EnvPrefix + "TOKEN",
	}
}

// serviceLink are the variables that Kubernetes and Docker set in every container
// beside a service called keypin or keypin-something.
var serviceLink = regexp.MustCompile(`^KEYPIN_(\w+_)?(SERVICE_(HOST|PORT(_\w+)?)|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$`)

// Load reads the configuration. Its error is Problems and names all that could not
// be read; whether the values make sense is Validate's question.
func Load(in Input) (*Config, error) {
	c := Default()
	c.sources = map[string]string{}
	l := &loader{config: c, known: settings(c), effective: koanf.New("/")}
	l.file(in)
	l.environment(in.Environ)
	l.flags(in.Flags)
	l.decode()
	if err := l.problems.err(); err != nil {
		return nil, err
	}
	return c, nil
}

// loader lays the sources over one another. In effective a setting's path is one
// flat key; the delimiter is a character that no path contains.
type loader struct {
	config    *Config
	known     []setting
	effective *koanf.Koanf
	problems  Problems
}

func (l *loader) file(in Input) {
	path, from := in.File, "flag --config"
	if path == "" {
		from = "env " + EnvConfig
		for _, v := range in.Environ {
			if value, ok := strings.CutPrefix(v, EnvConfig+"="); ok {
				path = value
			}
		}
	}
	if path == "" {
		return
	}
	source := "file " + path
	err := l.effective.Load(file.Provider(path), yaml.Parser(), koanf.WithMergeFunc(func(src, dest map[string]any) error {
		l.flatten(src, "", source, dest)
		return nil
	}))
	var pathError *fs.PathError
	switch {
	case errors.As(err, &pathError):
		l.problems = append(l.problems, Problem{"config", from, fmt.Sprintf("%s cannot be read: %v", path, pathError.Err), "name a YAML file that this user may read"})
	case err != nil:
		l.problems = append(l.problems, Problem{"config", from, fmt.Sprintf("%s is not YAML: %v", path, err), "correct that line"})
	}
}

// flatten copies the leaves of a YAML object into dest under their paths, and
// refuses what is no setting.
func (l *loader) flatten(src map[string]any, above, source string, dest map[string]any) {
	for _, name := range slices.Sorted(maps.Keys(src)) {
		key, v := above+name, src[name]
		_, isSetting := find(l.known, key)
		below := section(l.known, key)
		members, isObject := v.(map[string]any)
		switch {
		case strings.Contains(name, "."):
			l.refuse(key, source, "has a dot in its name", "nest it: the dots of a path are levels of the file")
		case isSetting && v == nil:
			l.refuse(key, source, "has no value", "give it one or leave the line out")
		case isSetting:
			dest[key] = v
			l.config.sources[key] = source
		case len(below) > 0 && isObject:
			l.flatten(members, key+".", source, dest)
		case len(below) > 0 && v != nil:
			l.refuse(key, source, "is a section, not a value", "set "+strings.Join(below, ", "))
		case len(below) == 0:
			known := keys(l.known)
			if isObject {
				known = append(known, sections(l.known)...)
			}
			l.refuse(key, source, "is not a setting", fmt.Sprintf("did you mean %s?", nearest(key, known)))
		}
	}
}

func (l *loader) environment(environ []string) {
	names := map[string]string{} // variable → setting
	known := []string{EnvConfig}
	for _, s := range l.known {
		names[s.env()] = s.key
		known = append(known, s.env())
	}
	allowed := append(clientEnv(), EnvConfig)
	provider := env.Provider("", env.Opt{
		Prefix:      EnvPrefix,
		EnvironFunc: func() []string { return slices.Sorted(slices.Values(environ)) },
		TransformFunc: func(name, value string) (string, any) {
			key, ok := names[name]
			if !ok && !slices.Contains(allowed, name) && !serviceLink.MatchString(name) {
				l.refuse(name, "env "+name, "is not a setting", fmt.Sprintf("did you mean %s?", nearest(name, known)))
			}
			return key, value
		},
	})
	l.overlay(provider, func(s setting) string { return "env " + s.env() })
}

func (l *loader) flags(given map[string]string) {
	values := map[string]any{}
	for key, v := range given {
		values[key] = v
	}
	l.overlay(confmap.Provider(values, ""), func(s setting) string { return "flag --" + strings.ReplaceAll(s.key, "_", "-") })
}

// overlay lays values with flat paths over what was there.
func (l *loader) overlay(p koanf.Provider, source func(setting) string) {
	err := l.effective.Load(p, nil, koanf.WithMergeFunc(func(src, dest map[string]any) error {
		for key, v := range src {
			s, ok := find(l.known, key)
			if !ok {
				return fmt.Errorf("%s is not a setting", key)
			}
			dest[key] = v
			l.config.sources[key] = source(s)
		}
		return nil
	}))
	if err != nil {
		l.refuse("config", "", err.Error(), "this is a fault of keypin; report it")
	}
}

// decode puts the strongest value of each setting into its field.
func (l *loader) decode() {
	for _, s := range l.known {
		if !l.effective.Exists(s.key) {
			continue
		}
		var found Problems
		s.value.set(l.effective.Get(s.key), s.key, &found)
		for _, p := range found {
			p.Source = l.config.source(p.Field)
			l.problems = append(l.problems, p)
		}
	}
}

func (l *loader) refuse(field, source, wrong, right string) {
	l.problems = append(l.problems, Problem{Field: field, Source: source, Wrong: wrong, Right: right})
}
