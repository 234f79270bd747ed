package oracle

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"syscall"
)

// hold keeps a socket that was connected before the daemon stopped and has been told so, as the case down-connected leaves one.
func (d *desk) hold(frame []byte) (err error) {
	if d.held >= 0 {
		return nil
	}
	if err := d.up(); err != nil {
		return err
	}
	if d.held, err = open(d.path, syscall.SOCK_DGRAM); err != nil {
		return fmt.Errorf("connect before the stop: %w", err)
	}
	if err := d.end(); err != nil {
		return err
	}
	_ = send(d.held, frame) // ECONNREFUSED
	return nil
}

// pause stops the daemon and fills the kernel's queue; it gives how many datagrams that takes, and keeps the socket.
func (d *desk) pause(flags int) (accepted int, err error) {
	if err := d.up(); err != nil {
		return 0, err
	}
	d.queue.Pause()
	fd, err := open(d.path, syscall.SOCK_DGRAM|flags)
	if err != nil {
		return 0, fmt.Errorf("connect to the paused daemon: %w", err)
	}
	if d.paused >= 0 {
		_ = syscall.Close(d.paused)
	}
	d.paused = fd
	for accepted < 10000 {
		if err = send(fd, []byte("1:oracle:a line")); err != nil {
			break
		}
		accepted++
	}
	d.refused = err
	return accepted, nil
}

// fill sends to a daemon that has stopped reading until the kernel takes no more. How many it takes is net.unix.max_dgram_qlen and one. A blocking
// socket blocks then: the oracle sees it in that its time runs out.
func (d *desk) fill(c queueCase) (string, error) {
	flags := syscall.SOCK_NONBLOCK
	if !strings.Contains(c.Name+c.About, "nonblocking") && !strings.Contains(c.About, "non-blocking") {
		flags = 0
	}
	if err := d.drained(); err != nil {
		return "", err
	}
	accepted, err := d.pause(flags)
	if err != nil {
		return "", err
	}
	want, then := c.Accepted, c.Then
	if found := recordedLength.FindStringSubmatch(c.About); found != nil {
		recorded, err := strconv.Atoi(found[1])
		if err != nil {
			return "", fmt.Errorf("read the recorded max_dgram_qlen: %w", err)
		}
		want += queueLength() - recorded
	}
	if flags == 0 && !strings.HasPrefix(then, "E") {
		then = "EAGAIN"
	}
	return linesDiff("accepted, then", []string{fmt.Sprint(want, " ", then)}, []string{fmt.Sprint(accepted, " ", errnoName(d.refused))}), nil
}

// drained returns when the daemon has taken everything that cases before have sent.
func (d *desk) drained() error {
	if err := d.up(); err != nil {
		return err
	}
	last, quiet := uint64(0), 0
	waitFor(patience, func() bool {
		now := d.queue.Counters().Received
		if quiet++; now != last {
			last, quiet = now, 0
		}
		const looks = 10 // 50 ms
		return quiet > looks
	})
	return nil
}

var recordedLength = regexp.MustCompile(`max_dgram_qlen\D*(\d+)`)

func queueLength() int {
	text, err := os.ReadFile("/proc/sys/net/unix/max_dgram_qlen")
	if err != nil {
		return 0
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return 0
	}
	return n
}
