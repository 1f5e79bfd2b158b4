package credential_test

import (
	"net/http"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/keypin/keypin/internal/credential"
	"github.com/keypin/keypin/internal/keypin"
)

// none is where nothing was presented, refused where what was cannot be right. No key
// is written like them.
const none, refused = "(none)", "(refused)"

// told is what reading gave: the key, none or refused.
func told(t interface{ Errorf(string, ...any) }, h http.Header, read func(http.Header) (keypin.Secret, error)) string {
	key, err := read(h)
	if err == nil {
		return key.Reveal()
	}
	e, ok := err.(*keypin.Error) //nolint:errorlint // it is not to be wrapped: the wire asks its fields
	if !ok || e.Code != keypin.CodeUnauthorized || !key.IsZero() {
		t.Errorf("%v: got %v with the key %q", h, err, key.Reveal())
		return refused
	}
	if strings.Contains(err.Error(), "op_live") {
		t.Errorf("%v: the error repeats what was sent: %v", h, err)
	}
	if e.NoCredentials {
		return none
	}
	return refused
}

func TestAKeyIsReadFromOneOfTwoHeadersOrFromBothThatAgree(t *testing.T) {
	for name, c := range map[string]struct {
		authorization, bare []string
		want                string
	}{
		"nothing":                             {nil, nil, none},
		"Bearer":                              {[]string{"Bearer op_live_x"}, nil, "op_live_x"},
		"Bearer in lower case":                {[]string{"bearer op_live_x"}, nil, "op_live_x"},
		"Bearer in upper case":                {[]string{"BEARER op_live_x"}, nil, "op_live_x"},
		"Bearer and two spaces":               {[]string{"Bearer  op_live_x"}, nil, "op_live_x"},
		"Bearer and a tab":                    {[]string{"Bearer\top_live_x"}, nil, none},
		"Bearer, a space and a tab":           {[]string{"Bearer \top_live_x"}, nil, refused},
		"Bearer alone":                        {[]string{"Bearer"}, nil, refused},
		"Bearer and a space":                  {[]string{"Bearer "}, nil, refused},
		"a word that begins with Bearer":      {[]string{"Bearerop_live_x"}, nil, none},
		"a space before Bearer":               {[]string{" Bearer op_live_x"}, nil, none},
		"no scheme":                           {[]string{"op_live_x"}, nil, none},
		"empty":                               {[]string{""}, nil, none},
		"Basic":                               {[]string{"Basic b3BfbGl2ZV94"}, nil, none},
		"a space behind":                      {[]string{"Bearer op_live_x "}, nil, refused},
		"two words":                           {[]string{"Bearer op_live_x op_live_y"}, nil, refused},
		"two keys":                            {[]string{"Bearer op_live_x,op_live_y"}, nil, refused},
		"two lists of one":                    {[]string{"Bearer op_live_x, Bearer op_live_x"}, nil, refused},
		"two headers":                         {[]string{"Bearer op_live_x", "Bearer op_live_y"}, nil, refused},
		"two headers alike":                   {[]string{"Bearer op_live_x", "Bearer op_live_x"}, nil, refused},
		"Basic before Bearer":                 {[]string{"Basic b3A=", "Bearer op_live_x"}, nil, refused},
		"X-API-Key":                           {nil, []string{"op_live_x"}, "op_live_x"},
		"X-API-Key, empty":                    {nil, []string{""}, refused},
		"X-API-Key with a space":              {nil, []string{"op_live_x y"}, refused},
		"X-API-Key with a space before":       {nil, []string{" op_live_x"}, refused},
		"X-API-Key with a comma":              {nil, []string{"op_live_x,op_live_x"}, refused},
		"X-API-Key with a scheme":             {nil, []string{"Bearer op_live_x"}, refused},
		"two X-API-Keys":                      {nil, []string{"op_live_x", "op_live_y"}, refused},
		"two X-API-Keys alike":                {nil, []string{"op_live_x", "op_live_x"}, refused},
		"two X-API-Keys, one empty":           {nil, []string{"", "op_live_x"}, refused},
		"both, alike":                         {[]string{"Bearer op_live_x"}, []string{"op_live_x"}, "op_live_x"},
		"both, alike but for the scheme":      {[]string{"bEARER   op_live_x"}, []string{"op_live_x"}, "op_live_x"},
		"both, differing":                     {[]string{"Bearer op_live_x"}, []string{"op_live_y"}, refused},
		"both, differing in case":             {[]string{"Bearer op_live_x"}, []string{"op_live_X"}, refused},
		"both, Bearer without a key":          {[]string{"Bearer"}, []string{"op_live_x"}, refused},
		"both, X-API-Key empty":               {[]string{"Bearer op_live_x"}, []string{""}, refused},
		"Basic beside X-API-Key":              {[]string{"Basic b3A="}, []string{"op_live_x"}, "op_live_x"},
		"Digest beside X-API-Key":             {[]string{`Digest username="x, y"`}, []string{"op_live_x"}, "op_live_x"},
		"an empty scheme beside X-API-Key":    {[]string{""}, []string{"op_live_x"}, "op_live_x"},
		"two schemes beside X-API-Key":        {[]string{"Basic b3A=", "Digest x"}, []string{"op_live_x"}, refused},
		"Bearer behind Basic, and X-API-Key":  {[]string{"Basic b3A=", "Bearer op_live_x"}, []string{"op_live_x"}, refused},
		"two Bearers beside X-API-Key, alike": {[]string{"Bearer op_live_x", "Bearer op_live_x"}, []string{"op_live_x"}, refused},
	} {
		h := http.Header{}
		if c.authorization != nil {
			h["Authorization"] = c.authorization
		}
		if c.bare != nil {
			h["X-Api-Key"] = c.bare
		}
		if got := told(t, h, credential.APIKey); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
		if c.bare == nil {
			if got := told(t, h, credential.Bearer); got != c.want {
				t.Errorf("%s, by Bearer alone: %q, want %q", name, got, c.want)
			}
		}
	}
}

