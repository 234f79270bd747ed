package sealing

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

// DefaultMemoryDir is relative to the agent's home, as DefaultReportFile is.
const DefaultMemoryDir = "var/vault-seal"

// maxRemembered bounds the plans that are remembered; the oldest are forgotten first.
const maxRemembered = 1000

// Memory holds the plans that were obeyed. The manager sends an order again where it cannot tell whether it arrived,
// and execd keeps orders in a queue: one that is run after somebody has unsealed Vault must not seal it once more.
type Memory struct{ root *os.Root }

// OpenMemory opens the folder, and makes it if it is missing. It must be a real one of the user that this runs as, and
// closed to others: who can write there can have orders ignored. The folder above it is open to group wazuh.
func OpenMemory(dir string) (*Memory, error) {
	if err := os.MkdirAll(filepath.Dir(dir), 0o750); err != nil {
		return nil, fmt.Errorf("memory of obeyed orders: %w", err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("memory of obeyed orders: %w", err)
	}
	named, err := os.Lstat(dir)
	if err != nil {
		return nil, fmt.Errorf("memory of obeyed orders: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("memory of obeyed orders: %w", err)
	}
	if err := checkMemory(dir, named, root); err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return &Memory{root}, nil
}

func checkMemory(dir string, named os.FileInfo, root *os.Root) error {
	opened, err := root.Stat(".")
	if err != nil {
		return fmt.Errorf("memory of obeyed orders: %w", err)
	}
	stat, ok := opened.Sys().(*syscall.Stat_t)
	switch {
	case !named.IsDir() || !os.SameFile(named, opened):
		return fmt.Errorf("memory of obeyed orders: %s is not a folder: remove it", dir)
	case !ok || int(stat.Uid) != os.Geteuid():
		return fmt.Errorf("memory of obeyed orders: %s does not belong to user id %d, which this runs as: chown it", dir, os.Geteuid())
	case opened.Mode().Perm()&0o022 != 0:
		return fmt.Errorf("memory of obeyed orders: %s has mode %04o, so others can change it: chmod 0700 it", dir, opened.Mode().Perm())
	}
	return nil
}

// Close closes the folder.
func (m *Memory) Close() error { return m.root.Close() }

func fileOf(plan string) string { return "obeyed-" + plan }

// Obeyed says whether and when a plan was obeyed. NoPlan never was: such orders cannot be told apart.
func (m *Memory) Obeyed(plan string) (at time.Time, obeyed bool, err error) {
	if plan == NoPlan {
		return time.Time{}, false, nil
	}
	info, err := m.root.Lstat(fileOf(plan))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return time.Time{}, false, nil
	case err != nil:
		return time.Time{}, false, fmt.Errorf("memory of obeyed orders: %w", err)
	}
	return info.ModTime(), true, nil
}

// Remember notes that a plan was obeyed, on the disk when it returns nil.
func (m *Memory) Remember(plan string) error {
	if plan == NoPlan {
		return nil
	}
	file, err := m.root.OpenFile(fileOf(plan), os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("memory of obeyed orders: %w", err)
	}
	if err := errors.Join(file.Sync(), file.Close(), m.sync()); err != nil {
		return fmt.Errorf("memory of obeyed orders: %w", err)
	}
	return m.forget()
}

// sync puts the folder's names on the disk.
func (m *Memory) sync() error {
	folder, err := m.root.Open(".")
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

// forget removes the oldest beyond the bound.
func (m *Memory) forget() error {
	entries, err := fs.ReadDir(m.root.FS(), ".")
	if err != nil {
		return fmt.Errorf("memory of obeyed orders: %w", err)
	}
	if len(entries) <= maxRemembered {
		return nil
	}
	var files []fs.FileInfo
	for _, entry := range entries {
		if info, err := entry.Info(); err == nil { // one that has just gone needs no forgetting
			files = append(files, info)
		}
	}
	slices.SortFunc(files, func(a, b fs.FileInfo) int { return cmp.Compare(a.ModTime().UnixNano(), b.ModTime().UnixNano()) })
	var errs []error
	for _, file := range files[:max(len(files)-maxRemembered, 0)] {
		errs = append(errs, m.root.Remove(file.Name()))
	}
	return errors.Join(errs...)
}
