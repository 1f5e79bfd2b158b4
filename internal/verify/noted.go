package verify

import (
	"context"
	"strings"
	"time"

	"github.com/keypin/keypin/internal/telemetry"
)

// noted tells those who count what was decided at that time, and gives the outcome
// back. Who only looks at the limit uses nothing; and who takes admissions to spend
// them later (Hold) reports when they are used.
func (s *Service) noted(ctx context.Context, request *Request, outcome Outcome, at time.Time) Outcome {
	if telemetry.Recording(ctx) {
		var key, workspace string
		if outcome.Key != nil {
			key, workspace = outcome.Key.ID.String(), outcome.Key.WorkspaceID.String()
		}
		telemetry.Checked(ctx, string(outcome.Code), key, workspace)
	}
	switch key := outcome.Key; {
	case key == nil:
		if s.options.Unknown != nil {
			s.options.Unknown(prefixOf(request.Secret.Reveal()))
		}
	case request.Cost == 0, s.options.Usage == nil:
	case request.Hold > 0 && (outcome.Code == CodeValid || outcome.Code == CodeRateLimited):
	default:
		s.options.Usage.Note(Use{
			KeyID: key.ID, ChainID: key.ChainID, WorkspaceID: key.WorkspaceID, Code: outcome.Code,
			At: at, IP: request.ClientIP, UserAgent: request.UserAgent,
		})
	}
	return outcome
}

// prefixOf is what stands before the last underscore; "" when there is none.
func prefixOf(secret string) string {
	return secret[:max(0, strings.LastIndexByte(secret, '_'))]
}
