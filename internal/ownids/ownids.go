// Package ownids hands on what was asked of Vault with our token to a daemon that would otherwise take it for an
// intruder's: a command leaves the ids of its requests to the running daemon, which takes the file away, and a daemon
// keeps a diary for the one that runs after it. It may import the standard library only, and must never hold anything
// but ids and paths.
package ownids

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Bounds on what the daemon takes.
const (
	maxFiles = 1000
	maxFile  = 64 << 10 // bytes
	maxID    = 128      // bytes
)

const suffix = ".ids"

// Dir is the folder of the files, below the daemon's own.
func Dir(storeDir string) string { return filepath.Join(storeDir, "own-requests") }

// Notes collects ids; it is a vaultlookup.Trace.
type Notes struct {
	mu  sync.Mutex
	ids []string
}

// Own notes one id.
func (n *Notes) Own(requestID string, _ time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.ids = append(n.ids, requestID)
}

// IDs gives what was noted.
func (n *Notes) IDs() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]string(nil), n.ids...)
}

// Leave leaves ids for the daemon. What root leaves is given to the owner of the daemon's folder.
func Leave(storeDir string, ids []string) (err error) {
	if len(ids) == 0 {
		return nil
	}
	owner, err := os.Stat(storeDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // no daemon has ever run here
	}
	if err != nil {
		return fmt.Errorf("leave request ids for the daemon: %w", err)
	}
	dir := Dir(storeDir)
	if err := os.Mkdir(dir, 0o700); err == nil {
		err = give(dir, owner)
		if err != nil {
			return err
		}
	} else if !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("leave request ids for the daemon: %w", err)
	}
	file, err := os.CreateTemp(dir, ".new-*") // 0600; the daemon looks at names that end in .ids only
	if err != nil {
		return fmt.Errorf("leave request ids for the daemon: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(file.Name()))
		}
	}()
	_, err = file.WriteString(strings.Join(ids, "\n") + "\n")
	if err = errors.Join(err, file.Close(), give(file.Name(), owner)); err != nil {
		return fmt.Errorf("leave request ids for the daemon: %w", err)
	}
	return os.Rename(file.Name(), file.Name()+suffix)
}

func give(path string, owner fs.FileInfo) error {
	stat, ok := owner.Sys().(*syscall.Stat_t)
	if !ok || os.Geteuid() != 0 {
		return nil
	}
	return os.Chown(path, int(stat.Uid), int(stat.Gid))
}

// Take reads and removes what commands have left, and calls own for each id. A file that cannot be read is left out,
// and told in the error.
func Take(storeDir string, own func(id string)) error {
	dir := Dir(storeDir)
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("take request ids of commands: %w", err)
	}
	var errs []error
	taken := 0
	for _, entry := range entries {
		if !strings.HasSuffix(entry.Name(), suffix) || taken >= maxFiles {
			continue
		}
		taken++
		path := filepath.Join(dir, entry.Name())
		errs = append(errs, takeFile(path, own), os.Remove(path))
	}
	return errors.Join(errs...)
}

func takeFile(path string, own func(id string)) error {
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return fmt.Errorf("take request ids of a command: %w", err)
	}
	defer func() { _ = file.Close() }() // only read
	info, err := file.Stat()
	if err != nil {
		return fmt.Errorf("take request ids of a command: %w", err)
	}
	if !info.Mode().IsRegular() || info.Size() > maxFile {
		return fmt.Errorf("take request ids of a command: %s is not a regular file of at most %d bytes", path, maxFile)
	}
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		if id := lines.Text(); id != "" && len(id) <= maxID {
			own(id)
		}
	}
	return lines.Err()
}
