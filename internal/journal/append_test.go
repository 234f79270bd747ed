package journal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

func TestLinesAreAppendedAsTheyAre(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	lines := []string{`{"a":1}`, "{\"invalid\":\"\xff\xfe\x80\"}", strings.Repeat("x", 1<<20)}
	for _, line := range lines {
		if err := Append(dir, []byte(line), at); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := content(t, filepath.Join(dir, hour)), strings.Join(lines, "\n")+"\n"; got != want {
		t.Errorf("the file holds %.200q, want %.200q", got, want)
	}
}

func TestEachHourHasItsFile(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	for i := range 3 {
		if err := Append(dir, fmt.Appendf(nil, "line %d", i), at.Add(time.Duration(i)*30*time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	if got := content(t, filepath.Join(dir, hour)); got != "line 0\n" {
		t.Errorf("the first hour holds %q", got)
	}
	if got := content(t, filepath.Join(dir, "2026112415.jsonl")); got != "line 1\nline 2\n" {
		t.Errorf("the second hour holds %q", got)
	}
}

func TestTheLineIsOnTheDiskBeforeAppendReturns(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	for _, step := range []struct{ about, want string }{
		{"the hour's first line: the name is made durable as well", `
open custom-vault
open journal
close custom-vault
open 2026112414.jsonl
lock 2026112414.jsonl
fsync journal
write 2026112414.jsonl
unlock 2026112414.jsonl
fdatasync 2026112414.jsonl
close 2026112414.jsonl
close journal`},
		{"any other line", `
open custom-vault
open journal
close custom-vault
open 2026112414.jsonl
lock 2026112414.jsonl
write 2026112414.jsonl
unlock 2026112414.jsonl
fdatasync 2026112414.jsonl
close 2026112414.jsonl
close journal`},
	} {
		sys := newRecorder()
		if err := appendLine(sys, dir, []byte("line"), at); err != nil {
			t.Fatal(err)
		}
		if got := "\n" + without(sys.calls, "stat", "read", "chmod"); got != step.want {
			t.Errorf("%s: calls were%s\nwant%s", step.about, got, step.want)
		}
	}
}

func TestATornLineIsClosedByTheNext(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	write(t, filepath.Join(dir, hour), "whole\nto")
	sys := newRecorder()
	if err := appendLine(sys, dir, []byte("next"), at); err != nil {
		t.Fatal(err)
	}
	if got := content(t, filepath.Join(dir, hour)); got != "whole\nto\nnext\n" {
		t.Errorf("the file holds %q", got)
	}
	writes := 0
	for _, call := range sys.calls {
		if strings.HasPrefix(call, "write ") {
			writes++
		}
	}
	if writes != 1 {
		t.Errorf("%d writes, want the newline and the line in one", writes)
	}
}

func TestWhatTheDiskTakesInPartIsTakenBack(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		about, before, after string
		take                 int
	}{
		{"into a new file", "", "", 3},
		{"behind a whole line", "whole\n", "whole\n", 3},
		{"all but the newline", "whole\n", "whole\n", len("new line")},
		{"behind a torn line: it stays closed, a reader may be past it", "torn", "torn\n", 3},
		{"behind a torn line: only its newline", "torn", "torn\n", 1},
	} {
		t.Run(c.about, func(t *testing.T) {
			t.Parallel()
			dir := folder(t)
			write(t, filepath.Join(dir, hour), c.before)
			sys := newRecorder()
			sys.take = c.take
			err := appendLine(sys, dir, []byte("new line"), at)
			if err == nil || !strings.Contains(err.Error(), "free space") {
				t.Errorf("error is %v", err)
			}
			if got := content(t, filepath.Join(dir, hour)); got != c.after {
				t.Errorf("left behind: %q, want %q", got, c.after)
			}
		})
	}
}

func TestWhatCannotBeTakenBackIsClosedByTheNext(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	write(t, filepath.Join(dir, hour), "whole\n")
	sys := newRecorder()
	sys.take = 3
	sys.fail["truncate "+hour] = syscall.EIO
	if err := appendLine(sys, dir, []byte("new line"), at); !errors.Is(err, syscall.EIO) {
		t.Errorf("error is %v", err)
	}
	if err := Append(dir, []byte("next"), at); err != nil {
		t.Fatal(err)
	}
	if got := content(t, filepath.Join(dir, hour)); got != "whole\nnew\nnext\n" {
		t.Errorf("the file holds %q", got)
	}
}

func TestEachCallMayFail(t *testing.T) {
	t.Parallel()
	const before, whole = "whole\n", "whole\nnew line\n"
	for _, c := range []struct {
		call  string
		err   error
		after string
		says  string
	}{
		{"open custom-vault", syscall.ENOENT, before, "install -d"},
		{"open journal", syscall.ENOENT, before, "install -d"},
		{"open journal", syscall.EACCES, before, "chown wazuh:wazuh"},
		{"stat custom-vault", syscall.EIO, before, "custom-vault"},
		{"stat journal", syscall.EIO, before, "journal"},
		{"open " + hour, syscall.ENOSPC, before, "free space"},
		{"open " + hour, syscall.EACCES, before, "chown wazuh:wazuh"},
		{"open " + hour, syscall.EROFS, before, "dmesg"},
		{"lock " + hour, syscall.ENOLCK, before, "lock"},
		{"stat " + hour, syscall.EIO, before, "look at"},
		{"read " + hour, syscall.EIO, before, "read the end of"},
		{"write " + hour, syscall.ENOSPC, before, "free space"},
		{"write " + hour, syscall.EDQUOT, before, "free space"},
		{"write " + hour, syscall.EFBIG, before, "file size limit"},
		// The line is whole in the file, and a reader may have passed it: it must not be cut off.
		{"unlock " + hour, syscall.ENOLCK, whole, "unlock"},
		{"fdatasync " + hour, syscall.EIO, whole, "flush to disk"},
		{"close " + hour, syscall.EIO, whole, "close"},
	} {
		t.Run(c.call+" "+c.err.Error(), func(t *testing.T) {
			t.Parallel()
			dir := folder(t)
			write(t, filepath.Join(dir, hour), before)
			sys := newRecorder()
			sys.fail[c.call] = c.err
			err := appendLine(sys, dir, []byte("new line"), at)
			if !errors.Is(err, c.err) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("error is %v, want one that is %v and says %q", err, c.err, c.says)
			}
			if got := content(t, filepath.Join(dir, hour)); got != c.after {
				t.Errorf("left behind: %q, want %q", got, c.after)
			}
			if len(sys.names) > 0 {
				t.Errorf("left open: %v", sys.names)
			}
		})
	}
}

func TestTheNameMustBeDurableBeforeALineReliesOnIt(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	sys := newRecorder()
	sys.fail["fsync journal"] = syscall.EIO
	if err := appendLine(sys, dir, []byte("line"), at); !errors.Is(err, syscall.EIO) {
		t.Errorf("error is %v", err)
	}
	if got := content(t, filepath.Join(dir, hour)); got != "" {
		t.Errorf("the file holds %q", got)
	}
	sys = newRecorder()
	if err := appendLine(sys, dir, []byte("line"), at); err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(sys.calls, "fsync journal") {
		t.Error("the next writer did not flush the folder either")
	}
}

func TestTheModeDoesNotDependOnTheUmask(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	name := filepath.Join(dir, hour)
	write(t, name, "")
	for _, mode := range []os.FileMode{0o600, 0o640, 0o666} {
		chmod(t, name, mode)
		if err := Append(dir, []byte("line"), at); err != nil {
			t.Fatal(err)
		}
		st, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if st.Mode().Perm() != 0o640 {
			t.Errorf("from %v it became %v", mode, st.Mode())
		}
	}
}

func TestAWriterGivesUpWhenTheLockStaysTaken(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	sys := newRecorder()
	sys.fail["lock "+hour] = syscall.EWOULDBLOCK
	err := appendLine(sys, dir, []byte("line"), at)
	if err == nil || !strings.Contains(err.Error(), "another process has held it for 1s") {
		t.Errorf("error is %v", err)
	}
	if waited := sys.clock.Sub(time.Time{}); waited < LockWait || waited > LockWait+10*time.Millisecond {
		t.Errorf("waited %v, want %v", waited, LockWait)
	}
	if got := content(t, filepath.Join(dir, hour)); got != "" {
		t.Errorf("the file holds %q", got)
	}
}

func TestAWriterWaitsItsTurn(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	sys := newRecorder()
	sys.fail["lock "+hour] = syscall.EWOULDBLOCK
	sys.before = func(call string) {
		if call == "sleep" {
			delete(sys.fail, "lock "+hour)
		}
	}
	if err := appendLine(sys, dir, []byte("line"), at); err != nil {
		t.Fatal(err)
	}
	if got := content(t, filepath.Join(dir, hour)); got != "line\n" {
		t.Errorf("the file holds %q", got)
	}
}

func TestAFileRemovedUnderTheWriterIsMadeAnew(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	name := filepath.Join(dir, hour)
	write(t, name, "read\n")
	sys := newRecorder()
	sys.before = func(call string) {
		if call == "lock "+hour {
			sys.before = nil
			if err := os.Remove(name); err != nil {
				t.Error(err)
			}
		}
	}
	if err := appendLine(sys, dir, []byte("line"), at); err != nil {
		t.Fatal(err)
	}
	if got := content(t, name); got != "line\n" {
		t.Errorf("the file holds %q", got)
	}
	if len(sys.names) > 0 {
		t.Errorf("left open: %v", sys.names)
	}
}

func TestAFolderThatOthersCouldHaveChangedIsRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		about string
		spoil func(t *testing.T, dir string, sys *recorder)
		says  string
	}{
		{"missing", func(t *testing.T, dir string, _ *recorder) {
			if err := os.Remove(dir); err != nil {
				t.Fatal(err)
			}
		}, "install -d -o wazuh -g wazuh -m 0770"},
		{"symlink", func(t *testing.T, dir string, _ *recorder) { moveAndLink(t, dir) }, "no symlink"},
		{"symlink above", func(t *testing.T, dir string, _ *recorder) { moveAndLink(t, filepath.Dir(dir)) }, "no symlink"},
		{"a file", func(t *testing.T, dir string, _ *recorder) {
			if err := os.Remove(dir); err != nil {
				t.Fatal(err)
			}
			write(t, dir, "")
		}, "must be a directory"},
		{"readable by others", func(t *testing.T, dir string, _ *recorder) { chmod(t, dir, 0o774) }, "chmod 0770"},
		{"writable by others", func(t *testing.T, dir string, _ *recorder) { chmod(t, dir, 0o772) }, "chmod 0770"},
		{"searchable by others", func(t *testing.T, dir string, _ *recorder) { chmod(t, dir, 0o771) }, "chmod 0770"},
		{"replaceable by others", func(t *testing.T, dir string, _ *recorder) { chmod(t, filepath.Dir(dir), 0o777) }, "chmod o-w"},
		{"somebody else's", func(_ *testing.T, _ string, sys *recorder) { sys.euid++ }, "user wazuh"},
	} {
		t.Run(c.about, func(t *testing.T) {
			t.Parallel()
			dir := folder(t)
			sys := newRecorder()
			c.spoil(t, dir, sys)
			err := appendLine(sys, dir, []byte("line"), at)
			if err == nil || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), filepath.Dir(dir)) {
				t.Errorf("error is %v, want one that names the folder and says %q", err, c.says)
			}
			if _, err := os.Stat(filepath.Join(dir, hour)); err == nil {
				t.Error("a file was made all the same")
			}
			if len(sys.names) > 0 {
				t.Errorf("left open: %v", sys.names)
			}
		})
	}
}

