package proxies

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience bounds every wait.
const patience = 30 * time.Second

// The addresses that the examples name.
const (
	exampleKeypin = "127.0.0.1:8081"
	exampleAPI    = "127.0.0.1:9000"
	exampleProxy  = "127.0.0.1:8000"
)

// proxy is a program that protects an API with Keypin.
type proxy struct {
	name, example string
	away          int // what it answers without Keypin
	// tokenLine is what is a comment in the example, until Keypin has a data token.
	tokenLine string
	// command makes the command that runs with the configuration, in the folder.
	command func(t *testing.T, dir, configuration string) *exec.Cmd
}

func proxies() []proxy {
	return []proxy{
		{name: "nginx", example: "nginx.conf", away: http.StatusServiceUnavailable, tokenLine: "proxy_set_header X-Keypin-Token", command: nginx},
		{name: "caddy", example: "Caddyfile", away: http.StatusBadGateway, tokenLine: "header_up X-Keypin-Token", command: caddy},
	}
}

// nginx includes the example where Debian's nginx.conf includes conf.d.
func nginx(t *testing.T, dir, configuration string) *exec.Cmd {
	t.Helper()
	as := ""
	if os.Geteuid() == 0 { // else the processes that answer could not enter the folder
		u, err := user.Current()
		if err != nil {
			t.Fatal(err)
		}
		as = "user " + u.Username + ";"
	}
	write(t, filepath.Join(dir, "site.conf"), configuration)
	write(t, filepath.Join(dir, "nginx.conf"), as+`
daemon off;
worker_processes 1;
pid nginx.pid;
error_log stderr warn;
events {}
http {
	access_log off;
	client_body_temp_path body;
	proxy_temp_path proxy;
	fastcgi_temp_path fastcgi;
	uwsgi_temp_path uwsgi;
	scgi_temp_path scgi;
	include site.conf;
}
`)
	return exec.Command(find(t, "nginx"), "-e", "stderr", "-p", dir, "-c", "nginx.conf")
}

func caddy(t *testing.T, dir, configuration string) *exec.Cmd {
	t.Helper()
	file := filepath.Join(dir, "Caddyfile")
	write(t, file, "{\n\tadmin off\n}\n"+configuration)
	cmd := exec.Command(find(t, "caddy"), "run", "--config", file, "--adapter", "caddyfile")
	cmd.Env = []string{"HOME=" + dir, "XDG_CONFIG_HOME=" + dir, "XDG_DATA_HOME=" + dir}
	return cmd
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// find is the path of a program, also of one for administrators.
func find(t *testing.T, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		path, err = exec.LookPath(filepath.Join("/usr/sbin", program))
	}
	if err != nil {
		t.Fatalf("%v; run scripts/install.sh", err)
	}
	return path
}

// api is what is protected. It keeps what it was asked.
type api struct {
	*httptest.Server
	mu   sync.Mutex
	seen []request
}

type request struct {
	*http.Request
	body string
}

func newAPI(t *testing.T) *api {
	t.Helper()
	a := &api{}
	a.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Errorf("the API cannot read a body: %v", err)
		}
		a.mu.Lock()
		a.seen = append(a.seen, request{r, string(body)})
		a.mu.Unlock()
		_, _ = io.WriteString(w, "the API's answer") // the client misses it
	}))
	t.Cleanup(a.Close)
	return a
}

// take gives what the API was asked since the last time.
func (a *api) take() []request {
	a.mu.Lock()
	defer a.mu.Unlock()
	seen := a.seen
	a.seen = nil
	return seen
}

// front is a running proxy with what is behind it.
type front struct {
	proxy
	address string
	keypin  *service
	api     *api
}

// run runs the proxy with its example until the test ends.
func (p proxy) run(t *testing.T, dataToken string) *front {
	t.Helper()
	keypin := start(t, dataToken)
	f := p.before(t, keypin.data, dataToken)
	f.keypin = keypin
	return f
}

