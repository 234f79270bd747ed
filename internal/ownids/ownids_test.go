package ownids

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

func take(t *testing.T, store string) ([]string, error) {
	t.Helper()
	var ids []string
	err := Take(store, func(id string) { ids = append(ids, id) })
	slices.Sort(ids)
	return ids, err
}

func TestWhatIsLeftIsTakenOnce(t *testing.T) {
	t.Parallel()
	store := t.TempDir()
	var notes Notes
	notes.Own("b", time.Now())
	notes.Own("a", time.Now())
	for _, ids := range [][]string{notes.IDs(), {"c"}, nil} {
		if err := Leave(store, ids); err != nil {
			t.Fatal(err)
		}
	}
	if info, err := os.Stat(Dir(store)); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("folder: %v, %v", info, err)
	}
	if ids, err := take(t, store); err != nil || !slices.Equal(ids, []string{"a", "b", "c"}) {
		t.Errorf("%v, %v", ids, err)
	}
	if ids, err := take(t, store); err != nil || len(ids) != 0 {
		t.Errorf("again: %v, %v", ids, err)
	}
}

func TestWithoutADaemonsFolderNothingIsLeft(t *testing.T) {
	t.Parallel()
	store := filepath.Join(t.TempDir(), "none")
	if err := Leave(store, []string{"a"}); err != nil {
		t.Error(err)
	}
	if ids, err := take(t, store); err != nil || len(ids) != 0 {
		t.Errorf("%v, %v", ids, err)
	}
}

func TestOddFilesAreRemovedAndTold(t *testing.T) {
	t.Parallel()
	store := t.TempDir()
	if err := Leave(store, []string{"good"}); err != nil {
		t.Fatal(err)
	}
	dir := Dir(store)
	for _, err := range []error{
		os.WriteFile(filepath.Join(dir, "large.ids"), make([]byte, maxFile+1), 0o600),
		os.WriteFile(filepath.Join(dir, "long.ids"), []byte(strings.Repeat("x", maxID+1)+"\n\n"), 0o600),
		os.WriteFile(filepath.Join(dir, "unfinished"), []byte("half"), 0o600),
		os.Symlink("/etc/passwd", filepath.Join(dir, "link.ids")),
		syscall.Mkfifo(filepath.Join(dir, "fifo.ids"), 0o600),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	ids, err := take(t, store)
	if !slices.Equal(ids, []string{"good"}) || err == nil {
		t.Errorf("%v, %v", ids, err)
	}
	if ids, err := take(t, store); err != nil || len(ids) != 0 {
		t.Errorf("again: %v, %v", ids, err)
	}
}
