package queue_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"custom-vault/lab/osseclog"
	"custom-vault/lab/queue"
	"custom-vault/lab/testbed"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// desk is a queue and what was handled.
type desk struct {
	*queue.Queue
	cfg  queue.Config
	log  *osseclog.Memory
	mu   sync.Mutex
	seen [][]byte
	hold chan struct{} // if not nil, each event waits for it
}

func (d *desk) handle(frame []byte, _ time.Time) {
	if d.hold != nil {
		<-d.hold
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.seen = append(d.seen, frame)
}

func (d *desk) frames() [][]byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.seen
}

func open(t *testing.T, change func(*queue.Config)) *desk {
	t.Helper()
	home := testbed.Home(t)
	d := &desk{log: &osseclog.Memory{}}
	d.cfg = queue.Config{Path: filepath.Join(home, "sockets/queue"), StateFile: filepath.Join(home, "run/state"),
		Log: osseclog.Logger{Program: "wazuh-analysisd", Sink: d.log}}
	if change != nil {
		change(&d.cfg)
	}
	d.listen(t)
	return d
}

func (d *desk) listen(t *testing.T) {
	t.Helper()
	q, err := queue.Listen(d.cfg)
	if err != nil {
		t.Fatal(err)
	}
	d.Queue = q
}

// serve starts serving and returns what ends it.
func (d *desk) serve(t *testing.T) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	q := d.Queue
	go func() { done <- q.Serve(ctx, d.handle) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
	t.Cleanup(stop)
	return stop
}

func dial(t *testing.T, path string) *net.UnixConn {
	t.Helper()
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetWriteDeadline(time.Now().Add(testbed.Patience)); err != nil {
		t.Fatal(err)
	}
	return conn
}

func TestSocketIsOpenToItsGroup(t *testing.T) {
	t.Parallel()
	d := open(t, nil)
	d.serve(t)
	for path, want := range map[string]os.FileMode{d.cfg.Path: 0o660, filepath.Dir(d.cfg.Path): 0o770} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s has mode %o, want %o", path, got, want)
		}
	}
}

func TestLongDatagramsAreCutAndNULEndsAnEvent(t *testing.T) {
	t.Parallel()
	d := open(t, nil)
	d.serve(t)
	conn := dial(t, d.cfg.Path)
	for _, frame := range [][]byte{bytes.Repeat([]byte("x"), 65535), bytes.Repeat([]byte("y"), 70000), []byte("1:a:b\x00c")} {
		if _, err := conn.Write(frame); err != nil {
			t.Fatal(err)
		}
	}
	testbed.Until(t, "three events", func() bool { return len(d.frames()) == 3 })
	got := d.frames()
	if len(got[0]) != 65535 || len(got[1]) != 65535 || string(got[2]) != "1:a:b" {
		t.Errorf("got %d, %d bytes and %q", len(got[0]), len(got[1]), got[2])
	}
}

func TestFullQueueDropsWithoutAWordToTheSender(t *testing.T) {
	t.Parallel()
	const depth, sent = 4, 20
	d := open(t, func(cfg *queue.Config) { cfg.Depth = depth })
	d.hold = make(chan struct{})
	stop := d.serve(t)
	conn := dial(t, d.cfg.Path)
	for range sent {
		if _, err := conn.Write([]byte("1:a:b")); err != nil {
			t.Fatalf("the sender learnt of it: %v", err)
		}
	}
	testbed.Until(t, "all to be received", func() bool { return d.Counters().Received == sent })
	close(d.hold)
	testbed.Until(t, "the rest to be handled", func() bool { c := d.Counters(); return c.Processed+c.Dropped == sent })
	c := d.Counters()
	if c.Dropped < sent-depth-1-1 || c.Dropped >= sent {
		t.Errorf("dropped %d of %d with a queue of %d", c.Dropped, sent, depth)
	}
	if got := d.log.Lines(); len(got) != 1 || got[0] != "wazuh-analysisd: WARNING: Input queue is full." {
		t.Errorf("logged %q, want the warning once", got)
	}
	stop()
	state, err := os.ReadFile(d.cfg.StateFile)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"events_received='20'", "event_queue_size='4'", "events_dropped='" + strings.TrimSpace(uintText(c.Dropped)) + "'"} {
		if !strings.Contains(string(state), want) {
			t.Errorf("%s is not in the state file:\n%s", want, state)
		}
	}
}

func uintText(n uint64) string {
	var digits []byte
	for ; n > 0; n /= 10 {
		digits = append([]byte{byte('0' + n%10)}, digits...)
	}
	return string(digits)
}

func TestAConnectedSenderHasToConnectAgainAfterARestart(t *testing.T) {
	t.Parallel()
	d := open(t, nil)
	stop := d.serve(t)
	conn := dial(t, d.cfg.Path)
	stop()
	send := func() error {
		_, err := conn.Write([]byte("1:a:b"))
		return err
	}
	if err := send(); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("first after the stop: %v", err)
	}
	if err := send(); !errors.Is(err, syscall.ENOTCONN) {
		t.Errorf("second: %v", err)
	}
	if _, err := os.Stat(d.cfg.Path); err != nil {
		t.Errorf("the socket's file is gone: %v", err)
	}
	d.listen(t)
	d.serve(t)
	if err := send(); !errors.Is(err, syscall.ENOTCONN) {
		t.Errorf("after the restart, old socket: %v", err)
	}
	if _, err := dial(t, d.cfg.Path).Write([]byte("1:a:b")); err != nil {
		t.Errorf("after the restart, new socket: %v", err)
	}
}

func TestPauseLetsTheKernelsQueueFill(t *testing.T) {
	t.Parallel()
	d := open(t, nil)
	d.serve(t)
	d.Pause()
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_DGRAM|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	sent, to := 0, &syscall.SockaddrUnix{Name: d.cfg.Path}
	for err == nil && sent < 100000 {
		if err = syscall.Sendto(fd, []byte("1:a:b"), 0, to); err == nil {
			sent++
		}
	}
	if !errors.Is(err, syscall.EAGAIN) {
		t.Errorf("a full queue says %v, want EAGAIN", err)
	}
	if n := len(d.frames()); n != 0 {
		t.Errorf("%d events were read in the pause", n)
	}
	d.Resume()
	testbed.Until(t, "what was waiting", func() bool { return len(d.frames()) == sent })
}

func TestCapacityBoundsTheRate(t *testing.T) {
	t.Parallel()
	const perSecond, sent = 200, 40
	d := open(t, func(cfg *queue.Config) { cfg.Capacity = perSecond })
	d.serve(t)
	conn, began := dial(t, d.cfg.Path), time.Now()
	for range sent {
		if _, err := conn.Write([]byte("1:a:b")); err != nil {
			t.Fatal(err)
		}
	}
	testbed.Until(t, "all events", func() bool { return len(d.frames()) == sent })
	if took, least := time.Since(began), time.Second*(sent-2)/perSecond; took < least {
		t.Errorf("%d events took %v, want at least %v", sent, took, least)
	}
}