// before runs the proxy with whoever answers at the address for Keypin.
func (p proxy) before(t *testing.T, keypin, dataToken string) *front {
	t.Helper()
	f := &front{proxy: p, api: newAPI(t), address: freeAddress(t)}
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "examples", p.example))
	if err != nil {
		t.Fatal(err)
	}
	configuration := string(text)
	for example, actual := range map[string]string{
		exampleKeypin: keypin, exampleAPI: f.api.Listener.Addr().String(), exampleProxy: f.address,
	} {
		if !strings.Contains(configuration, example) {
			t.Fatalf("%s does not name %s", p.example, example)
		}
		configuration = strings.ReplaceAll(configuration, example, actual)
	}
	if dataToken != "" {
		configuration = strings.ReplaceAll(configuration, "# "+p.tokenLine, p.tokenLine)
		configuration = strings.ReplaceAll(configuration, "the-data-token", dataToken)
	}
	cmd := p.command(t, t.TempDir(), configuration)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("%s said:\n%s", p.name, said.String())
		}
	})
	f.awaitAnswer(t)
	return f
}

// awaitAnswer waits until the proxy serves the route that needs no key.
func (f *front) awaitAnswer(t *testing.T) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(patience); ; {
		conn, err := net.Dial("tcp", f.address)
		if err == nil {
			_ = conn.Close()
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s does not answer: %v", f.name, err)
		}
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// answer is a response, read to its end.
type answer struct {
	status int
	header http.Header
	body   string
}

// call is a request of a client.
type call struct {
	method, path, body string
	chunked            bool     // the body's length is not told
	from               string   // the client's address; "" = 127.0.0.1
	headers            []string // "Name: value"
}

func bearer(k key) string { return "Authorization: Bearer " + k.Secret }

// do sends the path as it is written.
func (f *front) do(t *testing.T, c call) answer {
	t.Helper()
	if c.method == "" {
		c.method = http.MethodGet
	}
	r, err := http.NewRequestWithContext(t.Context(), c.method, "http://"+f.address, strings.NewReader(c.body))
	if err != nil {
		t.Fatal(err)
	}
	if c.chunked {
		r.ContentLength = -1
	}
	r.URL = &url.URL{Scheme: "http", Host: f.address, Opaque: "//" + f.address + c.path}
	for _, h := range c.headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header[name] = append(r.Header[name], value) // its letters stay as they are
	}
	if c.from == "" {
		c.from = "127.0.0.1"
	}
	dialer := net.Dialer{Timeout: patience, LocalAddr: &net.TCPAddr{IP: net.ParseIP(c.from)}}
	client := http.Client{Timeout: patience, Transport: &http.Transport{DialContext: dialer.DialContext, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{response.StatusCode, response.Header, string(body)}
}

// passes makes sure that the call reaches the API, and gives what arrived there.
func (f *front) passes(t *testing.T, c call) (request, answer) {
	t.Helper()
	got := f.do(t, c)
	seen := f.api.take()
	if got.status != http.StatusOK || got.body != "the API's answer" || len(seen) != 1 {
		t.Fatalf("%+v is answered %d %q, and the API was asked %d times", c, got.status, got.body, len(seen))
	}
	return seen[0], got
}

// refused makes sure that the call is answered with the status, and with the error's
// code if there is one, and does not reach the API.
func (f *front) refused(t *testing.T, c call, status int, code string) answer {
	t.Helper()
	got := f.do(t, c)
	if seen := f.api.take(); got.status != status || len(seen) > 0 {
		t.Fatalf("%+v is answered %d %q, want %d; the API was asked %d times", c, got.status, got.body, status, len(seen))
	}
	if code != "" && !strings.Contains(got.body, fmt.Sprintf(`"code":%q`, code)) {
		t.Errorf("%+v is answered %q, want the code %s", c, got.body, code)
	}
	return got
}
