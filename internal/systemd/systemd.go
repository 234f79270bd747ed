// Package systemd speaks sd_notify(3): it tells the service manager that the daemon is ready, reads its configuration
// anew, goes on, or ends. It may import the standard library and x/sys, and must never hold the daemon up: a manager that
// does not listen is an error to log, and no more.
package systemd

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// sendTime bounds one message.
const sendTime = time.Second

// Manager is the service manager at a socket; the zero value is none, and takes everything.
type Manager struct{ socket string }

// At is the manager at the value of NOTIFY_SOCKET, which is empty where nobody wants to know.
func At(socket string) Manager { return Manager{socket} }

// Ready says that the service does its work, at first and again after a reload.
func (m Manager) Ready(status string) error { return m.tell("READY=1", "STATUS="+oneLine(status)) }

// Reloading says that the configuration is being read anew; Ready must follow.
func (m Manager) Reloading() error {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return fmt.Errorf("read the monotonic clock: %w", err)
	}
	// Type=notify-reload ignores a message without the time (systemd.service(5)).
	return m.tell("RELOADING=1", "MONOTONIC_USEC="+strconv.FormatInt(now.Nano()/1000, 10))
}

// Stopping says that the service ends.
func (m Manager) Stopping() error { return m.tell("STOPPING=1") }

// Alive feeds the watchdog.
func (m Manager) Alive() error { return m.tell("WATCHDOG=1") }

func (m Manager) tell(lines ...string) error {
	if m.socket == "" {
		return nil
	}
	conn, err := net.DialTimeout("unixgram", m.socket, sendTime) // a leading @ is the abstract namespace, here as there
	if err != nil {
		return fmt.Errorf("tell the service manager %s: %w", lines[0], err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(sendTime)); err != nil {
		return fmt.Errorf("tell the service manager %s: %w", lines[0], err)
	}
	if _, err := conn.Write([]byte(strings.Join(lines, "\n"))); err != nil {
		return fmt.Errorf("tell the service manager %s: %w", lines[0], err)
	}
	return nil
}

func oneLine(text string) string { return strings.ReplaceAll(text, "\n", " ") }

// FeedEvery is how often to feed the watchdog: twice within the time that WATCHDOG_USEC gives, and never (0) where
// that is empty or WATCHDOG_PID names another process.
func FeedEvery(usec, pid string, self int) (time.Duration, error) {
	if usec == "" || pid != "" && pid != strconv.Itoa(self) {
		return 0, nil
	}
	n, err := strconv.ParseInt(usec, 10, 64)
	if err != nil || n <= 0 {
		return 0, fmt.Errorf("WATCHDOG_USEC is %q, which is no number of microseconds", usec)
	}
	return time.Duration(n) * time.Microsecond / 2, nil
}
