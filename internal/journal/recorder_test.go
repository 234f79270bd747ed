package journal

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// recorder is the real system, with every call written down, and with faults where a test wants
// them.
type recorder struct {
	kernel
	names  map[int]string // what is open
	calls  []string
	fail   map[string]error // by the call as it is written down; it then does nothing
	take   int              // when positive, the most bytes that a write takes
	before func(call string)
	clock  time.Time
	euid   int
}

func newRecorder() *recorder {
	return &recorder{names: map[int]string{}, fail: map[string]error{}, euid: os.Geteuid()}
}

func (r *recorder) note(format string, args ...any) error {
	call := fmt.Sprintf(format, args...)
	r.calls = append(r.calls, call)
	if r.before != nil {
		r.before(call)
	}
	return r.fail[call]
}

func (r *recorder) openat(dirfd int, name string, flags int, mode uint32) (int, error) {
	short := filepath.Base(name)
	if err := r.note("open %s", short); err != nil {
		return -1, err
	}
	fd, err := r.kernel.openat(dirfd, name, flags, mode)
	if err == nil {
		r.names[fd] = short
	}
	return fd, err
}

func (r *recorder) fstat(fd int, st *syscall.Stat_t) error {
	if err := r.note("stat %s", r.names[fd]); err != nil {
		return err
	}
	return r.kernel.fstat(fd, st)
}

func (r *recorder) fchmod(fd int, mode uint32) error {
	if err := r.note("chmod %s %#o", r.names[fd], mode); err != nil {
		return err
	}
	return r.kernel.fchmod(fd, mode)
}

func (r *recorder) flock(fd, how int) error {
	verb := "lock"
	if how == syscall.LOCK_UN {
		verb = "unlock"
	}
	if err := r.note("%s %s", verb, r.names[fd]); err != nil {
		return err
	}
	return r.kernel.flock(fd, how)
}

func (r *recorder) pread(fd int, p []byte, offset int64) (int, error) {
	if err := r.note("read %s", r.names[fd]); err != nil {
		return -1, err
	}
	return r.kernel.pread(fd, p, offset)
}

func (r *recorder) write(fd int, p []byte) (int, error) {
	if err := r.note("write %s", r.names[fd]); err != nil {
		return -1, err
	}
	if r.take > 0 && r.take < len(p) {
		p = p[:r.take]
	}
	return r.kernel.write(fd, p)
}

func (r *recorder) ftruncate(fd int, size int64) error {
	if err := r.note("truncate %s", r.names[fd]); err != nil {
		return err
	}
	return r.kernel.ftruncate(fd, size)
}

func (r *recorder) fdatasync(fd int) error {
	if err := r.note("fdatasync %s", r.names[fd]); err != nil {
		return err
	}
	return r.kernel.fdatasync(fd)
}

func (r *recorder) fsync(fd int) error {
	if err := r.note("fsync %s", r.names[fd]); err != nil {
		return err
	}
	return r.kernel.fsync(fd)
}

func (r *recorder) unlinkat(dirfd int, name string) error {
	if err := r.note("unlink %s", name); err != nil {
		return err
	}
	return r.kernel.unlinkat(dirfd, name)
}

// close closes even when it is to fail, as Linux does.
func (r *recorder) close(fd int) error {
	name := r.names[fd]
	delete(r.names, fd)
	err := r.note("close %s", name)
	if cerr := r.kernel.close(fd); cerr != nil {
		return cerr
	}
	return err
}

func (r *recorder) geteuid() int { return r.euid }

func (r *recorder) now() time.Time { return r.clock }

func (r *recorder) sleep(d time.Duration) {
	_ = r.note("sleep")
	r.clock = r.clock.Add(d)
}

// without leaves out the calls that only look.
func without(calls []string, verbs ...string) string {
	var left []string
	for _, call := range calls {
		verb, _, _ := strings.Cut(call, " ")
		skip := false
		for _, v := range verbs {
			skip = skip || v == verb
		}
		if !skip {
			left = append(left, call)
		}
	}
	return strings.Join(left, "\n")
}

// at is the instant of all tests here, hour its file, and folder makes a journal folder.
var at = time.Date(2026, 11, 24, 14, 30, 0, 0, time.UTC)

const hour = "2026112414.jsonl"

func folder(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "custom-vault", "journal")
	if err := os.MkdirAll(dir, 0o750); err != nil {
		t.Fatal(err)
	}
	chmod(t, dir, 0o770)
	return dir
}

func chmod(t *testing.T, name string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(name, mode); err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, name, content string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(content), 0o640); err != nil {
		t.Fatal(err)
	}
}

func content(t *testing.T, name string) string {
	t.Helper()
	got, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(got)
}
