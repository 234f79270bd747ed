package journal

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func TestAnHourThatWasReadToItsEndIsRemoved(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	name := filepath.Join(dir, hour)
	write(t, name, "line\n")
	if removed, err := Remove(dir, hour, 4); err != nil || removed {
		t.Errorf("not yet read to its end: %v, %v", removed, err)
	}
	if removed, err := Remove(dir, hour, 5); err != nil || !removed {
		t.Errorf("read to its end: %v, %v", removed, err)
	}
	if _, err := os.Stat(name); err == nil {
		t.Error("it is still there")
	}
	if removed, err := Remove(dir, hour, 5); err != nil || !removed {
		t.Errorf("not there any more: %v, %v", removed, err)
	}
}

func TestAnHourBeingWrittenStays(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	write(t, filepath.Join(dir, hour), "line\n")
	writer, err := os.Open(filepath.Join(dir, hour))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = writer.Close() }()
	if err := syscall.Flock(int(writer.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	if removed, err := Remove(dir, hour, 5); err != nil || removed {
		t.Errorf("locked: %v, %v", removed, err)
	}
	if got := content(t, filepath.Join(dir, hour)); got != "line\n" {
		t.Errorf("the file holds %q", got)
	}
}

func TestOnlyHoursAreRemoved(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	write(t, filepath.Join(dir, "notes"), "")
	for _, name := range []string{"notes", "../journal/" + hour, ""} {
		if removed, err := Remove(dir, name, 0); err == nil || removed {
			t.Errorf("%q: %v, %v", name, removed, err)
		}
	}
	if err := os.Symlink("notes", filepath.Join(dir, hour)); err != nil {
		t.Fatal(err)
	}
	if removed, err := Remove(dir, hour, 0); err == nil || removed {
		t.Errorf("symlink: %v, %v", removed, err)
	}
}

func TestRemoveSaysWhatFailed(t *testing.T) {
	t.Parallel()
	for _, call := range []string{"open journal", "open " + hour, "lock " + hour, "stat " + hour, "unlink " + hour} {
		dir := folder(t)
		write(t, filepath.Join(dir, hour), "line\n")
		sys := newRecorder()
		sys.fail[call] = syscall.EIO
		if removed, err := remove(sys, dir, hour, 5); err == nil || removed {
			t.Errorf("%s: %v, %v", call, removed, err)
		}
		if len(sys.names) > 0 {
			t.Errorf("%s: left open: %v", call, sys.names)
		}
	}
}
