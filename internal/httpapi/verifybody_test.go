package httpapi

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/keypin/keypin/internal/keypin"
)

// plainBodies are read the quick way.
var plainBodies = []string{
	`{"key":"op_live_0000000000000000000000000009BlC0"}`,
	`{"key":"k","scopes":["workflows:read","voices:read"],"client_ip":"203.0.113.7","cost":2,"hold_ms":250,"user_agent":"curl/8.1 (x; y)"}`,
	"\t{ \"scopes\" : [ ] ,\r\n \"key\" : \"\" , \"cost\" : 0 } \n",
	`{"hold_ms":1000,"cost":999999999,"key":" ~!"}`,
	`{"key":"/<>&'","scopes":["","a"]}`,
}

// otherBodies, right or wrong, are left to the decoder.
var otherBodies = []string{
	``, `{`, `{}`, `[]`, `null`, `{"key":"k"`, `{"key":"k",}`, `{,"key":"k"}`, `{"key":"k"}}`, `{"key":"k"} {}`, `{"key":"k"}x`, `{"key" "k"}`, `{"key":"k""cost":1}`,
	`{"key":"k","key":"k"}`, `{"key":"k","cost":1,"cost":1}`, `{"key":"k","scopes":[],"scopes":[]}`, `{"key":"k","scopes":["a",]}`, `{"key":"k","scopes":[,"a"]}`,
	`{"key":"k","scopes":["a" "b"]}`, `{"key":"k","scopes":["a"`, `{"key":"k","scopes":"a"}`, `{"key":"k","scopes":[null]}`, `{"key":null}`, `{"key":"k","cost":null}`,
	`{"key":"k\n"}`, `{"key":"\u006b"}`, "{\"key\":\"k\x01\"}", "{\"key\":\"\x7f\"}", "{\"key\":\"\xff\"}", `{"key":"é"}`, `{"k\u0065y":"k"}`, "\ufeff" + `{"key":"k"}`,
	`{"key":"k","cost":-1}`, `{"key":"k","cost":+1}`, `{"key":"k","cost":01}`, `{"key":"k","cost":1.0}`, `{"key":"k","cost":1e0}`, `{"key":"k","cost":1000000000}`,
	`{"key":"k","cost":}`, `{"key":"k","cost":"1"}`, `{"key":"k","cost":1 2}`, `{"key":7}`, `{"Key":"k"}`, `{"key":"k","unknown":1}`, `{"key":"k","":1}`, "{\"key\":\"k\"}\x00",
	"{\"key\":\"k\"\v}", "{\"key\":\"k\"\u00a0}", `{'key':'k'}`, `{"key":"k"/**/}`,
}

func TestAPlainBodyIsReadTheQuickWayAndNoOther(t *testing.T) {
	for _, body := range plainBodies {
		if b := (&verifyBody{}); !b.scan(body) {
			t.Errorf("%s: left to the decoder", body)
		}
	}
	for _, body := range otherBodies {
		if b := (&verifyBody{}); b.scan(body) {
			t.Errorf("%s: read as %+v", body, b)
		}
	}
	// Each way of being cut off, and each byte more, is the decoder's to judge.
	whole := strings.TrimSpace(plainBodies[1])
	for n := range len(whole) {
		if (&verifyBody{}).scan(whole[:n]) {
			t.Errorf("read when cut off after %d bytes", n)
		}
	}
}

func TestWhatIsNotPlainIsReadByTheDecoder(t *testing.T) {
	var faults keypin.Faults
	b := decodeCall(`{"key":"\u006b","cost":1e2,"client_ip":null,"user_agent":"é"}`, &faults)
	if len(faults) > 0 || b.Key.Value != "k" || b.Cost.Value != 100 || b.ClientIP.given() || b.UserAgent.Value != "é" {
		t.Errorf("read %+v, %v", b, faults)
	}
	// What the quick way had begun to read is forgotten.
	b = decodeCall(`{"key":"k","scopes":["a"],"cost":7,"unknown":1}`, &faults)
	if diff := cmp.Diff([]string{"body"}, fields(faults)); diff != "" || len(b.Scopes.Value) != 1 {
		t.Errorf("read %+v; faults (-want +got):\n%s", b, diff)
	}
}

func fields(faults keypin.Faults) []string {
	var out []string
	for _, f := range faults {
		out = append(out, f.Field)
	}
	return out
}

func FuzzAPlainBodyIsReadAsTheDecoderReadsIt(f *testing.F) {
	seeds := 0
	for _, body := range append(plainBodies, otherBodies...) {
		f.Add(body)
		seeds++
	}
	if seeds < 50 {
		f.Fatalf("only %d seeds", seeds)
	}
	f.Fuzz(func(t *testing.T, body string) {
		quick := &verifyBody{}
		if !quick.scan(body) {
			return
		}
		var faults keypin.Faults
		full := &verifyBody{}
		decodeBody([]byte(body), full, &faults)
		if len(faults) > 0 {
			t.Fatalf("%q is read as %+v, and the decoder refuses it: %v", body, quick, faults)
		}
		if diff := cmp.Diff(full, quick, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("%q (-decoder +quick):\n%s", body, diff)
		}
	})
}

// decodeCall reads a body as the data listener does.
func decodeCall(body string, faults *keypin.Faults) *verifyBody {
	var call dataCall
	call.body.WriteString(body)
	return call.decode(faults)
}
