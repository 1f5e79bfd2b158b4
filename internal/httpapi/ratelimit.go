package httpapi

import (
	"net/http"
	"strconv"
	"time"

	"github.com/keypin/keypin/internal/keypin"
)

// SetRateLimit sets the headers that tell a key's caller about its limit: the
// customary three and the IETF draft's two (draft-ietf-httpapi-ratelimit-headers).
func (a *API) SetRateLimit(h http.Header, rl *keypin.RateLimit, now time.Time) {
	// All values are parts of one string, and all their lists of one array.
	var b [128]byte
	text := strconv.AppendInt(b[:0], int64(rl.Limit), 10)
	limit := len(text)
	text = strconv.AppendInt(text, int64(rl.Remaining), 10)
	remaining := len(text)
	text = strconv.AppendInt(text, (rl.ResetAt.UnixMilli()+999)/1000, 10)
	reset := len(text)
	text = append(text, `"default";q=`...)
	text = strconv.AppendInt(text, int64(rl.Limit), 10)
	text = append(text, ";w=60"...)
	policy := len(text)
	text = append(text, `"default";r=`...)
	text = strconv.AppendInt(text, int64(rl.Remaining), 10)
	text = append(text, ";t="...)
	text = strconv.AppendInt(text, int64(max(0, seconds(rl.ResetAt.Sub(now)))), 10)
	s := string(text)
	v := &[5]string{s[:limit], s[limit:remaining], s[remaining:reset], s[reset:policy], s[policy:]}
	h["X-Ratelimit-Limit"], h["X-Ratelimit-Remaining"], h["X-Ratelimit-Reset"] = v[0:1:1], v[1:2:2], v[2:3:3]
	h["Ratelimit-Policy"], h["Ratelimit"] = v[3:4:4], v[4:5:5]
}
