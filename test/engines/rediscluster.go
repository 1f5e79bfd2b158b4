package engines

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
)

// RedisCluster are the servers of a Redis Cluster.
type RedisCluster struct {
	Servers []*Redis
}

// StartRedisCluster starts a Cluster of three masters with a replica each. A master that
// does not answer for a second is replaced.
func StartRedisCluster(ctx context.Context) (c *RedisCluster, err error) {
	c = new(RedisCluster)
	defer func() {
		if err != nil {
			err = errors.Join(err, c.Stop())
		}
	}()
	args := []string{"--cluster", "create"}
	for range 6 {
		bus, err := FreePort(ctx)
		if err != nil {
			return c, err
		}
		r, err := StartRedis(ctx, RedisOptions{Settings: map[string]string{
			"cluster-enabled": "yes", "cluster-port": fmt.Sprint(bus), "cluster-node-timeout": "1000",
		}})
		if err != nil {
			return c, err
		}
		c.Servers = append(c.Servers, r)
		args = append(args, r.Address())
	}
	create := exec.CommandContext(ctx, "redis-cli", append(args, "--cluster-replicas", "1", "--cluster-yes")...)
	if err := run(create); err != nil {
		return c, err
	}
	return c, await(ctx, func() error {
		for _, r := range c.Servers {
			info, err := r.Do(ctx, "CLUSTER", "INFO")
			if err != nil {
				return err
			}
			replication, err := r.Do(ctx, "INFO", "replication")
			if err != nil {
				return err
			}
			if !strings.Contains(info, "cluster_state:ok") ||
				strings.Contains(replication, "role:slave") && !strings.Contains(replication, "master_link_status:up") {
				return errors.New("the Cluster is not ready")
			}
		}
		return nil
	})
}

// URL names one server; the others are found through it.
func (c *RedisCluster) URL() string { return c.Servers[0].URL() }

// Masters are the servers that take writes now, of those that answer.
func (c *RedisCluster) Masters(ctx context.Context) []*Redis {
	var masters []*Redis
	for _, r := range c.Servers {
		if role, err := r.Do(ctx, "ROLE"); err == nil && strings.HasPrefix(role, "master") {
			masters = append(masters, r)
		}
	}
	return masters
}

// Stop ends the servers and removes their files.
func (c *RedisCluster) Stop() error {
	var errs []error
	for _, r := range c.Servers {
		errs = append(errs, r.Stop())
	}
	return errors.Join(errs...)
}
