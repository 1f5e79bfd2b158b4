package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/gofrs/flock"
	"modernc.org/sqlite"
	sqlitelib "modernc.org/sqlite/lib"

	"github.com/keypin/keypin/internal/store/sqlite/db"
)

// Options say which database to open.
type Options struct {
	// Path is the database file. Its folder must exist; the file is created with
	// mode 0600 when it is not there.
	Path string
	// Migrate applies missing migrations first. Without it a database that lacks
	// some is refused.
	Migrate bool
	// Readers is the number of connections that read; 0 means 2 more than processors
	// to run on, at most 8: reading is mostly computing.
	Readers int
}

func defaultReaders() int { return min(runtime.GOMAXPROCS(0)+2, 8) }

// The busy_timeout (ms) comes first, since the pragmas behind it take locks.
// journal_mode stays with the file, so the readers need not set it. A connection's
// own cache (KiB) holds the upper levels of the trees; for the rest there is the
// system's, which all connections share.
func writerPragmas() []string {
	return []string{
		"busy_timeout(5000)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(ON)",
		"cache_size(-8192)", "wal_autocheckpoint(4000)", "journal_size_limit(67108864)",
	}
}

func readerPragmas() []string {
	return []string{
		"busy_timeout(5000)", "synchronous(FULL)", "foreign_keys(ON)", "cache_size(-6144)", "query_only(ON)",
	}
}

// Open opens the database, for this process alone: caches of what is in it are told of
// the changes that this process makes, and of no others. Its errors are for the operator:
// they say what to do.
func Open(ctx context.Context, options Options) (*Store, error) {
	if err := createFile(options.Path); err != nil {
		return nil, err
	}
	if options.Readers <= 0 {
		options.Readers = defaultReaders()
	}
	s := &Store{lock: flock.New(options.Path+".lock", flock.SetPermissions(0o600))}
	free, err := s.lock.TryLock()
	switch {
	case err != nil:
		return nil, fmt.Errorf("locking %s: %w", s.lock.Path(), err)
	case !free:
		return nil, fmt.Errorf("another process holds %s: stop it, or serve from another database; one SQLite file is for one process", s.lock.Path())
	}
	if err := s.open(ctx, options); err != nil {
		return nil, errors.Join(err, s.release())
	}
	go s.writer.run()
	return s, nil
}

// open fills s as far as it comes; what it leaves behind is for release.
func (s *Store) open(ctx context.Context, options Options) (err error) {
	if s.writing, err = openWriting(ctx, options.Path); err != nil {
		return err
	}
	version, err := schemaVersion(ctx, s.writing)
	if err == nil && options.Migrate && version < SchemaVersion {
		_, version, err = migrate(ctx, s.writing)
	}
	switch {
	case err != nil:
		return err
	case version > SchemaVersion:
		return errNewer(version)
	case version < SchemaVersion:
		return errOlder(version)
	}
	if s.writer, err = newWriter(ctx, s.writing); err != nil {
		return fmt.Errorf("preparing to write to the database: %w", err)
	}
	if s.reading, err = openPool(options.Path, readerPragmas, options.Readers); err != nil {
		return err
	}
	queries, err := db.Prepare(ctx, s.reading)
	if err != nil {
		return fmt.Errorf("preparing to read from the database: %w", err)
	}
	if s.pages, err = preparePages(ctx, s.reading); err != nil {
		return fmt.Errorf("preparing to read from the database: %w", err)
	}
	s.reader = reader{queries: queries, enter: s.enter, fail: s.fail}
	return nil
}

// createFile makes the database file if it is not there. SQLite gives the files that
// it puts beside it the same mode.
func createFile(path string) error {
	if path == "" {
		return errors.New("the database needs a path, such as sqlite:///var/lib/keypin/keypin.db")
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("the folder %s of the database does not exist: create it", filepath.Dir(path))
	case err != nil:
		return fmt.Errorf("the database file must be readable and writable for this user: %w", err)
	}
	return f.Close()
}

// openWriting opens the connection that writes. When several processes turn a new file
// to WAL at once, SQLite does not wait for the busy_timeout, because they wait for one
// another: it refuses all but one of them, who then ask again.
func openWriting(ctx context.Context, path string) (*sql.DB, error) {
	const pause, patience = 10 * time.Millisecond, 5 * time.Second
	pool, err := openPool(path, writerPragmas, 1)
	if err != nil {
		return nil, err
	}
	begun := time.Now()
	for {
		var engine *sqlite.Error
		err = pool.PingContext(ctx)
		if !errors.As(err, &engine) || engine.Code()&primary != sqlitelib.SQLITE_BUSY || time.Since(begun) > patience {
			break
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("opening the database (is the file an SQLite database?): %w", err), pool.Close())
	}
	return pool, nil
}

// openPool makes a pool of at most size connections, each with the pragmas.
func openPool(path string, pragmas func() []string, size int) (*sql.DB, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("finding the database file: %w", err)
	}
	dsn := url.URL{
		Scheme:   "file",
		Path:     path,
		RawQuery: url.Values{"_pragma": pragmas(), "_txlock": {"immediate"}}.Encode(),
	}
	connector, err := sqlite.NewConnector(dsn.String())
	if err != nil {
		return nil, fmt.Errorf("opening the database: %w", err)
	}
	pool := sql.OpenDB(connector)
	pool.SetMaxOpenConns(size)
	pool.SetMaxIdleConns(size)
	return pool, nil
}
