package nodes

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/keypin/keypin/test/engines"
)

// Options say what a cluster is made of.
type Options struct {
	Program string // bin/keypin
	Nodes   int
	// Port is the first of the ports that are used, one after the other: nginx (its
	// public and its data side), then two for each node; 0 = free ones.
	Port int
	// Postgres and Redis say how the engines run.
	Postgres engines.PostgresOptions
	Redis    engines.RedisOptions
	// Through, when set, gives the settings with which a node reaches the engines, when
	// it is not to reach them directly.
	Through func(c *Cluster, node int) ([]string, error)
	// Env are settings of every node.
	Env []string
	// Nginx puts one in front.
	Nginx bool
}

// User is whom Cluster.Token speaks for.
const User = "admin@example.com"

// Cluster is PostgreSQL, Redis, the nodes, and nginx in front if there is one.
type Cluster struct {
	Dir      string
	Postgres *engines.Postgres
	Redis    *engines.Redis
	Nodes    []*Node
	Nginx    *Nginx
	Token    string // a session of the admin of a workspace
}

// Start starts everything, one after the other, and waits until it answers.
func Start(ctx context.Context, options Options) (c *Cluster, err error) {
	c = &Cluster{}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.Stop())
			c = nil
		}
	}()
	if c.Dir, err = os.MkdirTemp("", "keypin-cluster-"); err != nil {
		return c, err
	}
	if c.Postgres, err = engines.StartPostgres(ctx, options.Postgres); err != nil {
		return c, err
	}
	if c.Redis, err = engines.StartRedis(ctx, options.Redis); err != nil {
		return c, err
	}
	if err := c.startNodes(ctx, options); err != nil {
		return c, err
	}
	if options.Nginx {
		c.Nginx, err = startNginx(ctx, c, options.Port)
	}
	return c, err
}

func (c *Cluster) startNodes(ctx context.Context, options Options) error {
	for i := range options.Nodes {
		n := &Node{Name: fmt.Sprintf("node%d", i+1), Program: options.Program}
		n.Dir = filepath.Join(c.Dir, n.Name)
		var err1, err2 error
		n.Listen, err1 = address(ctx, options.Port, 2+2*i)
		n.Data, err2 = address(ctx, options.Port, 3+2*i)
		if err := errors.Join(err1, err2); err != nil {
			return err
		}
		through := options.Through
		if through == nil {
			through = directly
		}
		reach, err := through(c, i)
		if err != nil {
			return err
		}
		n.Env = slices.Concat(reach, options.Env)
		if err := os.MkdirAll(n.Dir, 0o700); err != nil {
			return err
		}
		if i == 0 { // makes the issuer's key, which the others then share
			if c.Token, err = n.Token(ctx, User, 12*time.Hour); err != nil {
				return err
			}
		} else if err := n.share(c.Nodes[0]); err != nil {
			return err
		}
		if err := n.Start(ctx); err != nil {
			return err
		}
		c.Nodes = append(c.Nodes, n)
	}
	return nil
}

// directly reaches the engines where they are.
func directly(c *Cluster, _ int) ([]string, error) {
	return []string{"KEYPIN_DATABASE=" + c.Postgres.URL("keypin"), "KEYPIN_REDIS=" + c.Redis.URL()}, nil
}

// address is one of the loopback address: of the n-th port after the first, or of a
// free one.
func address(ctx context.Context, first, n int) (string, error) {
	port := first + n
	if first == 0 {
		var err error
		if port, err = engines.FreePort(ctx); err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("127.0.0.1:%d", port), nil
}

// Stop ends everything, what is in front first, and removes its files.
func (c *Cluster) Stop() error {
	var errs []error
	if c.Nginx != nil {
		errs = append(errs, c.Nginx.Stop())
	}
	for _, n := range c.Nodes {
		errs = append(errs, n.Stop())
	}
	if c.Redis != nil {
		errs = append(errs, c.Redis.Stop())
	}
	if c.Postgres != nil {
		errs = append(errs, c.Postgres.Stop())
	}
	if c.Dir != "" {
		errs = append(errs, os.RemoveAll(c.Dir))
	}
	return errors.Join(errs...)
}
