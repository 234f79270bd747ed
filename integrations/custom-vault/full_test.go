package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestAFullDiskLeavesNothingHalfWritten fills a small tmpfs where the test may mount one; the
// limit on a file's size, below, makes the kernel cut a write short in the same way for anybody.
func TestAFullDiskLeavesNothingHalfWritten(t *testing.T) {
	t.Parallel()
	h := install(t)
	err := syscall.Mount("tmpfs", h.journal, "tmpfs", syscall.MS_NODEV|syscall.MS_NOSUID, "size=128k,mode=0770")
	if errors.Is(err, syscall.EPERM) {
		t.Log("may not mount a tmpfs: only the file size limit is tried")
		return
	}
	must(t, err)
	// Detached, since a child that another test is just starting may hold a descriptor in it until it execs.
	t.Cleanup(func() { must(t, syscall.Unmount(h.journal, syscall.MNT_DETACH)) })

	small, big := "{\"a\":1}\n", `{"a":"`+strings.Repeat("x", 40_000)+"\"}\n"
	h.run(t, alertFile(t, small)).taken(t)
	filler := filepath.Join(h.journal, "filler")
	must(t, os.WriteFile(filler, make([]byte, 96<<10), 0o640)) // what is free holds a part of the big alert

	h.run(t, alertFile(t, big)).refused(t, h.journal, "free space")
	if got := h.journalled(t); got != small {
		t.Errorf("left behind: %d bytes, want %q", len(got), small)
	}
	must(t, os.Remove(filler))
	h.run(t, alertFile(t, big)).taken(t)
	if got := h.journalled(t); got != small+big {
		t.Errorf("after space was freed the journal holds %d bytes, want both alerts", len(got))
	}
}

func TestAFileSizeLimitLeavesNothingHalfWritten(t *testing.T) {
	t.Parallel()
	h := install(t)
	small, big := "{\"a\":1}\n", `{"a":"`+strings.Repeat("x", 40_000)+"\"}\n"
	limited := func(blocks, alert string) outcome {
		cmd := h.command(alertFile(t, alert))
		cmd.Args = append([]string{"sh", "-c", "ulimit -f " + blocks + " && exec \"$0\" \"$@\"", h.hook}, cmd.Args[1:]...)
		cmd.Path = shell(t)
		return run1(t, cmd)
	}
	limited("8", small).taken(t)
	limited("8", big).refused(t, h.journal, "file size limit")
	limited("0", small).refused(t, h.journal, "file size limit") // the kernel sends SIGXFSZ as well
	if got := h.journalled(t); got != small {
		t.Errorf("left behind: %.300q, want %q", got, small)
	}
	h.run(t, alertFile(t, big)).taken(t)
	if got := h.journalled(t); got != small+big {
		t.Errorf("without the limit the journal holds %d bytes, want both alerts", len(got))
	}
}
