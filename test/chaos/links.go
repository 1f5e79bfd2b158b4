package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"

	"github.com/keypin/keypin/test/cluster/nodes"
)

// The engines' connections of a node that can be broken, each by itself: those of the
// pool and the one that listens, to PostgreSQL, and those to Redis.
const (
	toDatabase = "database"
	toListen   = "listen"
	toRedis    = "redis"
)

// links are the proxies between nodes and engines.
type links struct {
	server *toxiproxy.ApiServer
	byName map[string]*toxiproxy.Proxy
}

func newLinks() *links {
	// It logs what becomes of every connection, also through a logger of the process.
	zerolog.SetGlobalLevel(zerolog.Disabled)
	return &links{server: toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop()), byName: map[string]*toxiproxy.Proxy{}}
}

func linkName(node int, to string) string { return fmt.Sprintf("%s%d", to, node) }

// open makes a node's proxy to the port of an engine, and gives its address.
func (l *links) open(node int, to string, port int) (string, error) {
	p := toxiproxy.NewProxy(l.server, linkName(node, to), "127.0.0.1:0", fmt.Sprintf("127.0.0.1:%d", port))
	if err := p.Start(); err != nil {
		return "", err
	}
	l.byName[p.Name] = p
	return p.Listen, nil
}

// through gives a node's settings, which lead through proxies.
func (l *links) through(c *nodes.Cluster, node int) ([]string, error) {
	database, err1 := l.open(node, toDatabase, c.Postgres.Port)
	listen, err2 := l.open(node, toListen, c.Postgres.Port)
	redis, err3 := l.open(node, toRedis, c.Redis.Port)
	url := func(address string) string { return "postgres://keypin@" + address + "/keypin?sslmode=disable" }
	return []string{
		"KEYPIN_DATABASE=" + url(database), "KEYPIN_DATABASE_LISTEN=" + url(listen), "KEYPIN_REDIS=redis://" + redis,
	}, errors.Join(err1, err2, err3)
}

// close ends all proxies.
func (l *links) close() {
	for _, p := range l.byName {
		p.Stop()
	}
}

// toxic is what is done to the data of a link, in one direction: down is towards the
// node.
type toxic struct {
	Type       string           `json:"type"`
	Stream     string           `json:"stream"`
	Attributes map[string]int64 `json:"attributes"`
}

const (
	up   = "upstream"
	down = "downstream"
)

// poison lets the toxics work on the links until the time has passed or ctx ends.
func (l *links) poison(ctx context.Context, names []string, toxics []toxic, hold time.Duration) error {
	var errs []error
	for _, name := range names {
		for _, t := range toxics {
			text, err := json.Marshal(t)
			if err == nil {
				_, err = l.byName[name].Toxics.AddToxicJson(bytes.NewReader(text))
			}
			errs = append(errs, err)
		}
	}
	pause(ctx, hold)
	for _, name := range names {
		l.byName[name].Toxics.ResetToxics(context.WithoutCancel(ctx))
	}
	return errors.Join(errs...)
}

// cut closes the links' connections and refuses others until the time has passed or
// ctx ends.
func (l *links) cut(ctx context.Context, names []string, hold time.Duration) error {
	for _, name := range names {
		l.byName[name].Stop()
	}
	pause(ctx, hold)
	var errs []error
	for _, name := range names {
		errs = append(errs, l.byName[name].Start())
	}
	return errors.Join(errs...)
}

// pause waits, but not longer than ctx.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
