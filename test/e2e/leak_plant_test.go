package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// field is where an operation can be given something, with the value planted in it.
type field struct {
	what  string
	value string
	text  bool // taken as any other text: not for secrets that look like one
}

// toJSON writes what JSON can hold.
func toJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// quote writes s as a JSON string.
func quote(s string) string { return toJSON(s) }

// escape writes s as a JSON string of nothing but escapes.
func escape(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		fmt.Fprintf(&b, `\u%04x`, c)
	}
	return `"` + b.String() + `"`
}

// values are JSON values that hold v: as the field's type wants it and otherwise.
// Which of them name takes as text is known here.
func values(name, v string) []field {
	q := quote(v)
	word, address, pairs := name == "name" || name == "user_agent", name == "email", name == "metadata"
	list := []field{
		{"as a string", q, word},
		{"escaped", escape(v), word},
		{"in a sentence", quote("x " + v + " y"), word},
		{"glued to a word", quote("x" + v + "y"), word},
		{"behind a NUL", quote("\x00" + v), false},
		{"as an address", quote(v + "@example.com"), word || address},
		{"as a host", quote("a@" + v + ".example.com"), word || address},
		{"behind a time", quote("2099-01-15T09:30:00Z" + v), word},
		{"as a zone", quote("fe80::1%" + v), word},
		{"behind a range", quote("10.0.0.0/8" + v), word},
		{"in a list", "[" + q + "]", false},
		{"in a longer list", `["voices:read",` + q + `]`, false},
		{"in a list in a list", "[[" + q + "]]", false},
		{"as a pair's value", `{"x":` + q + `}`, pairs},
		{"as a pair's name", `{` + q + `:"x"}`, pairs},
		{"as a pair's name and value", `{` + q + `:` + q + `}`, pairs},
		{"as a name with a NUL", `{` + quote("\x00"+v) + `:"x"}`, false},
		{"as a name of a number", `{` + q + `:1}`, false},
		{"deep inside", `{"x":{"y":[{` + q + `:` + q + `}]}}`, false},
		{"without quotes", v, false},
		{"cut off", `"` + v, false},
		{"behind bad UTF-8", "\"\xff" + v + `"`, false},
		{"behind a bad escape", `"\x` + v + `"`, false},
		{"nested too deep", strings.Repeat("[", 40) + q + strings.Repeat("]", 40), false},
	}
	return list
}

// bodies are bodies of the operation with v in them.
func bodies(op operation, r recipe, v string) []field {
	with := func(name, value string) string {
		var members []string
		for _, other := range slices.Sorted(maps.Keys(r.body)) {
			if other != name {
				members = append(members, quote(other)+":"+toJSON(r.body[other]))
			}
		}
		return "{" + strings.Join(append(members, quote(name)+":"+value), ",") + "}"
	}
	var list []field
	for _, name := range slices.Sorted(maps.Keys(op.Body.Properties)) {
		for _, f := range values(name, v) {
			list = append(list, field{"body." + name + " " + f.what, with(name, f.value), f.text})
		}
		list = append(list, field{"body." + name + " given twice", `{` + quote(name) + `:` + quote(v) + `,` + quote(name) + `:` + quote(v) + `}`, false})
	}
	q := quote(v)
	for _, f := range []field{
		{"as an unknown field's name", with(v, "1"), false},
		{"as an unknown field's name and value", with(v, q), false},
		{"as an unknown field's value", with("unknown", q), false},
		{"as a field's name, twice", `{` + q + `:1,` + q + `:2}`, false},
		{"as the body", q, false},
		{"as the body, without quotes", v, false},
		{"as a list", "[" + q + "]", false},
		{"behind the body", with("unknown", "1") + q, false},
		{"in a body that is cut off", `{"name":"` + v, false},
		{"as a name that is cut off", `{"` + v, false},
		{"in a body that is too long", with("unknown", quote(v+strings.Repeat("x", 64<<10))), false},
	} {
		list = append(list, field{"body " + f.what, f.value, false})
	}
	return list
}

// headers are headers with v in them. None is taken as text but the user agent,
// which the audit keeps.
func headers(v string) []field {
	var list []field
	for _, name := range []string{"X-Workspace-Id", "Idempotency-Key", "If-Match", "User-Agent", "X-Request-Id", "Accept", "Content-Type", "Origin",
		"X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Real-Ip", "Forwarded", "Referer", "Cookie", "X-Api-Key", "X-Unknown",
		"Accept-Language", "Accept-Encoding", "Range", "If-None-Match", "Upgrade", "Via", "Traceparent", "X-Http-Method-Override", "Authorization"} {
		list = append(list, field{"as " + name, name + ": " + v, name == "User-Agent"})
	}
	for _, h := range []string{
		`Idempotency-Key: "` + v + `"`, "Idempotency-Key: " + v + strings.Repeat("x", 255), `If-Match: "` + v + `", W/"` + v + `"`, "If-Match: \"v" + v + "\"",
		"User-Agent: onepin/0.1 " + v, "X-Request-Id: req_" + v, "X-Workspace-Id: " + nowhere + "," + v,
		"Accept: text/" + v, "Accept: application/json;q=0;x=" + v, "Content-Type: application/" + v, "Content-Type: application/json; charset=" + v,
		"Origin: https://" + v + ".example", "Origin: " + leakOrigin + v, "Content-Encoding: " + v,
		"X-Forwarded-For: " + v + ", 192.0.2.1", "X-Forwarded-For: 192.0.2.1, " + v, "X-Forwarded-For: fe80::1%" + v, "X-Forwarded-For: [fe80::1%" + v + "]:80",
		"Forwarded: for=" + v, `Forwarded: for="[fe80::1%` + v + `]"`, "Forwarded: for=192.0.2.1;host=" + v + ";proto=" + v,
		"Referer: https://x.example/?k=" + v, "Cookie: session=" + v, "X-" + v + ": 1",
		"Authorization: Bearer " + v + "x", "Authorization: Bearer " + v[:len(v)-1], "Authorization: Bearer  " + v, "Authorization: Basic " + v,
		"Authorization: Bearer " + v + ", x", "Authorization: Bearer x " + v, "Authorization: Bearer a." + v + ".b", "Authorization: Bearer " + v + ".a.b",
		"Authorization: " + v + " " + v, "Authorization: Digest username=\"" + v + "\"", "Authorization: Bearer " + v,
	} {
		name, _, _ := strings.Cut(h, ": ")
		list = append(list, field{"in " + strings.ReplaceAll(h, v, "<it>"), h, name == "User-Agent"})
	}
	return list
}

