package nodes

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Nginx spreads requests over the nodes, one address for each of their listeners.
type Nginx struct {
	Listen, Data string // host:port
	dir          string
	command      *exec.Cmd
}

// URL is where the public listeners are reached.
func (n *Nginx) URL() string { return "http://" + n.Listen }

// DataURL is where the data listeners are reached.
func (n *Nginx) DataURL() string { return "http://" + n.Data }

// configuration is nginx'. A node that does not answer is left out for a second, and
// what may be sent twice goes to the next.
const configuration = `%s
daemon off;
worker_processes 1;
pid nginx.pid;
error_log error.log warn;
events { worker_connections 1024; }
http {
	access_log off;
	client_body_temp_path body;
	proxy_temp_path proxy;
	fastcgi_temp_path fastcgi;
	uwsgi_temp_path uwsgi;
	scgi_temp_path scgi;
	proxy_http_version 1.1;
	proxy_set_header Connection "";
	proxy_set_header Host $http_host;
	proxy_set_header X-Forwarded-For $remote_addr;
	proxy_connect_timeout 1s;
	upstream public {
		%s
		keepalive 32;
	}
	upstream data {
		%s
		keepalive 64;
	}
	server {
		listen %s;
		location / { proxy_pass http://public; }
	}
	server {
		listen %s;
		location / { proxy_pass http://data; }
	}
}
`

func startNginx(ctx context.Context, c *Cluster, port int) (*Nginx, error) {
	n := &Nginx{dir: filepath.Join(c.Dir, "nginx")}
	if err := os.Mkdir(n.dir, 0o700); err != nil {
		return nil, err
	}
	var err1, err2 error
	n.Listen, err1 = address(ctx, port, 0)
	n.Data, err2 = address(ctx, port, 1)
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	as := ""
	if os.Geteuid() == 0 { // else the processes that answer could not enter the folder
		u, err := user.Current()
		if err != nil {
			return nil, err
		}
		as = "user " + u.Username + ";"
	}
	var public, data []string
	for _, node := range c.Nodes {
		public = append(public, "server "+node.Listen+" max_fails=1 fail_timeout=1s;")
		data = append(data, "server "+node.Data+" max_fails=1 fail_timeout=1s;")
	}
	text := fmt.Sprintf(configuration, as, strings.Join(public, "\n\t\t"), strings.Join(data, "\n\t\t"), n.Listen, n.Data)
	if err := os.WriteFile(filepath.Join(n.dir, "nginx.conf"), []byte(text), 0o600); err != nil {
		return nil, err
	}
	return n, n.start(ctx)
}

func (n *Nginx) start(ctx context.Context) error {
	program, err := exec.LookPath("nginx")
	if err != nil { // it is one for administrators
		if program, err = exec.LookPath("/usr/sbin/nginx"); err != nil {
			return fmt.Errorf("%w; run scripts/install.sh", err)
		}
	}
	// It outlives the context of who starts it: Stop ends it.
	n.command = exec.CommandContext(context.WithoutCancel(ctx), program, "-e", "error.log", "-p", n.dir, "-c", "nginx.conf")
	n.command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM, Setpgid: true}
	if err := n.command.Start(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", n.Listen)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-ctx.Done():
			text, _ := os.ReadFile(filepath.Join(n.dir, "error.log")) // without it the error is still one
			return errors.Join(fmt.Errorf("nginx does not answer: %w\n%s", err, text), n.Stop())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// Stop ends nginx.
func (n *Nginx) Stop() error {
	err := n.command.Process.Signal(syscall.SIGTERM)
	if errors.Is(err, os.ErrProcessDone) {
		err = nil
	}
	var exit *exec.ExitError
	if wait := n.command.Wait(); !errors.As(wait, &exit) {
		err = errors.Join(err, wait)
	}
	return err
}