func moveAndLink(t *testing.T, name string) {
	t.Helper()
	if err := os.Rename(name, name+".moved"); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(name+".moved", name); err != nil {
		t.Fatal(err)
	}
}

func TestAnHourThatIsNoRegularFileIsRefused(t *testing.T) {
	t.Parallel()
	for about, plant := range map[string]func(name string) error{
		"fifo":      func(name string) error { return syscall.Mkfifo(name, 0o640) },
		"directory": func(name string) error { return os.Mkdir(name, 0o750) },
		"symlink":   func(name string) error { return os.Symlink("elsewhere", name) },
	} {
		t.Run(about, func(t *testing.T) {
			t.Parallel()
			dir := folder(t)
			name := filepath.Join(dir, hour)
			if err := plant(name); err != nil {
				t.Fatal(err)
			}
			if err := Append(dir, []byte("line"), at); err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("error is %v", err)
			}
			if _, err := os.Lstat(filepath.Join(dir, "elsewhere")); err == nil {
				t.Error("the symlink was followed")
			}
		})
	}
}

func TestWhatIsNotOneLineIsRefused(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	for _, line := range []string{"", "\n", "line\n", "two\nlines"} {
		if err := Append(dir, []byte(line), at); err == nil {
			t.Errorf("%q was taken", line)
		}
	}
}

func TestWritersSideBySideKeepTheirLinesWhole(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	// The hour's first line is flushed under the lock, which a busy disk makes long.
	write(t, filepath.Join(dir, hour), "99 00 first\n")
	const writers, each = 16, 20
	var group sync.WaitGroup
	for w := range writers {
		group.Go(func() {
			for i := range each {
				line := fmt.Sprintf("%02d %02d %s", w, i, strings.Repeat(string(rune('a'+w)), 3000))
				if err := Append(dir, []byte(line), at); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	next := make([]int, writers)
	lines := strings.TrimPrefix(content(t, filepath.Join(dir, hour)), "99 00 first\n")
	for line := range strings.Lines(lines) {
		var w, i int
		var rest string
		if _, err := fmt.Sscanf(line, "%d %d %s\n", &w, &i, &rest); err != nil || rest != strings.Repeat(string(rune('a'+w)), 3000) {
			t.Fatalf("broken line %.80q", line)
		}
		if i != next[w] {
			t.Errorf("writer %d: line %d came where %d was due", w, i, next[w])
		}
		next[w] = i + 1
	}
	for w, n := range next {
		if n != each {
			t.Errorf("writer %d: %d lines of %d", w, n, each)
		}
	}
}
