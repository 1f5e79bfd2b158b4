package dbtrace_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/keypin/keypin/internal/telemetry"
	"github.com/keypin/keypin/internal/telemetry/dbtrace"
	"github.com/keypin/keypin/test/engines"
)

const secret = "op_live_0000000000000000000000000009BlC0"

// within has a request recorded while work runs, and gives the spans of what it called:
// each its name, its status and its attributes, sorted.
func within(t *testing.T, work func(ctx context.Context), kept *tracetest.SpanRecorder, provider *trace.TracerProvider) []string {
	t.Helper()
	kept.Reset()
	ctx, request := provider.Tracer("test").Start(t.Context(), "request")
	work(ctx)
	if request.End(); len(kept.Ended()) == 0 {
		t.Fatal("no span ended")
	}
	var all []string
	for _, span := range kept.Ended() {
		if span.Name() == "request" {
			continue
		}
		if span.Parent().SpanID() != request.SpanContext().SpanID() {
			t.Errorf("%s belongs to %v, not to the request", span.Name(), span.Parent())
		}
		line := []string{}
		for _, a := range span.Attributes() {
			line = append(line, fmt.Sprintf("%s=%s", a.Key, a.Value.String()))
		}
		slices.Sort(line)
		if told := fmt.Sprint(span.Status(), span.Events(), span.Links(), line); strings.Contains(told, secret) || strings.Contains(told, "nobody") {
			t.Errorf("%s tells %s", span.Name(), told)
		}
		all = append(all, fmt.Sprintf("%s %s %s", span.Name(), span.Status().Code, strings.Join(line, " ")))
	}
	return all
}

func wantSpans(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got the spans\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

func newTracing() (*telemetry.Tracing, *tracetest.SpanRecorder, *trace.TracerProvider) {
	kept := tracetest.NewSpanRecorder()
	provider := trace.NewTracerProvider(trace.WithSpanProcessor(kept))
	return telemetry.NewTracing(provider, "test"), kept, provider
}

func TestStatementsAreSpansByTheirNames(t *testing.T) {
	t.Parallel()
	server, err := engines.StartPostgres(t.Context(), engines.PostgresOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Stop() })
	config, err := pgx.ParseConfig(server.URL("keypin"))
	if err != nil {
		t.Fatal(err)
	}
	tracing, kept, provider := newTracing()
	config.Tracer = dbtrace.Postgres(tracing)
	conn, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	exec := func(sql string, args ...any) func(context.Context) {
		return func(ctx context.Context) { _, _ = conn.Exec(ctx, sql, args...) }
	}
	const base = "db.query.summary=%[1]s db.system.name=postgresql"
	ok := func(name string) string { return fmt.Sprintf("%[1]s Unset "+base, name) }
	failed := func(name, code string) string {
		return fmt.Sprintf("%[1]s Error db.query.summary=%[1]s db.response.status_code=%[2]s db.system.name=postgresql error.type=%[2]s", name, code)
	}
	wantSpans(t, within(t, exec("-- name: GetKey :one\nSELECT $1::text", secret), kept, provider), ok("GetKey"))
	wantSpans(t, within(t, exec("-- name: "+secret+"' :one\nSELECT 1"), kept, provider), ok("query"))
	wantSpans(t, within(t, exec("select '"+secret+"'"), kept, provider), ok("SELECT"))
	wantSpans(t, within(t, exec("CREATE TEMPORARY TABLE t (a text UNIQUE)"), kept, provider), ok("query"))
	wantSpans(t, within(t, exec("-- name: Fill :exec\nINSERT INTO t VALUES ($1), ($1)", secret), kept, provider), failed("Fill", "23505"))
	wantSpans(t, within(t, exec("SELECT nobody"), kept, provider), failed("SELECT", "42703"))
	wantSpans(t, within(t, func(ctx context.Context) {
		tx, err := conn.Begin(ctx)
		if err != nil {
			t.Fatal(err)
		}
		var n int
		if err := tx.QueryRow(ctx, "-- name: GetNothing :one\nSELECT 1 WHERE false").Scan(&n); err == nil {
			t.Error("nothing was read")
		}
		_ = tx.Commit(ctx)
	}, kept, provider), ok("BEGIN"), ok("GetNothing"), ok("COMMIT"))
	wantSpans(t, within(t, func(ctx context.Context) {
		batch := &pgx.Batch{}
		batch.Queue("SELECT $1::text", secret)
		batch.Queue("SELECT $1::text", secret)
		_ = conn.SendBatch(ctx, batch).Close()
		_, _ = conn.CopyFrom(ctx, pgx.Identifier{"t"}, []string{"a"}, pgx.CopyFromRows([][]any{{secret}}))
	}, kept, provider), ok("batch"), ok("copy"))
	kept.Reset()
	if _, err := conn.Exec(t.Context(), "-- name: Ping :exec\nSELECT 1"); err != nil || len(kept.Ended()) > 0 {
		t.Errorf("outside of a request: %d spans, %v", len(kept.Ended()), err)
	}
	got := within(t, func(ctx context.Context) {
		ctx, cancel := context.WithCancel(ctx)
		cancel()
		_, _ = conn.Exec(ctx, "SELECT 1")
	}, kept, provider)
	wantSpans(t, got, "SELECT Error db.query.summary=SELECT db.system.name=postgresql error.type=canceled")
}

