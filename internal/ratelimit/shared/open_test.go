package shared

import (
	"bufio"
	"context"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/keypin/keypin/internal/keypin"
	"github.com/keypin/keypin/test/engines"
)

const password = "pa55-word"

// pretender is a server that answers like Redis, INFO with the text.
func pretender(t *testing.T, info string) string {
	t.Helper()
	var listen net.ListenConfig
	listener, err := listen.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go answer(conn, info)
		}
	}()
	return "redis://" + listener.Addr().String()
}

func answer(conn net.Conn, info string) {
	defer conn.Close()
	lines := bufio.NewScanner(conn)
	for lines.Scan() {
		reply := ""
		switch strings.ToLower(lines.Text()) {
		case "hello":
			reply = "-ERR unknown command 'HELLO'\r\n"
		case "client", "select":
			reply = "+OK\r\n"
		case "info":
			reply = "$" + strconv.Itoa(len(info)) + "\r\n" + info + "\r\n"
		}
		if reply == "" {
			continue
		}
		if _, err := conn.Write([]byte(reply)); err != nil {
			return
		}
	}
}

func TestOpenRefusesWhatCannotKeepTheLimit(t *testing.T) {
	plain := startRedis(t, engines.RedisOptions{})
	locked := startRedis(t, engines.RedisOptions{Password: password})
	evicting := startRedis(t, engines.RedisOptions{Settings: map[string]string{"maxmemory": "100mb", "maxmemory-policy": "volatile-lru"}})
	replica := startRedis(t, engines.RedisOptions{Settings: map[string]string{"replicaof": "127.0.0.1 " + strconv.Itoa(plain.Port)}})
	sentinel := startRedis(t, engines.RedisOptions{Sentinel: []string{"sentinel monitor main 127.0.0.1 " + strconv.Itoa(plain.Port) + " 1"}})
	full := startRedis(t, engines.RedisOptions{Settings: map[string]string{"maxmemory": "1mb"}})
	for _, user := range []string{
		"nothing on >" + password,
		"reader on >" + password + " ~keypin:* +info +ping +script|load +evalsha +eval +time +get",
		"elsewhere on >" + password + " ~other:* +@all",
	} {
		if _, err := plain.Do(t.Context(), append([]string{"ACL", "SETUSER"}, strings.Fields(user)...)...); err != nil {
			t.Fatal(err)
		}
	}
	as := func(user string) string { return "redis://" + user + ":" + password + "@" + plain.Address() }
	for name, c := range map[string]struct{ url, want string }{
		"not a URL":                          {"redis://:" + password + "@[::1", "not the URL of a Redis"},
		"another scheme":                     {"http://:" + password + "@127.0.0.1", "not the URL of a Redis"},
		"a wrong option":                     {plain.URL() + "?" + password + "=1", "not the URL of a Redis"},
		"a wrong database":                   {plain.URL() + "/" + password, "not the URL of a Redis"},
		"a database that is not there":       {plain.URL() + "/99", "no such database"},
		"reading from replicas":              {sentinel.URL() + "?master_name=main&replica_only=true", "not the URL of a Redis"},
		"nobody there":                       {"redis://:" + password + "@127.0.0.1:1", "cannot be reached"},
		"no password":                        {"redis://" + locked.Address(), "wants a password"},
		"a wrong password":                   {"redis://:" + password + "x@" + locked.Address(), "password is wrong"},
		"a wrong user":                       {"redis://nobody:" + password + "@" + locked.Address(), "password is wrong"},
		"no rights":                          {as("nothing"), "lacks rights"},
		"rights to read":                     {as("reader"), "lacks rights"},
		"rights to other keys":               {as("elsewhere"), "lacks rights"},
		"a replica":                          {replica.URL(), "a replica"},
		"a Sentinel":                         {sentinel.URL(), "?master_name="},
		"a Sentinel that knows no such name": {sentinel.URL() + "?master_name=other", "Sentinel"},
		"a Sentinel that is a Redis":         {plain.URL() + "?master_name=main", "Sentinel"},
		"no Cluster":                         {plain.URL() + "?addr=" + plain.Address(), "no Cluster"},
		"one that evicts":                    {evicting.URL(), "maxmemory-policy to noeviction"},
		"one that is full":                   {full.URL(), "memory is full"},
		"TLS where there is none":            {strings.Replace(plain.URL(), "redis:", "rediss:", 1), "TLS"},
		"an old version":                     {pretender(t, "redis_version:6.2.14\r\nredis_mode:standalone\r\nrun_id:abc\r\nrole:master\r\n"), "older than Redis 7.0"},
		"another server":                     {pretender(t, "server:something\r\n"), "INFO server"},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := Open(t.Context(), impatient(optionsFor(c.url, time.Now, Local, 1)))
			if err == nil {
				t.Fatal("opened", l.Close())
			}
			if text := err.Error(); !strings.HasPrefix(text, "redis: ") || !strings.Contains(text, c.want) || strings.Contains(text, password) {
				t.Errorf("%s", text)
			}
		})
	}
	if _, err := Open(t.Context(), Options{WithoutRedis: "maybe"}); err == nil || !strings.HasPrefix(err.Error(), "rate_limits_without_redis: ") {
		t.Errorf("%v", err)
	}
}

func TestOpenTakesWhatTheErrorsRecommend(t *testing.T) {
	r := startRedis(t, engines.RedisOptions{Settings: map[string]string{"maxmemory": "100mb", "maxmemory-policy": "noeviction"}})
	user := "keypin on >" + password + " ~keypin:* +info +ping +evalsha +eval +script|load +select +time +get +set +setrange +pexpire"
	if _, err := r.Do(t.Context(), append([]string{"ACL", "SETUSER"}, strings.Fields(user)...)...); err != nil {
		t.Fatal(err)
	}
	l := opened(t, optionsFor("redis://keypin:"+password+"@"+r.Address()+"/3", time.Now, Allow, 1))
	for range 3 {
		if _, ok := admit(t, l, keypin.Admission{Chain: chainID(1), Limit: 1000, Cost: 1}); !ok {
			t.Error("refused")
		}
	}
	if s := l.Stats(); s.Errors != 0 || s.Calls != 3 {
		t.Errorf("%+v", s)
	}
}

func opened(t testing.TB, options Options) *Limiter {
	t.Helper()
	l, err := Open(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// eventually asks until the answer is yes.
func eventually(ctx context.Context, t testing.TB, what string, ask func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	for !ask() {
		select {
		case <-ctx.Done():
			t.Fatalf("not within 15 s: %s", what)
		case <-time.After(5 * time.Millisecond):
		}
	}
}
