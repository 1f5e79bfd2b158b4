package shared

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"github.com/redis/go-redis/v9/maintnotifications"
)

const (
	// dialPatience bounds Open.
	dialPatience = 10 * time.Second
	// oldest is the first version of Redis that runs the script: it names its language
	// in its first line, and what it writes is always what replicas are sent.
	oldest   = 7
	poolSize = 64
)

// dial makes the client that the URL describes, and refuses servers that cannot keep the
// limit. The URL may hold a password, so that no error repeats any of it.
func dial(ctx context.Context, options Options) (redis.UniversalClient, error) {
	client, err := clientOf(options.URL.Reveal())
	if err != nil {
		return nil, err
	}
	// The library's own log is for the whole process, and says nothing that ours does not.
	logging.Disable()
	for _, hook := range options.Hooks {
		client.AddHook(hook)
	}
	mode, err := check(ctx, client)
	single, ok := client.(*redis.Client)
	if !ok || err != nil || mode != "cluster" {
		if err != nil {
			return nil, errors.Join(err, client.Close())
		}
		return client, nil
	}
	// One address of a Cluster is enough to find the others.
	o := single.Options()
	cluster := clusterClient(&redis.ClusterOptions{
		Addrs: []string{o.Addr}, Username: o.Username, Password: o.Password, TLSConfig: o.TLSConfig,
	})
	for _, hook := range options.Hooks {
		cluster.AddHook(hook)
	}
	if _, err := check(ctx, cluster); err != nil {
		return nil, errors.Join(err, client.Close(), cluster.Close())
	}
	return cluster, client.Close()
}

// clientOf makes a client of one server, of Sentinels or of a Cluster. It connects to none.
func clientOf(text string) (redis.UniversalClient, error) {
	wrong := errors.New("redis: not the URL of a Redis; it is redis://user:password@host:port/0, rediss:// with TLS, " +
		"redis://sentinel:26379?master_name=name&addr=sentinel2:26379&password=… with Sentinels, or redis://host:port?addr=host2:port with a Cluster")
	u, err := url.Parse(text)
	if err != nil {
		return nil, wrong
	}
	query := u.Query()
	switch {
	case query.Has("master_name"):
		o, err := redis.ParseFailoverURL(text)
		if err != nil || o.MasterName == "" || o.RouteByLatency || o.RouteRandomly || o.ReplicaOnly {
			return nil, wrong
		}
		return failoverClient(o), nil
	case query.Has("addr"):
		o, err := redis.ParseClusterURL(text)
		if err != nil || o.RouteByLatency || o.RouteRandomly || o.ReadOnly {
			return nil, wrong
		}
		return clusterClient(o), nil
	}
	o, err := redis.ParseURL(text)
	if err != nil {
		return nil, wrong
	}
	o.MaxRetries, o.DialerRetries, o.ContextTimeoutEnabled = -1, 1, true
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout, o.PoolTimeout = callTimeout, callTimeout, callTimeout, callTimeout
	o.PoolSize, o.DisableIdentity, o.MaintNotificationsConfig = max(o.PoolSize, poolSize), true, noNotifications()
	return redis.NewClient(o), nil
}

func failoverClient(o *redis.FailoverOptions) *redis.Client {
	o.MaxRetries, o.DialerRetries, o.ContextTimeoutEnabled = -1, 1, true
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout, o.PoolTimeout = callTimeout, callTimeout, callTimeout, callTimeout
	o.PoolSize, o.DisableIdentity = max(o.PoolSize, poolSize), true
	return redis.NewFailoverClient(o)
}

func clusterClient(o *redis.ClusterOptions) *redis.ClusterClient {
	o.MaxRetries, o.DialerRetries, o.ContextTimeoutEnabled = -1, 1, true
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout, o.PoolTimeout = callTimeout, callTimeout, callTimeout, callTimeout
	o.PoolSize, o.DisableIdentity, o.MaintNotificationsConfig = max(o.PoolSize, poolSize), true, noNotifications()
	return redis.NewClusterClient(o)
}

// noNotifications asks no server to announce its maintenance: a node notices by itself.
func noNotifications() *maintnotifications.Config {
	return &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
}

// check looks at every server that windows may be kept on, and gives the mode of one.
func check(ctx context.Context, client redis.UniversalClient) (mode string, err error) {
	cluster, ok := client.(*redis.ClusterClient)
	if !ok {
		return checkOne(ctx, client)
	}
	var mu sync.Mutex
	err = cluster.ForEachMaster(ctx, func(ctx context.Context, master *redis.Client) error {
		of, err := checkOne(ctx, master)
		mu.Lock()
		defer mu.Unlock()
		mode = of
		return err
	})
	return mode, explain(err)
}

