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
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"modernc.org/sqlite" // and the driver called "sqlite"
	sqlite3 "modernc.org/sqlite/lib"
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
	known  *sql.Stmt // of reader
	lock   *os.File

	crashed  time.Time            // when the process before last wrote, if it was killed
	prepared map[string]*sql.Stmt // of writer, by their text: what is run for every alert
	seq      int64                // of the last event put into the outbox; whoever holds the writer's connection owns it
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
	path := filepath.Join(dir, "state.db")
	s := &Store{lock: lock, prepared: make(map[string]*sql.Stmt), crashed: crashOf(path)}
	if err := s.open(ctx, path); err != nil {
		return nil, errors.Join(fmt.Errorf("open store %s: %w%s", path, err, hint(err)), s.Close())
	}
	return s, nil
}

// hint says what the operator can do about an error of SQLite's.
func hint(err error) string {
	var failed *sqlite.Error
	if !errors.As(err, &failed) {
		return ""
	}
	switch failed.Code() & 0xff { // the rest says more about the same
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return ": the database is damaged: move its files away and start again; what was handled, published and planned is then not known any more," +
			" and alerts.json is read on from its end, or from --since"
	case sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN:
		return ": look at its disk: space, inodes, permissions, read-only remounts"
	}
	return ""
}

// crashOf goes by the write-ahead log, which the last connection that is closed removes.
func crashOf(path string) time.Time {
	info, err := os.Stat(path + "-wal")
	if err != nil || info.Size() == 0 {
		return time.Time{}
	}
	return info.ModTime()
}

// Crashed returns when the process that had the store before last wrote into it, if it was killed; else the zero time.
func (s *Store) Crashed() time.Time { return s.crashed }

func (s *Store) open(ctx context.Context, path string) (err error) {
	// As SQLite of every Linux distribution does: the same durability, without waiting for timestamps.
	if _, err = sqlite.Fdatasync(true); err != nil {
		return err
	}
	if s.writer, err = connect(path, 1, writerCache); err != nil {
		return err
	}
	if s.reader, err = connect(path, 4, readerCache); err != nil {
		return err
	}
	if err = s.migrate(ctx); err != nil {
		return err
	}
	for _, query := range []string{
		insertAlert, insertEvent, insertIntent, upsertIncident, upsertBookmark, markSeen, insertOwn, markSent, markUnsent,
	} {
		if s.prepared[query], err = s.writer.PrepareContext(ctx, query); err != nil {
			return err
		}
	}
	s.known, err = s.reader.PrepareContext(ctx, askKnown())
	return err
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
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return fmt.Errorf("store folder %s: its owner cannot be told on this system", dir)
	}
	return checkOwner(dir, int(stat.Uid), os.Geteuid())
}

// checkOwner keeps root out, too: files that root makes there are files that the daemon cannot open.
func checkOwner(dir string, owner, euid int) error {
	if owner != euid {
		return fmt.Errorf("store folder %s belongs to user id %d, and this runs as user id %d: run it as the folder's owner, such as with sudo -u", dir, owner, euid)
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

// Most that SQLite's page cache of each connection holds, in KiB. Readers look up keys, which are hashes and hit no page
// twice but the upper ones; the kernel holds the rest, and a page is not in memory five times.
const (
	writerCache = 2000
	readerCache = 500
)

func connect(path string, connections, cache int) (*sql.DB, error) {
	query := url.Values{
		"_txlock": {"immediate"},
		"_pragma": {"busy_timeout(5000)", "journal_mode(WAL)", "synchronous(FULL)", fmt.Sprintf("cache_size(-%d)", cache)},
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
	return s.write(ctx, func(w *writing) error {
		if _, err := w.tx.ExecContext(w.ctx, schema); err != nil {
			return fmt.Errorf("make tables: %w", err)
		}
		var version int
		switch err := w.tx.QueryRowContext(w.ctx, `SELECT version FROM schema_version`).Scan(&version); {
		case errors.Is(err, sql.ErrNoRows):
			if err := w.exec(`INSERT INTO schema_version (version) VALUES ($1)`, schemaVersion); err != nil {
				return err
			}
		case err != nil:
			return err
		case version != schemaVersion:
			return fmt.Errorf("its schema is version %d, this program's is %d", version, schemaVersion)
		}
		return w.tx.QueryRowContext(w.ctx, `SELECT COALESCE(MAX(seq), 0) FROM outbox WHERE state IN ('pending', 'sent')`).Scan(&s.seq)
	})
}

// Close closes the database and gives the lock back.
func (s *Store) Close() error {
	var errs []error
	for _, statement := range append(slices.Collect(maps.Values(s.prepared)), s.known) {
		if statement != nil {
			errs = append(errs, statement.Close())
		}
	}
	for _, db := range []*sql.DB{s.reader, s.writer} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	return errors.Join(append(errs, s.lock.Close())...)
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