func TestCommandsAreSpansByTheirNames(t *testing.T) {
	t.Parallel()
	server, err := engines.StartRedis(t.Context(), engines.RedisOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Stop() })
	options, err := redis.ParseURL(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(options)
	t.Cleanup(func() { _ = client.Close() })
	tracing, kept, provider := newTracing()
	client.AddHook(dbtrace.Redis(tracing))
	if err := client.Ping(t.Context()).Err(); err != nil || len(kept.Ended()) > 0 {
		t.Errorf("outside of a request: %d spans, %v", len(kept.Ended()), err)
	}
	wantSpans(t, within(t, func(ctx context.Context) {
		client.Set(ctx, secret, secret, time.Minute)
		client.Get(ctx, "nobody")
		client.EvalSha(ctx, strings.Repeat("0", 40), []string{secret}, secret)
		client.Eval(ctx, "return redis.error_reply('"+secret+"!')", nil)
		client.LPush(ctx, secret, secret)
		_, _ = client.Pipelined(ctx, func(p redis.Pipeliner) error {
			p.Get(ctx, secret)
			p.Get(ctx, secret)
			return nil
		})
	}, kept, provider),
		"SET Unset db.operation.name=SET db.system.name=redis",
		"GET Unset db.operation.name=GET db.system.name=redis",
		"EVALSHA Error db.operation.name=EVALSHA db.response.status_code=NOSCRIPT db.system.name=redis error.type=NOSCRIPT",
		"EVAL Error db.operation.name=EVAL db.response.status_code=ERR db.system.name=redis error.type=ERR",
		"LPUSH Error db.operation.name=LPUSH db.response.status_code=WRONGTYPE db.system.name=redis error.type=WRONGTYPE",
		"PIPELINE Unset db.operation.batch.size=2 db.operation.name=PIPELINE db.system.name=redis",
	)
	if err := server.Kill(); err != nil {
		t.Fatal(err)
	}
	got := within(t, func(ctx context.Context) { client.Get(ctx, secret) }, kept, provider)
	wantSpans(t, got, "GET Error db.operation.name=GET db.system.name=redis error.type=connection")
}

func TestWithoutTracingThereIsNothingToCall(t *testing.T) {
	t.Parallel()
	if tracer := dbtrace.Postgres(nil); tracer != nil {
		t.Errorf("PostgreSQL's is %v", tracer)
	}
	if hook := dbtrace.Redis(nil); hook != nil {
		t.Errorf("Redis' is %v", hook)
	}
}
