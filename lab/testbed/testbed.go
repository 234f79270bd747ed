// Package testbed is what the tests of the lab's daemons share: a home, programs in it, and patience. Only tests import
// it; it imports the standard library.
package testbed

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// Patience bounds what a test waits for. One that passes never uses it up, on however busy a machine.
const Patience = time.Minute

// Home is a new folder with a short path: that of a unix socket has at most 107 bytes (unix(7)), and t.TempDir's holds
// the test's name.
func Home(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "lab")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// Write writes a file that may be a program, and makes its folder.
func Write(t testing.TB, path string, mode os.FileMode, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	// No process is forked meanwhile: it would hold the file open for writing for a moment, and a program that is open so cannot be run.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

// Until waits until something holds.
func Until(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(Patience); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited %v for %s", Patience, what)
		}
	}
}
