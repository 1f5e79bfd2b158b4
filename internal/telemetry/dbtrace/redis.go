package dbtrace

import (
	"context"
	"errors"
	"strings"

	"github.com/redis/go-redis/v9"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/keypin/keypin/internal/telemetry"
)

// Redis makes a span of each command and pipeline; nil when tracing is.
func Redis(t *telemetry.Tracing) redis.Hook {
	if t == nil {
		return nil
	}
	return hook{t}
}

type hook struct{ tracing *telemetry.Tracing }

type callKey struct{}

// within reports whether a call has a span already: to connect, go-redis sends commands
// of its own, which are a part of it.
func within(ctx context.Context) bool { return ctx.Value(callKey{}) != nil }

// DialHook implements redis.Hook. A connection serves many requests, so it is in no
// one's trace.
func (hook) DialHook(next redis.DialHook) redis.DialHook { return next }

// ProcessHook implements redis.Hook.
func (h hook) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, command redis.Cmder) error {
		if !telemetry.Recording(ctx) || within(ctx) {
			return next(ctx, command)
		}
		name := strings.ToUpper(command.Name())
		ctx, span := h.tracing.Call(ctx, name, semconv.DBSystemNameRedis, semconv.DBOperationNameKey.String(name))
		err := next(context.WithValue(ctx, callKey{}, true), command)
		endRedis(span, err)
		return err
	}
}

// ProcessPipelineHook implements redis.Hook.
func (h hook) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, commands []redis.Cmder) error {
		if !telemetry.Recording(ctx) || within(ctx) {
			return next(ctx, commands)
		}
		ctx, span := h.tracing.Call(ctx, "PIPELINE", semconv.DBSystemNameRedis, semconv.DBOperationNameKey.String("PIPELINE"), semconv.DBOperationBatchSize(len(commands)))
		err := next(context.WithValue(ctx, callKey{}, true), commands)
		endRedis(span, err)
		return err
	}
}

func endRedis(span trace.Span, err error) {
	if err != nil && !errors.Is(err, redis.Nil) {
		kind := kindOf(err)
		var refused redis.Error
		if errors.As(err, &refused) {
			// The first word is the code (NOSCRIPT, READONLY, MOVED); what follows may be ours.
			if kind, _, _ = strings.Cut(refused.Error(), " "); !isName(kind) {
				kind = "ERR"
			}
			span.SetAttributes(semconv.DBResponseStatusCodeKey.String(kind))
		}
		span.SetAttributes(semconv.ErrorTypeKey.String(kind))
		span.SetStatus(codes.Error, "")
	}
	span.End()
}
