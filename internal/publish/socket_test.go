package publish

import (
	"bytes"
	"errors"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// queue is a queue socket as analysisd makes it.
type queue struct {
	path string
	conn *net.UnixConn
}

func listen(t testing.TB, path string) *queue {
	t.Helper()
	_ = os.Remove(path) // as analysisd does (os_net.c:137-187)
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram", Name: path})
	if err != nil {
		t.Fatal(err)
	}
	q := &queue{path, conn}
	t.Cleanup(q.stop)
	return q
}

// stop is what happens when analysisd ends: the file stays.
func (q *queue) stop() { _ = q.conn.Close() }

// next waits for the next datagram.
func (q *queue) next(t testing.TB) string {
	t.Helper()
	if err := q.conn.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, MaxFrame+1)
	n, err := q.conn.Read(buf)
	if err != nil {
		t.Fatalf("no datagram came: %v", err)
	}
	return string(buf[:n])
}

func socketPath(t testing.TB) string { return filepath.Join(t.TempDir(), "queue") }

func newSocket(t testing.TB, path string, timeout time.Duration) *Socket {
	t.Helper()
	s := NewSocket(path, timeout)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func refusal(t testing.TB, err error) Refusal {
	t.Helper()
	if err == nil {
		return ""
	}
	var refused *SendError
	if !errors.As(err, &refused) {
		t.Fatalf("error %v (%T), want a *SendError", err, err)
	}
	if !strings.Contains(err.Error(), refused.Path) || !strings.Contains(err.Error(), refused.Refusal.Hint()) {
		t.Errorf("%q does not say where and what to do", err)
	}
	return refused.Refusal
}

func TestSendArrivesWhole(t *testing.T) {
	t.Parallel()
	q := listen(t, socketPath(t))
	s := newSocket(t, q.path, 0)
	for _, n := range []int{4, 1000, MaxFrame} {
		frame := bytes.Repeat([]byte("x"), n)
		if err := s.Send(frame); err != nil {
			t.Fatal(err)
		}
		if got := q.next(t); got != string(frame) {
			t.Errorf("%d bytes came of %d", len(got), n)
		}
	}
}

func TestARestartOfAnalysisdIsSurvived(t *testing.T) {
	t.Parallel()
	q := listen(t, socketPath(t))
	s := newSocket(t, q.path, 0)
	if err := s.Send([]byte("before")); err != nil {
		t.Fatal(err)
	}
	q.stop()
	for range 3 {
		if r := refusal(t, s.Send([]byte("while it is down"))); r != RefusalDown {
			t.Errorf("while it is down: %q", r)
		}
	}
	q = listen(t, q.path)
	if err := s.Send([]byte("after")); err != nil {
		t.Fatal(err)
	}
	if got := q.next(t); got != "after" {
		t.Errorf("got %q", got)
	}
	// Stopped and started between two sends: the connected socket is dead, and only the send finds out.
	q.stop()
	q = listen(t, q.path)
	if err := s.Send([]byte("again")); err != nil {
		t.Fatal(err)
	}
	if got := q.next(t); got != "again" {
		t.Errorf("got %q", got)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	stream := filepath.Join(dir, "stream")
	l, err := net.Listen("unix", stream)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	q := listen(t, filepath.Join(dir, "queue"))
	for name, tc := range map[string]struct {
		path  string
		frame []byte
		want  Refusal
	}{
		"no file":                {filepath.Join(dir, "none"), []byte("x"), RefusalMissing},
		"no folder":              {filepath.Join(file, "queue"), []byte("x"), RefusalMissing},
		"ordinary file":          {file, []byte("x"), RefusalDown},
		"stream socket":          {stream, []byte("x"), RefusalWrongType},
		"over the send buffer":   {q.path, make([]byte, 8<<20), RefusalTooLong},
		"path too long for unix": {filepath.Join(dir, strings.Repeat("x", 200)), []byte("x"), RefusalOther},
	} {
		s := newSocket(t, tc.path, 0)
		r := refusal(t, s.Send(tc.frame))
		if r != tc.want || r.Retryable() == (r == RefusalTooLong) {
			t.Errorf("%s: %q, want %q", name, r, tc.want)
		}
		if tc.want != RefusalTooLong {
			if r := refusal(t, s.Ready()); r != tc.want {
				t.Errorf("%s: ready says %q, want %q", name, r, tc.want)
			}
		}
	}
}

func TestAUserOutsideGroupWazuhIsDenied(t *testing.T) {
	t.Parallel()
	q := listen(t, socketPath(t))
	if err := os.Chmod(q.path, 0); err != nil {
		t.Fatal(err)
	}
	s := newSocket(t, q.path, 0)
	result := make(chan error, 1)
	go func() {
		// Root may do anything, so this one thread becomes nobody; it stays locked, and ends with the goroutine.
		runtime.LockOSThread()
		if os.Geteuid() == 0 {
			if _, _, errno := syscall.RawSyscall(unix.SYS_SETRESUID, ^uintptr(0), 65534, ^uintptr(0)); errno != 0 {
				result <- errno
				return
			}
		}
		result <- s.Send([]byte("x"))
	}()
	if r := refusal(t, <-result); r != RefusalDenied {
		t.Errorf("got %q, want %q", r, RefusalDenied)
	}
}

func TestAFullQueueIsRefusedInTimeAndTakenLater(t *testing.T) {
	t.Parallel()
	q := listen(t, socketPath(t))
	s := newSocket(t, q.path, 20*time.Millisecond)
	taken := 0
	for ; taken < 100_000; taken++ {
		if err := s.Send([]byte("x")); err != nil {
			if r := refusal(t, err); r != RefusalFull {
				t.Fatalf("datagram %d: %q", taken, r)
			}
			break
		}
	}
	if taken == 0 || taken == 100_000 {
		t.Fatalf("%d datagrams went into a queue that nobody reads", taken)
	}
	q.next(t)
	if err := s.Send([]byte("last")); err != nil {
		t.Errorf("after one was read: %v", err)
	}
	for range taken - 1 {
		q.next(t)
	}
	if got := q.next(t); got != "last" {
		t.Errorf("the last one is %q", got)
	}
}

func TestRefusalsAreAClosedSet(t *testing.T) {
	t.Parallel()
	known := map[Refusal]bool{}
	for _, r := range Refusals() {
		if known[r] || r.Hint() == "" {
			t.Errorf("%q is listed twice or has no hint", r)
		}
		known[r] = true
	}
	for errno := syscall.Errno(1); errno < 200; errno++ {
		if r := refusalOf(errno); !known[r] {
			t.Errorf("%v gives %q, which is not listed", errno, r)
		}
	}
}
