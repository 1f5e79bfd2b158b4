package gateway

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/netip"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/keypin/keypin/internal/keypin"
	"github.com/keypin/keypin/internal/strictjson"
	"github.com/keypin/keypin/internal/verify"
)

// Bounds of a report.
const (
	maxReport      = 1 << 20 // bytes
	maxUses        = 1000
	maxUseCount    = 1_000_000_000
	maxAgentLength = 512 // code points
)

// reportedUse is what a cache at the edge decided by itself of one key, with one
// outcome, since its last report.
type reportedUse struct {
	KeyHash   string     `json:"key_hash"` // hex SHA-256
	Code      string     `json:"code"`
	Count     int64      `json:"count"`
	At        time.Time  `json:"at"` // of the last of them
	ClientIP  netip.Addr `json:"client_ip,omitzero"`
	UserAgent string     `json:"user_agent,omitempty"`
}

// UsageReports counts what a cache at the edge let through and refused.
func (g *Gateway) UsageReports(w http.ResponseWriter, r *http.Request) {
	reported, err := readReport(w, r)
	if err == nil {
		err = g.Keys.Report(r.Context(), reported)
	}
	if err != nil {
		g.Wire.Problem(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = fmt.Fprintf(w, "{\"data\":{\"uses\":%d}}\n", len(reported)) // the client is gone; nobody is left to tell
}

func readReport(w http.ResponseWriter, r *http.Request) ([]verify.Reported, error) {
	if mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || mediaType != "application/json" {
		return nil, keypin.E(keypin.CodeUnsupportedMediaType, "The body must be application/json.")
	}
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxReport))
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return nil, keypin.E(keypin.CodePayloadTooLarge, "The body must be at most 1 MiB.")
	}
	var faults keypin.Faults
	uses, wrong := decodeReport(text)
	switch {
	case err != nil:
		faults.Add("body", "must be sent to its end")
	case wrong != nil:
		faults.Add("body", wrong.Error())
	case len(uses) > maxUses:
		faults.Add("body.uses", fmt.Sprintf("must have at most %d entries", maxUses))
	}
	if len(faults) > 0 {
		return nil, faults.Err()
	}
	reported := make([]verify.Reported, len(uses))
	for i, use := range uses {
		at := func(field string) string { return fmt.Sprintf("body.uses[%d].%s", i, field) }
		to := &reported[i]
		if n, err := hex.Decode(to.Hash[:], []byte(use.KeyHash[:min(len(use.KeyHash), 2*len(to.Hash))])); err != nil || n != len(to.Hash) || len(use.KeyHash) != 2*n {
			faults.Add(at("key_hash"), "must be a SHA-256 as 64 hexadecimal digits")
		}
		if !slices.Contains(verify.Counted(), verify.Code(use.Code)) {
			faults.Add(at("code"), "must be an outcome of a check of a key that exists")
		}
		if use.Count < 1 || use.Count > maxUseCount {
			faults.Add(at("count"), fmt.Sprintf("must be a whole number from 1 to %d", maxUseCount))
		}
		if utf8.RuneCountInString(use.UserAgent) > maxAgentLength {
			faults.Add(at("user_agent"), fmt.Sprintf("must be at most %d characters", maxAgentLength))
		}
		to.Use = verify.Use{Code: verify.Code(use.Code), At: use.At, IP: use.ClientIP.Unmap().WithZone(""), UserAgent: use.UserAgent, Count: uint64(max(use.Count, 0))}
		if len(faults) >= maxUses {
			break
		}
	}
	return reported, faults.Err()
}

// decodeReport reads the list of uses, strictly.
func decodeReport(text []byte) ([]reportedUse, error) {
	if err := strictjson.Check(text); err != nil {
		return nil, err
	}
	form := errors.New(`must be {"uses":[{"key_hash","code","count","at","client_ip","user_agent"}]}`)
	var body map[string][]map[string]json.RawMessage // encoding/json takes a struct's names in any case
	if json.Unmarshal(text, &body) != nil || len(body) != 1 || body["uses"] == nil {
		return nil, form
	}
	uses := make([]reportedUse, len(body["uses"]))
	for i, fields := range body["uses"] {
		u := &uses[i]
		known := map[string]any{"key_hash": &u.KeyHash, "code": &u.Code, "count": &u.Count, "at": &u.At, "client_ip": &u.ClientIP, "user_agent": &u.UserAgent}
		for name, value := range fields {
			if into, ok := known[name]; !ok || json.Unmarshal(value, into) != nil {
				return nil, form
			}
		}
	}
	return uses, nil
}
