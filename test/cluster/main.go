package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/keypin/keypin/test/cluster/nodes"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	err := run(ctx, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "cluster:", err)
		os.Exit(1)
	}
}

// say tells people. Should they not hear it, the cluster is the same.
func say(out io.Writer, format string, args ...any) { _, _ = fmt.Fprintf(out, format, args...) }

func run(ctx context.Context, out io.Writer) error {
	program := flag.String("program", "bin/keypin", "the `FILE` to run")
	port := flag.Int("port", 18080, "the first of the eight `PORT`s that are used; 0 = free ones")
	count := flag.Int("nodes", 3, "how many nodes")
	flag.Parse()
	if _, err := os.Stat(*program); err != nil {
		return fmt.Errorf("%w; run make build", err)
	}
	say(out, "starting PostgreSQL, Redis, %d nodes and nginx …\n", *count)
	c, err := nodes.Start(ctx, nodes.Options{Program: *program, Nodes: *count, Port: *port, Nginx: true})
	if err != nil {
		return err
	}
	describe(out, c)
	<-ctx.Done()
	say(out, "\nstopping …\n")
	if err := c.Stop(); err != nil {
		return err
	}
	say(out, "stopped; nothing is left\n")
	return nil
}

// describe says where everything is, and what to try.
func describe(out io.Writer, c *nodes.Cluster) {
	first, last := c.Nodes[0], c.Nodes[len(c.Nodes)-1]
	say(out, "\n  nginx     %s   data %s\n", c.Nginx.URL(), c.Nginx.DataURL())
	for _, n := range c.Nodes {
		say(out, "  %s     %s   data %s\n", n.Name, n.URL(), n.DataURL())
	}
	say(out, "  database  %s\n  redis     %s\n  logs      %s\n", c.Postgres.URL("keypin"), c.Redis.URL(), c.Dir)
	say(out, `
A session token of %s, good for 12 hours:

  export KEYPIN_TOKEN=%s

Make a key at %s; the answer has its id and, as api_key, its plaintext:

  curl -sS %s/api/v1/api-keys -H "Authorization: Bearer $KEYPIN_TOKEN" -H 'Content-Type: application/json' -d '{"name":"try","scopes":["workflows:read"]}'

Check it at %s, and revoke it through nginx. A second later no node accepts it:

  curl -sS %s/api/v1/api-keys/verify -H 'Content-Type: application/json' -d '{"key":"THE-PLAINTEXT","scopes":["workflows:read"]}'
  curl -sS -X DELETE %s/api/v1/api-keys/THE-ID -H "Authorization: Bearer $KEYPIN_TOKEN"

Ctrl-C stops and removes everything.
`, nodes.User, c.Token, first.Name, first.URL(), last.Name, last.DataURL(), c.Nginx.URL())
}
