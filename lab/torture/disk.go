package torture

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Sizes of the file systems of the store and of the journal: small enough to be filled, large enough for a run.
const (
	storeSize   = "256m"
	journalSize = "256m"
)

// mountOver mounts a small file system over a folder and takes along what is in it.
func mountOver(folder, size string) error {
	files, err := readFiles(folder)
	if err != nil {
		return err
	}
	info, err := os.Stat(folder)
	if err != nil {
		return err
	}
	if err := syscall.Mount("none", folder, "tmpfs", 0, "size="+size); err != nil {
		return fmt.Errorf("mount a small file system on %s: %w", folder, err)
	}
	return errors.Join(os.Chmod(folder, info.Mode().Perm()), writeFiles(folder, files))
}

// unmountFrom takes it away again, and puts what is in it into the folder below it.
func unmountFrom(folder string) error {
	files, err := readFiles(folder)
	if err != nil {
		return err
	}
	if err := syscall.Unmount(folder, syscall.MNT_DETACH); err != nil {
		return fmt.Errorf("unmount %s: %w", folder, err)
	}
	old, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	for _, entry := range old {
		if err := os.Remove(filepath.Join(folder, entry.Name())); err != nil {
			return err
		}
	}
	return writeFiles(folder, files)
}

type content struct {
	text []byte
	mode fs.FileMode
}

func readFiles(folder string) (map[string]content, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	files := make(map[string]content)
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil {
			return nil, err
		}
		if !info.Mode().IsRegular() {
			continue
		}
		text, err := os.ReadFile(filepath.Join(folder, entry.Name()))
		if err != nil {
			return nil, err
		}
		files[entry.Name()] = content{text, info.Mode().Perm()}
	}
	return files, nil
}

func writeFiles(folder string, files map[string]content) error {
	for name, file := range files {
		if err := os.WriteFile(filepath.Join(folder, name), file.text, file.mode); err != nil {
			return err
		}
	}
	return nil
}

// mounted says whether a folder is the root of a file system.
func mounted(folder string) bool {
	here, err := os.Stat(folder)
	if err != nil {
		return false
	}
	above, err := os.Stat(filepath.Dir(folder))
	if err != nil {
		return false
	}
	a, okA := here.Sys().(*syscall.Stat_t)
	b, okB := above.Sys().(*syscall.Stat_t)
	return okA && okB && a.Dev != b.Dev
}
