// Package queue is analysisd's end of queue/sockets/queue: a datagram socket that anybody in its group may write to, read into a bounded queue
// that drops what it cannot hold, without a word to the sender.
//
// It may import lab/osseclog. It never looks into an event: that is the engine's.
package queue

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"custom-vault/lab/osseclog"
)

const (
	// ReceiveLimit is what OS_RecvUnix takes of a datagram; the rest is cut without a word (os_net.c:522).
	ReceiveLimit = 65535
	// DefaultDepth is analysisd.decode_event_queue_size.
	DefaultDepth = 16384
	// RealCapacity is what a real analysisd with one thread of each kind took of 1 kB events in a second, on two cores.
	RealCapacity = 8700
	// stateEvery is how often wazuh-analysisd.state is written.
	stateEvery = 5 * time.Second
)

// Handler takes one event: the datagram up to its first NUL. It runs on one goroutine, in order.
type Handler func(frame []byte, received time.Time)

// Config says where and how to listen.
type Config struct {
	// Path of the socket. Its folder is made with mode 0770 if it is missing.
	Path string
	// StateFile is var/run/wazuh-analysisd.state; empty: none is written.
	StateFile string
	// Depth of the decode queue; 0 means DefaultDepth.
	Depth int
	// Capacity is how many events are taken in a second, at most; 0 means as many as there are. The lab is faster than the real daemon: without a
	// bound a sender that does not pace itself would lose nothing.
	Capacity int
	// StateEvery is the period of the state file; 0 means 5 s.
	StateEvery time.Duration
	Log        osseclog.Logger
	Now        func() time.Time
	// UID and GID become the socket's owner when set (analysisd's socket is wazuh:wazuh). Only root can.
	UID, GID *int
}

// Counters are the numbers of wazuh-analysisd.state that the queue knows.
type Counters struct {
	Received, Decoded, Dropped, Processed uint64
}

// Queue is the listening socket.
type Queue struct {
	cfg    Config
	conn   *net.UnixConn
	events chan event

	received, decoded, dropped, processed atomic.Uint64

	pause   gate
	handled sync.WaitGroup
	done    chan struct{}
	closing atomic.Bool
}

type event struct {
	frame []byte
	at    time.Time
}

// Listen binds the socket, with mode 0660. From here on senders' datagrams are taken by the kernel, up to its net.unix.max_dgram_qlen; then
// they block until Serve is called. This is what a sender sees while analysisd loads its rules.
func Listen(cfg Config) (*Queue, error) {
	if cfg.Depth == 0 {
		cfg.Depth = DefaultDepth
	}
	if cfg.StateEvery == 0 {
		cfg.StateEvery = stateEvery
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if err := os.MkdirAll(filepath.Dir(cfg.Path), 0o770); err != nil {
		return nil, fmt.Errorf("make the folder of the queue socket: %w", err)
	}
	if err := os.Chmod(filepath.Dir(cfg.Path), 0o770); err != nil {
		return nil, fmt.Errorf("open the folder of the queue socket to its group: %w", err)
	}
	if err := os.Remove(cfg.Path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("remove the old queue socket: %w", err)
	}
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: cfg.Path, Net: "unixgram"})
	if err != nil {
		return nil, fmt.Errorf("listen on the queue socket: %w", err)
	}
	if err := permit(cfg); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return &Queue{cfg: cfg, conn: conn, events: make(chan event, cfg.Depth), done: make(chan struct{})}, nil
}

func permit(cfg Config) error {
	if err := os.Chmod(cfg.Path, 0o660); err != nil {
		return fmt.Errorf("set the queue socket's mode: %w", err)
	}
	if cfg.UID == nil || cfg.GID == nil {
		return nil
	}
	for _, path := range []string{cfg.Path, filepath.Dir(cfg.Path)} {
		if err := os.Chown(path, *cfg.UID, *cfg.GID); err != nil {
			return fmt.Errorf("set the queue socket's owner: %w", err)
		}
	}
	return nil
}

// Serve reads until ctx ends or Close is called, and returns when the last event that was taken has been handled. The socket's file stays, as
// the real daemon leaves it: who connects then gets ECONNREFUSED.
func (q *Queue) Serve(ctx context.Context, handle Handler) error {
	stop := context.AfterFunc(ctx, q.Close)
	defer stop()
	q.handled.Add(2)
	go q.decode(handle)
	go q.writeStates()
	err := q.receive()
	close(q.events)
	close(q.done)
	q.handled.Wait()
	return errors.Join(err, q.WriteState())
}

// Close ends Serve.
func (q *Queue) Close() {
	if q.closing.CompareAndSwap(false, true) {
		_ = q.conn.Close()
		q.pause.open()
	}
}

