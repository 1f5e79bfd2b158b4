package docsite

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// snippet is a request in one language.
type snippet struct {
	ID       string // curl, python, go, cli or javascript
	Name     string
	Language string // as the highlighter calls it
	Code     string
}

// baseURL stands for this server in pages and examples; each reader sees the URL that
// they use instead.
const baseURL = "http://127.0.0.1:8080"

// snippets are an operation's request in every language that has it.
func (d *document) snippets(op *operation) []snippet {
	r := d.request(op)
	all := []snippet{{"curl", "curl", "bash", r.curl()}}
	if code := r.python(); code != "" {
		all = append(all, snippet{"python", "Python", "python", code})
	}
	if code := r.golang(); code != "" {
		all = append(all, snippet{"go", "Go", "go", code})
	}
	if code := r.cli(); code != "" {
		all = append(all, snippet{"cli", "CLI", "bash", code})
	}
	return append(all, snippet{"javascript", "JavaScript", "javascript", r.javascript()})
}

// request is an example of a call.
type request struct {
	op    *operation
	ids   object // path parameters
	query object // query parameters that are needed
	body  object // nil when the call takes none
}

func (d *document) request(op *operation) request {
	r := request{op: op, body: d.requestSample(op)}
	for _, p := range op.Parameters {
		switch {
		case p.In == "path":
			r.ids = append(r.ids, pair{p.Name, d.sample(p.Schema)})
		case p.In == "query" && p.Required:
			r.query = append(r.query, pair{p.Name, d.sample(p.Schema)})
		}
	}
	return r
}

// path is the call's path with its parameters and query filled in.
func (r request) path() string {
	path := r.op.Path
	for _, p := range r.ids {
		path = strings.ReplaceAll(path, "{"+p.Name+"}", url.PathEscape(fmt.Sprint(p.Value)))
	}
	query := url.Values{}
	for _, p := range r.query {
		query.Set(p.Name, fmt.Sprint(p.Value))
	}
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	return path
}

func (r request) signedIn() bool { return len(r.op.Security) > 0 }

func (r request) curl() string {
	var b strings.Builder
	b.WriteString("curl ")
	if r.op.Method != http.MethodGet {
		b.WriteString("-X " + r.op.Method + " ")
	}
	target := baseURL + r.path()
	if len(r.query) > 0 {
		target = "'" + target + "'"
	}
	b.WriteString(target)
	if r.signedIn() {
		b.WriteString(" \\\n  -H \"Authorization: Bearer $KEYPIN_TOKEN\"")
	}
	if r.body != nil {
		b.WriteString(" \\\n  -H \"Content-Type: application/json\" \\\n  -d '" + strings.ReplaceAll(indented(r.body), "'", `'\''`) + "'")
	}
	return b.String()
}

func (r request) javascript() string {
	var b strings.Builder
	fmt.Fprintf(&b, "const response = await fetch(%s", jsonOf(baseURL+r.path()))
	var options []string
	if r.op.Method != http.MethodGet {
		options = append(options, "  method: "+jsonOf(r.op.Method)+",")
	}
	if r.signedIn() || r.body != nil {
		options = append(options, "  headers: {")
		if r.signedIn() {
			options = append(options, "    Authorization: `Bearer ${process.env.KEYPIN_TOKEN}`,")
		}
		if r.body != nil {
			options = append(options, `    "Content-Type": "application/json",`)
		}
		options = append(options, "  },")
	}
	if r.body != nil {
		options = append(options, "  body: JSON.stringify("+strings.ReplaceAll(indented(r.body), "\n", "\n  ")+"),")
	}
	if len(options) > 0 {
		b.WriteString(", {\n" + strings.Join(options, "\n") + "\n}")
	}
	b.WriteString(");\n")
	if strings.HasPrefix(r.op.Path, "/api/") {
		b.WriteString("const { data, error } = await response.json();\nif (error) throw new Error(error.message);\nconsole.log(data);")
	} else {
		b.WriteString("console.log(response.status, await response.json());")
	}
	return b.String()
}

// pythonLiteral writes a value as Python does.
func pythonLiteral(v any) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case bool:
		return map[bool]string{true: "True", false: "False"}[v]
	case []any:
		items := make([]string, len(v))
		for i := range v {
			items[i] = pythonLiteral(v[i])
		}
		return "[" + strings.Join(items, ", ") + "]"
	default:
		return jsonOf(v)
	}
}

func (r request) python() string {
	call, ok := pythonCalls[r.op.ID]
	if !ok {
		return ""
	}
	var args, named []string
	for _, p := range r.ids {
		// Who belongs to a workspace is found in it; the workspaces' own calls are about it.
		if p.Name == "workspace_id" && !strings.HasPrefix(call.method, "workspaces.") {
			named = append(named, p.Name+"="+pythonLiteral(p.Value))
			continue
		}
		args = append(args, pythonLiteral(p.Value))
	}
	for i, p := range append(r.query, r.body...) {
		arg := p.Name + "=" + pythonLiteral(p.Value)
		if call.positional && i == 0 {
			arg = pythonLiteral(p.Value)
		}
		args = append(args, arg)
	}
	args = append(args, named...)
	joined := strings.Join(args, ", ")
	if len(joined) > 60 {
		joined = "\n    " + strings.Join(args, ",\n    ") + ",\n"
	}
	made := "client." + call.method + "(" + joined + ")"
	code := "from keypin import Keypin\n\nclient = Keypin(base_url=\"" + baseURL + "\")  # KEYPIN_TOKEN holds the token\n\n"
	if call.each != "" {
		return code + "for " + call.result + " in " + made + ":\n    print(" + call.each + ")"
	}
	return code + call.result + " = " + made + "\nprint(" + call.show + ")"
}

func (r request) golang() string {
	call, ok := goCalls[r.op.ID]
	if !ok {
		return ""
	}
	for _, p := range append(r.ids, r.query...) {
		call = strings.ReplaceAll(call, "{"+p.Name+"}", jsonOf(p.Value))
	}
	return "keypin, err := client.New(\"" + baseURL + "\", client.WithToken(os.Getenv(\"KEYPIN_TOKEN\")))\nif err != nil {\n\treturn err\n}\n" + call
}

func (r request) cli() string {
	call, ok := cliCalls[r.op.ID]
	if !ok {
		return ""
	}
	for _, p := range append(r.ids, r.query...) {
		call = strings.ReplaceAll(call, "{"+p.Name+"}", fmt.Sprint(p.Value))
	}
	return "export KEYPIN_BASE_URL=" + baseURL + "\n" + call
}
