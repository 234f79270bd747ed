// Package store is the daemon's state: one SQLite database (WAL, synchronous FULL) in a folder that one process
// owns at a time. It may import the packages whose values it keeps. It decides nothing: what a row means is its
// consumer's affair, and each consumer declares the few methods that it needs.
package store

import (
	"context"
	"database/sql"
	_ "embed"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
	_ "modernc.org/sqlite" // the driver called "sqlite"
)

//go:embed schema.sql
var schema string

// schemaVersion is that of schema.sql. A database of another version is refused.
const schemaVersion = 1

// ErrLocked says that another process owns the store.
var ErrLocked = errors.New("the store is in use by another process")

// Store is the open database.
type Store struct {
	writer *sql.DB // one connection: SQLite has one writer, and waiting for it in Go is fairer than in SQLite
	reader *sql.DB
	lock   *os.File
}

// Open takes the folder's lock and opens the database, which it makes if need be. The folder must be there, and
// nobody else's.
func Open(ctx context.Context, dir string) (*Store, error) {
	if err := checkDir(dir); err != nil {
		return nil, err
	}
	lock, err := takeLock(filepath.Join(dir, "lock"))
	if err != nil {
		return nil, err
	}
	s := &Store{lock: lock}
	path := filepath.Join(dir, "state.db")
	if s.writer, err = open(path, 1); err == nil {
		if s.reader, err = open(path, 4); err == nil {
			err = s.migrate(ctx)
		}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open store %s: %w", path, err), s.Close())
	}
	return s, nil
}

func checkDir(dir string) error {
	info, err := os.Stat(dir)
	switch {
	case err != nil:
		return fmt.Errorf("store folder: %w: make it with mode 0700 for the user of the daemon", err)
	case !info.IsDir():
		return fmt.Errorf("store folder %s is not a folder", dir)
	case info.Mode().Perm()&0o077 != 0:
		return fmt.Errorf("store folder %s has mode %04o: chmod 0700 it, since it holds who did what", dir, info.Mode().Perm())
	}
	return nil
}

func takeLock(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the store's lock: %w", err)
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("%w (%s): is enrich serve running?", ErrLocked, path), file.Close())
	}
	return file, nil
}

func open(path string, connections int) (*sql.DB, error) {
	query := url.Values{
		"_txlock": {"immediate"},
		"_pragma": {"busy_timeout(5000)", "journal_mode(WAL)", "synchronous(FULL)"},
	}
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?"+query.Encode())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	return db, nil
}

func (s *Store) migrate(ctx context.Context) error {
	return s.write(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, schema); err != nil {
			return fmt.Errorf("make tables: %w", err)
		}
		var version int
		switch err := tx.QueryRowContext(ctx, `SELECT version FROM schema_version`).Scan(&version); {
		case errors.Is(err, sql.ErrNoRows):
			_, err := tx.ExecContext(ctx, `INSERT INTO schema_version (version) VALUES ($1)`, schemaVersion)
			return err
		case err != nil:
			return err
		case version != schemaVersion:
			return fmt.Errorf("its schema is version %d, this program's is %d", version, schemaVersion)
		}
		return nil
	})
}

// Close closes the database and gives the lock back.
func (s *Store) Close() error {
	var errs []error
	for _, db := range []*sql.DB{s.reader, s.writer} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	return errors.Join(append(errs, s.lock.Close())...)
}

// write runs f in one transaction, which is on the disk when write returns nil.
func (s *Store) write(ctx context.Context, f func(*sql.Tx) error) error {
	tx, err := s.writer.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	if err := f(tx); err != nil {
		if rollback := tx.Rollback(); rollback != nil && !errors.Is(rollback, sql.ErrTxDone) {
			return errors.Join(err, rollback)
		}
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func timeOf(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}