// Pause stops reading, as a stopped process does: the kernel's queue fills, then senders block or get EAGAIN. Resume goes on.
// It returns once the reader stands still; Serve has to be running.
func (q *Queue) Pause() {
	q.pause.close()
	// Wake the reader so that it notices; it reads nothing more until Resume.
	_ = q.conn.SetReadDeadline(time.Unix(1, 0))
	q.pause.waitParked(q.done)
}

// Resume ends a Pause.
func (q *Queue) Resume() {
	_ = q.conn.SetReadDeadline(time.Time{})
	q.pause.open()
}

// Counters returns the numbers so far.
func (q *Queue) Counters() Counters {
	return Counters{Received: q.received.Load(), Decoded: q.decoded.Load(), Dropped: q.dropped.Load(), Processed: q.processed.Load()}
}

func (q *Queue) receive() error {
	// One byte more than the limit would be cut by the kernel as well: recvfrom is given exactly the limit.
	buffer := make([]byte, ReceiveLimit)
	full := false
	for {
		q.pause.wait()
		n, _, err := q.conn.ReadFromUnix(buffer)
		switch {
		case err != nil && q.closing.Load():
			return nil
		case errors.Is(err, os.ErrDeadlineExceeded):
			continue
		case err != nil:
			return fmt.Errorf("read the queue socket: %w", err)
		}
		q.received.Add(1)
		frame := buffer[:n]
		if i := bytes.IndexByte(frame, 0); i >= 0 {
			frame = frame[:i]
		}
		select {
		case q.events <- event{frame: bytes.Clone(frame), at: q.cfg.Now()}:
		default:
			q.dropped.Add(1)
			if !full {
				full = true // said once in a daemon's life (analysisd.c:1400)
				q.cfg.Log.Warning("analysisd.c:1425 at ad_input_main()", "Input queue is full.")
			}
		}
	}
}

func (q *Queue) decode(handle Handler) {
	defer q.handled.Done()
	var busyUntil time.Time
	for e := range q.events {
		q.decoded.Add(1)
		handle(e.frame, e.at)
		q.processed.Add(1)
		if q.cfg.Capacity > 0 && !q.closing.Load() {
			busyUntil = q.slow(busyUntil)
		}
	}
}

// slow keeps to the capacity: each event has its share of a second. Short waits are saved up, since a sleep is never short.
func (q *Queue) slow(busyUntil time.Time) time.Time {
	const shortest = 2 * time.Millisecond
	now := time.Now()
	if busyUntil.Before(now) {
		busyUntil = now
	}
	busyUntil = busyUntil.Add(time.Second / time.Duration(q.cfg.Capacity))
	if wait := busyUntil.Sub(now); wait > shortest {
		time.Sleep(wait)
	}
	return busyUntil
}

func (q *Queue) writeStates() {
	defer q.handled.Done()
	tick := time.NewTicker(q.cfg.StateEvery)
	defer tick.Stop()
	for {
		select {
		case <-q.done:
			return
		case <-tick.C:
			if err := q.WriteState(); err != nil {
				q.cfg.Log.Error("state.c:90 at w_analysisd_write_state()", "%v", err)
			}
		}
	}
}

// WriteState writes wazuh-analysisd.state now. The real daemon has many more keys; these are the ones that tell about lost events.
func (q *Queue) WriteState() error {
	if q.cfg.StateFile == "" {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(q.cfg.StateFile), 0o770); err != nil {
		return fmt.Errorf("make the folder of the state file: %w", err)
	}
	c := q.Counters()
	var b bytes.Buffer
	b.WriteString("# State file for wazuh-analysisd\n")
	for _, line := range []struct {
		key   string
		value uint64
	}{
		{"total_events_decoded", c.Decoded},
		{"syscheck_events_decoded", 0}, {"syscollector_events_decoded", 0}, {"rootcheck_events_decoded", 0}, {"sca_events_decoded", 0},
		{"winevt_events_decoded", 0},
		{"other_events_decoded", c.Decoded},
		{"events_processed", c.Processed},
		{"events_received", c.Received},
		{"events_dropped", c.Dropped},
	} {
		fmt.Fprintf(&b, "\n%s='%d'\n", line.key, line.value)
	}
	fmt.Fprintf(&b, "\nevent_queue_usage='%.2f'\n\nevent_queue_size='%d'\n", float64(len(q.events))/float64(q.cfg.Depth), q.cfg.Depth)
	next := q.cfg.StateFile + ".tmp"
	if err := os.WriteFile(next, b.Bytes(), 0o640); err != nil {
		return fmt.Errorf("write the state file: %w", err)
	}
	if err := os.Rename(next, q.cfg.StateFile); err != nil {
		return fmt.Errorf("put the state file in place: %w", err)
	}
	return nil
}
