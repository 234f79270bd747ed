package torture

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// restartAfter is the pause before a daemon that ended by itself is started again, as systemd does; one that was
// killed is started at once.
const restartAfter = 200 * time.Millisecond

// mostEnds is how often it may end by itself, as it does where the disk is full at its start.
const mostEnds = 60

// endTime bounds the wait for the end after SIGTERM. Where something hangs, the product ends by itself well before, and
// says so with its exit code.
const endTime = time.Minute

// daemon is enrich serve, started again whenever it ends.
type daemon struct {
	program, config string
	log             *os.File
	bus             *bus

	mu      sync.Mutex
	process *os.Process   // nil while none runs
	gone    chan struct{} // closed when it has been reaped
	killed  bool          // by us
	held    int           // how many want it to stay down
	release chan struct{}
	ended   []string // how it ended when nobody had killed it
	starts  int
}

// run keeps it running until ctx ends; then it is told to end, and how it did is returned.
func (d *daemon) run(ctx context.Context) error {
	for {
		if err := d.waitReleased(ctx); err != nil {
			return nil
		}
		cmd, gone, err := d.start()
		if err != nil {
			return err
		}
		stopped := make(chan error, 1)
		stop := context.AfterFunc(ctx, func() { stopped <- d.terminate(cmd.Process, gone) })
		err = cmd.Wait()
		close(gone)
		d.mu.Lock()
		d.process = nil
		killed := d.killed
		d.mu.Unlock()
		if !stop() {
			return errors.Join(<-stopped, err)
		}
		if killed {
			continue
		}
		d.mu.Lock()
		d.ended = append(d.ended, fmt.Sprint(err))
		n := len(d.ended)
		d.mu.Unlock()
		if n > mostEnds {
			return fmt.Errorf("enrich serve ended by itself %d times, the last time: %w", n, err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(restartAfter):
		}
	}
}

func (d *daemon) start() (*exec.Cmd, chan struct{}, error) {
	cmd := exec.Command(d.program, "serve", "--config", d.config)
	cmd.Stderr = &lines{out: d.log, bus: d.bus}
	cmd.Env = []string{"PATH=/usr/bin:/bin"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := cmd.Start(); err != nil {
		return nil, nil, fmt.Errorf("start enrich serve: %w", err)
	}
	d.process, d.gone, d.killed = cmd.Process, make(chan struct{}), false
	d.starts++
	d.bus.tell(topicSpawned)
	return cmd, d.gone, nil
}

func (d *daemon) terminate(process *os.Process, gone <-chan struct{}) error {
	if err := process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-gone:
		return nil
	case <-time.After(endTime):
		return errors.Join(fmt.Errorf("enrich serve did not end within %s of SIGTERM", endTime), process.Kill())
	}
}

// kill sends SIGKILL and waits until the process is gone. It is false when there was none to be killed.
func (d *daemon) kill() bool {
	d.mu.Lock()
	process, gone := d.process, d.gone
	if process == nil || d.killed {
		d.mu.Unlock()
		return false
	}
	d.killed = true
	err := process.Kill()
	if err != nil {
		d.killed = false
	}
	d.mu.Unlock()
	if err != nil {
		return false
	}
	<-gone
	return true
}

// hold keeps it down once it has been killed, until the returned function is called.
func (d *daemon) hold() (release func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.held++; d.held == 1 {
		d.release = make(chan struct{})
	}
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.held--; d.held == 0 {
			close(d.release)
		}
	}
}

func (d *daemon) waitReleased(ctx context.Context) error {
	for {
		d.mu.Lock()
		held, release := d.held > 0, d.release
		d.mu.Unlock()
		if !held {
			return ctx.Err()
		}
		select {
		case <-release:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// lines passes the daemon's log on, and tells what it says.
type lines struct {
	out  *os.File
	bus  *bus
	rest []byte
}

// said are the words of the log that are moments.
var said = map[string]string{
	`"msg":"serve: following"`:               topicFollowing,
	`"msg":"response: sealing"`:              topicSealing,
	`"msg":"response: every node is sealed"`: topicSealed,
}

func (l *lines) Write(p []byte) (int, error) {
	l.rest = append(l.rest, p...)
	for {
		line, rest, whole := bytes.Cut(l.rest, []byte("\n"))
		if !whole {
			break
		}
		for words, topic := range said {
			if bytes.Contains(line, []byte(words)) {
				l.bus.tell(topic)
			}
		}
		l.rest = rest
	}
	return l.out.Write(p)
}