func checkOne(ctx context.Context, client redis.Cmdable) (mode string, err error) {
	text, err := client.Info(ctx).Result()
	if err != nil {
		return "", explain(err)
	}
	info := make(map[string]string)
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		info[name] = value
	}
	major, _, _ := strings.Cut(info["redis_version"], ".")
	version, err := strconv.Atoi(major)
	mode = info["redis_mode"]
	switch {
	case mode == "sentinel":
		return "", fault("this is the address of a Sentinel; add ?master_name= with the name of what it watches")
	case err != nil || info["run_id"] == "":
		return "", fault("the server does not tell its version and its run id (INFO server); use Redis 7.0 or later, or Valkey")
	case version < oldest:
		return "", fault("the server is older than Redis 7.0; upgrade it")
	case info["role"] == "slave":
		return "", fault("the server is a replica; name the primary, or the Sentinels with ?master_name=")
	case info["maxmemory"] != "0" && info["maxmemory"] != "" && info["maxmemory_policy"] != "noeviction":
		return "", fault("the server evicts keys when its memory is full, and a limit with them; set maxmemory-policy to noeviction, or use a Redis of its own")
	}
	return mode, nil
}

// begin looks at every bucket, which shows that the server lets us do what is needed.
func (l *Limiter) begin(ctx context.Context) error {
	if err := window.Load(ctx, l.client).Err(); err != nil {
		return explain(err)
	}
	which := make([]int, bucketCount)
	for i := range which {
		which[i] = i
	}
	cmds, err := l.lookOnce(ctx, which)
	if err != nil {
		return err
	}
	for i, cmd := range cmds {
		r := reply{heard: l.now()}
		if err := cmd.Err(); err != nil {
			return explain(err)
		}
		if err := r.read(cmd.Val()); err != nil {
			return explain(err)
		}
		l.heard(&l.buckets[i], &r)
	}
	return nil
}

// faultError is what is wrong with the setting redis.
type faultError struct{ text string }

func (f *faultError) Error() string { return "redis: " + f.text }

func fault(text string) error { return &faultError{text} }

// explain says in the operator's words why a server is refused.
func explain(err error) error {
	var known *faultError
	if err == nil || errors.As(err, &known) {
		return err
	}
	for _, of := range []struct{ part, text string }{
		{"WRONGPASS", "the user name or the password is wrong"},
		{"NOAUTH", "the server wants a password; put it into the URL: redis://:password@host:port"},
		{"without any password configured", "the server has no password, but the URL has one; take it out"},
		{"NOPERM", "the user lacks rights; it needs ~keypin:* +info +ping +evalsha +eval +script|load +time +get +set +setrange +pexpire, and for a Cluster +cluster"},
		{"READONLY", "the server is a replica; name the primary, or the Sentinels with ?master_name="},
		{"LOADING", "the server is still loading its data; try again"},
		{"cluster support disabled", "the server is no Cluster; give one address, or the Sentinels with ?master_name="},
		{"CLUSTERDOWN", "the Cluster is down: not all of its slots are served"},
		{"MISCONF", "the server takes no writes because it cannot save them; look at its log"},
		{"OOM", "the server's memory is full; raise maxmemory"},
		{"NOREPLICAS", "the server takes no writes because it has too few replicas (min-replicas-to-write)"},
		{"DENIED", "the server is in protected mode; set a password, or bind it to an address that we use"},
		{"certificate", "the server's certificate is not trusted; check its name and issuer, or add it to the system's"},
		{"does not look like a TLS handshake", "the server does not speak TLS; use redis:// or its TLS port"},
		{"sentinels specified in configuration are unreachable", "no Sentinel can be reached, or none knows that master_name; check both"},
		{"invalid DB index", "there is no such database; leave the number out of the URL"},
		{"DB index is out of range", "there is no such database; leave the number out of the URL"},
		{"unknown command", "the server does not know a command that is needed; use Redis 7.0 or later, or Valkey"},
	} {
		if strings.Contains(err.Error(), of.part) {
			return fault(of.text)
		}
	}
	var reply redis.Error
	if errors.As(err, &reply) {
		return fault("the server refuses what is needed; look at its log")
	}
	return fmt.Errorf("redis: the server cannot be reached; check the address, and that it runs: %w", err)
}