// queries are queries of the operation with v in them.
func queries(op operation, v string) []field {
	coded := url.QueryEscape(v)
	var hex strings.Builder
	for _, c := range []byte(v) {
		fmt.Fprintf(&hex, "%%%02x", c)
	}
	list := []field{
		{what: "as an unknown parameter", value: coded + "=1"}, {what: "as an unknown parameter without a value", value: coded},
		{what: "as an unknown parameter's value", value: "unknown=" + coded}, {what: "as a parameter in hex", value: hex.String() + "=" + hex.String()},
		{what: "behind a bad escape", value: "q=%zz" + coded}, {what: "behind a semicolon", value: "limit=1;" + coded + "=" + coded},
		{what: "behind bad UTF-8", value: "q=%ff" + coded}, {what: "behind a NUL", value: "q=%00" + coded},
	}
	for _, p := range op.with("query") {
		text := p.Name == "q" // which the pages' URLs repeat
		list = append(list,
			field{"query." + p.Name, p.Name + "=" + coded, false},
			field{"query." + p.Name + " in hex", p.Name + "=" + hex.String(), false},
			field{"query." + p.Name + " in a sentence", p.Name + "=" + url.QueryEscape("x "+v+" y"), false},
			field{"query." + p.Name + " given twice", p.Name + "=" + coded + "&" + p.Name + "=" + coded, false},
			field{"query." + p.Name + " on the second page", p.Name + "=" + coded + "&offset=1&limit=1", text})
	}
	return list
}

// paths are paths like the operation's with v in them.
func paths(t testing.TB, op operation, ids map[string]string, v string) []field {
	t.Helper()
	whole, part := op.at(t, ids), url.PathEscape(v)
	list := []field{
		{what: "behind the path", value: whole + "/" + part}, {what: "before the path", value: "/" + part + whole},
		{what: "in an unclean path", value: "/" + whole + "//" + part}, {what: "behind dots", value: whole + "/../" + part},
		{what: "glued to the path", value: whole + part}, {what: "behind an escaped slash", value: whole + "%2f" + part},
		{what: "behind a slash at the end", value: whole + "/" + part + "/"},
	}
	for _, p := range op.with("path") {
		other := maps.Clone(ids)
		for what, value := range map[string]string{"path." + p.Name: part, "path." + p.Name + " behind an id": ids[p.Name] + part,
			"path." + p.Name + " with a NUL": part + "%00", "path." + p.Name + " with bad UTF-8": "%ff" + part} {
			other[p.Name] = value
			list = append(list, field{what: what, value: op.at(t, other)})
		}
	}
	return list
}

// plant makes every request of the operation that holds s somewhere.
func plant(t testing.TB, op operation, r recipe, ids map[string]string, bearer string, s secret) []planting {
	t.Helper()
	path := op.at(t, ids)
	valid := ""
	if r.body != nil {
		valid = toJSON(r.body)
	}
	var list []planting
	add := func(f field, p planting) {
		p.op, p.method, p.what = op.ID, op.Method, s.name+" "+f.what
		if p.bearer = bearer; f.text && s.text {
			p.bearer = "" // what it says is not even read
		}
		if p.path == "" {
			p.path = path + r.query
		}
		list = append(list, p)
	}
	if op.Body != nil {
		for _, f := range bodies(op, r, s.value) {
			add(f, planting{body: f.value})
			if strings.HasSuffix(f.what, "too long") {
				add(f, planting{body: f.value, chunked: true})
			}
		}
	}
	for _, f := range headers(s.value) {
		add(f, planting{body: valid, headers: []string{f.value}})
	}
	add(field{what: "in two Authorization headers"}, planting{body: valid, headers: []string{"Authorization: Bearer " + s.value, "Authorization: Bearer " + s.value}})
	for _, f := range queries(op, s.value) {
		add(f, planting{path: path + "?" + f.value, body: valid})
	}
	for _, f := range paths(t, op, ids, s.value) {
		add(f, planting{path: f.value, body: valid})
	}
	if !s.text {
		add(field{what: "as Host"}, planting{host: s.value, body: valid})
		add(field{what: "in Host"}, planting{host: s.value + ".example:8080", body: valid})
		if op.takes("query", "limit") { // the answer names the next page
			add(field{what: "as Host of the first page"}, planting{host: s.value, path: path + "?limit=1"})
		}
	}
	list = append(list, planting{op: op.ID, what: s.name + " as the method", method: s.value, path: path, bearer: bearer})
	return list
}
