package dbtrace

import (
	"context"
	"errors"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/keypin/keypin/internal/telemetry"
)

// Postgres makes a span of each statement and batch; nil when tracing is.
func Postgres(t *telemetry.Tracing) pgx.QueryTracer {
	if t == nil {
		return nil
	}
	return postgres{t}
}

type postgres struct{ tracing *telemetry.Tracing }

type spanKey struct{}

func (p postgres) start(ctx context.Context, name string) context.Context {
	if !telemetry.Recording(ctx) {
		return ctx
	}
	ctx, span := p.tracing.Call(ctx, name, semconv.DBSystemNamePostgreSQL, semconv.DBQuerySummaryKey.String(name))
	return context.WithValue(ctx, spanKey{}, span)
}

func end(ctx context.Context, err error) {
	// Only what start put there, so that no request's span is ended in its place.
	span, ok := ctx.Value(spanKey{}).(trace.Span)
	if !ok {
		return
	}
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		kind := kindOf(err)
		var refused *pgconn.PgError
		if errors.As(err, &refused) {
			kind = refused.Code
			span.SetAttributes(semconv.DBResponseStatusCodeKey.String(kind))
		}
		span.SetAttributes(semconv.ErrorTypeKey.String(kind))
		span.SetStatus(codes.Error, "")
	}
	span.End()
}

// TraceQueryStart implements pgx.QueryTracer.
func (p postgres) TraceQueryStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	return p.start(ctx, nameOf(data.SQL))
}

// TraceQueryEnd implements pgx.QueryTracer.
func (postgres) TraceQueryEnd(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryEndData) {
	end(ctx, data.Err)
}

// TraceBatchStart implements pgx.BatchTracer.
func (p postgres) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	return p.start(ctx, "batch")
}

// TraceBatchQuery implements pgx.BatchTracer. The batch is one span.
func (postgres) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}

// TraceBatchEnd implements pgx.BatchTracer.
func (postgres) TraceBatchEnd(ctx context.Context, _ *pgx.Conn, data pgx.TraceBatchEndData) {
	end(ctx, data.Err)
}

// TraceCopyFromStart implements pgx.CopyFromTracer.
func (p postgres) TraceCopyFromStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceCopyFromStartData) context.Context {
	return p.start(ctx, "copy")
}

// TraceCopyFromEnd implements pgx.CopyFromTracer.
func (postgres) TraceCopyFromEnd(ctx context.Context, _ *pgx.Conn, data pgx.TraceCopyFromEndData) {
	end(ctx, data.Err)
}

// nameOf is the name that sqlc writes above a statement (-- name: GetKey :one), else the
// word that the statement begins with, where that is one of a few: nothing else of its
// text is told.
func nameOf(sql string) string {
	if rest, ok := strings.CutPrefix(sql, "-- name: "); ok {
		name, _, _ := strings.Cut(rest, " ")
		if isName(name) {
			return name
		}
		return "query"
	}
	word, _, _ := strings.Cut(strings.TrimLeft(sql, " \t\n"), " ")
	switch word = strings.ToUpper(strings.TrimRight(word, ";")); word {
	case "BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE", "SELECT", "INSERT", "UPDATE", "DELETE", "SET", "LISTEN", "WITH":
		return word
	}
	return "query"
}

// isName reports whether s is an identifier of Go, as sqlc's names are.
func isName(s string) bool {
	for _, r := range s {
		if r != '_' && (r < '0' || r > '9') && (r|0x20 < 'a' || r|0x20 > 'z') {
			return false
		}
	}
	return s != "" && len(s) <= 64
}

// kindOf is the kind of an error that no engine sent.
func kindOf(err error) string {
	var timeout interface{ Timeout() bool }
	switch {
	case errors.Is(err, context.Canceled):
		return "canceled"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "timeout"
	}
	return "connection"
}
