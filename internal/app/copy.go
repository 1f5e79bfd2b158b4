package app

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/keypin/keypin/internal/keypin"
	"github.com/keypin/keypin/internal/store/postgres"
	"github.com/keypin/keypin/internal/store/sqlite"
	"github.com/keypin/keypin/internal/store/transfer"
)

// TableSum is what a table holds: how many rows, and the SHA-256 of all.
type TableSum = transfer.Sum

// Copy makes the PostgreSQL database to equal to the SQLite database from, whose service
// may run meanwhile, and compares them. told hears how far each table is.
func Copy(ctx context.Context, from, to keypin.Secret, told func(table string, rows, written int64, done bool)) (sums []TableSum, err error) {
	source, err := sqlite.OpenOriginal(ctx, strings.TrimPrefix(from.Reveal(), "sqlite://"))
	if err != nil {
		return nil, fmt.Errorf("from: %w", err)
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	target, err := postgres.OpenDuplicate(ctx, to)
	if err != nil {
		return nil, fmt.Errorf("to: %w", err)
	}
	defer func() { err = errors.Join(err, target.Close()) }()
	sums, err = transfer.Copy(ctx, source, target, told)
	if errors.Is(err, transfer.ErrDiffer) {
		err = fmt.Errorf("%w: what it held when the copy began is copied; make the service read-only (KEYPIN_READ_ONLY=true) and copy once more", err)
	}
	return sums, err
}