// Whoever stands behind us reads one of the headers, and must not find another key in
// it than the one that was let in.
func TestNoOtherKeyHidesBesideTheOneThatIsRead(t *testing.T) {
	keys := rapid.SampledFrom([]string{"op_live_x", "op_live_y", "", " ", "Bearer op_live_y"})
	schemes := rapid.SampledFrom([]string{"Bearer ", "bearer ", "BEARER  ", "Bearer\t", "Bearer", "Basic ", "", " ", ","})
	piece := rapid.Custom(func(t *rapid.T) string {
		return schemes.Draw(t, "scheme") + keys.Draw(t, "key") + rapid.SampledFrom([]string{"", " ", ",", "\t", ", "}).Draw(t, "end")
	})
	value := rapid.Map(rapid.SliceOfN(piece, 1, 3), func(pieces []string) string { return strings.Join(pieces, "") })
	rapid.Check(t, func(t *rapid.T) {
		h := http.Header{"Authorization": rapid.SliceOfN(value, 0, 2).Draw(t, "authorization"), "X-Api-Key": rapid.SliceOfN(value, 0, 2).Draw(t, "bare")}
		got := told(t, h, credential.APIKey)
		if got == none || got == refused {
			return
		}
		if got == "" || strings.ContainsAny(got, " \t,") {
			t.Fatalf("%q is read from %v", got, h)
		}
		if len(h["Authorization"]) > 1 || len(h["X-Api-Key"]) > 1 {
			t.Fatalf("%q is read from %v", got, h)
		}
		if bare := h.Get("X-Api-Key"); len(h["X-Api-Key"]) == 1 && bare != got {
			t.Fatalf("%q is read, and %q goes on", got, bare)
		}
		if a := h.Get("Authorization"); credential.IsBearer(a) && strings.TrimLeft(a[len("Bearer"):], " ") != got {
			t.Fatalf("%q is read, and %q goes on", got, a)
		}
	})
}

func TestSecretsAreEqualOnlyToThemselves(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{{"", "", true}, {"x", "x", true}, {"x", "", false}, {"", "x", false}, {"x", "X", false}, {"xy", "x", false}, {"x\x00", "x", false}} {
		if got := credential.Equal(keypin.NewSecret(c.a), keypin.NewSecret(c.b)); got != c.want {
			t.Errorf("%q and %q: %t", c.a, c.b, got)
		}
	}
}
