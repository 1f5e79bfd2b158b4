package httpapi

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"strconv"
	"time"

	"github.com/keypin/keypin/internal/keypin"
	"github.com/keypin/keypin/internal/verify"
)

// appendVerification appends the body that answers a check: an envelope of a
// verification. It is written by hand because every request of every protected
// service waits for it; a test reads it back by the types that describe it.
func appendVerification(b []byte, o *verify.Outcome, requestID string, now time.Time) []byte {
	b = append(b, `{"data":{"valid":`...)
	b = strconv.AppendBool(b, o.Code == verify.CodeValid)
	b = append(b, `,"code":"`...)
	b = append(b, o.Code...)
	b = append(b, `","api_key":`...)
	b = appendVerifiedKey(b, o.Key)
	b = append(b, `,"rate_limit":`...)
	if o.Limited {
		b = append(b, `{"limit":`...)
		b = strconv.AppendInt(b, int64(o.RateLimit.Limit), 10)
		b = append(b, `,"remaining":`...)
		b = strconv.AppendInt(b, int64(o.RateLimit.Remaining), 10)
		b = append(b, `,"reset_at":"`...)
		b = appendTime(b, o.RateLimit.ResetAt)
		b = append(b, `"}`...)
	} else {
		b = append(b, "null"...)
	}
	b = append(b, `},"meta":{"request_id":"`...)
	b = append(b, requestID...) // a UUID, or req_ and a UUID
	b = append(b, `","timestamp":"`...)
	b = appendTime(b, now)
	return append(b, "\"}}\n"...)
}

func appendVerifiedKey(b []byte, k *verify.Key) []byte {
	if k == nil {
		return append(b, "null"...)
	}
	b = append(b, `{"id":"`...)
	b = k.ID.AppendTo(b)
	b = append(b, `","workspace_id":"`...)
	b = k.WorkspaceID.AppendTo(b)
	b = append(b, `","name":`...)
	b = appendString(b, k.Name)
	b = append(b, `,"key_type":"`...)
	b = append(b, k.Type()...)
	b = append(b, `","scopes":`...)
	b = appendList(b, k.Scopes.Scopes, func(b []byte, s keypin.Scope) []byte { return appendString(b, string(s)) })
	b = append(b, `,"metadata":`...)
	b = append(b, k.Metadata()...)
	b = append(b, `,"expires_at":`...)
	if at := k.ExpiresAt(); at != nil {
		b = append(appendTime(append(b, '"'), *at), '"')
	} else {
		b = append(b, "null"...)
	}
	b = append(b, `,"created_by":`...)
	if k.CreatedBy.IsZero() {
		b = append(b, "null"...)
	} else {
		b = append(k.CreatedBy.AppendTo(append(b, '"')), '"')
	}
	b = append(b, `,"allowed_ips":`...)
	b = appendList(b, k.AllowedIPs(), func(b []byte, p netip.Prefix) []byte { return appendString(b, keypin.FormatAddressRange(p)) })
	return append(b, '}')
}

func appendList[T any](b []byte, items []T, item func([]byte, T) []byte) []byte {
	b = append(b, '[')
	for i, v := range items {
		if i > 0 {
			b = append(b, ',')
		}
		b = item(b, v)
	}
	return append(b, ']')
}

// appendTime appends what a keypin.Timestamp is as JSON, without its quotes. It is
// time.RFC3339Nano in a third of the time, of which an answer has two.
func appendTime(b []byte, t time.Time) []byte {
	t = keypin.Timestamp(t)
	year, month, day := t.Date()
	if year < 1000 || year > 9999 {
		return t.AppendFormat(b, time.RFC3339Nano)
	}
	hour, minute, second := t.Clock()
	b = strconv.AppendInt(b, int64(year), 10)
	b = append(b, '-', byte('0'+month/10), byte('0'+month%10), '-', byte('0'+day/10), byte('0'+day%10), 'T')
	b = append(b, byte('0'+hour/10), byte('0'+hour%10), ':', byte('0'+minute/10), byte('0'+minute%10), ':', byte('0'+second/10), byte('0'+second%10))
	if micros := t.Nanosecond() / 1000; micros > 0 {
		b = append(b, '.')
		for unit := 100_000; micros > 0; unit /= 10 { // without zeros at the end
			b = append(b, byte('0'+micros/unit))
			micros %= unit
		}
	}
	return append(b, 'Z')
}

// appendString appends s as encodeJSON does.
func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			var escaped bytes.Buffer
			e := json.NewEncoder(&escaped)
			e.SetEscapeHTML(false)
			if e.Encode(s) == nil { // a string always encodes
				return append(b, bytes.TrimSuffix(escaped.Bytes(), []byte("\n"))...)
			}
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}
