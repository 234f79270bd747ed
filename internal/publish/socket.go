package publish

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// Refusal is why the socket did not take a datagram. It is a metric's label and a log field.
type Refusal string

// Every refusal there is.
const (
	// RefusalFull: analysisd does not keep up, hangs, or loads its rules (up to some 3 s after its start).
	RefusalFull Refusal = "queue-full"
	// RefusalTooLong: the datagram is over the socket's send buffer. The only one that is about the datagram and not
	// the socket.
	RefusalTooLong Refusal = "too-long"
	// RefusalMissing: there is no socket file: Wazuh was never started, or the path is wrong.
	RefusalMissing Refusal = "socket-missing"
	// RefusalDown: the file is there and nobody listens: analysisd is stopped, or the path is an ordinary file.
	RefusalDown Refusal = "daemon-down"
	// RefusalDenied: this user is not in group wazuh (the socket is 0660 wazuh:wazuh).
	RefusalDenied Refusal = "permission-denied"
	// RefusalWrongType: the socket is not one for datagrams.
	RefusalWrongType Refusal = "wrong-socket-type"
	// RefusalOther: anything else that the kernel says.
	RefusalOther Refusal = "other"
)

// Refusals is the closed set, for metrics that start at zero.
func Refusals() []Refusal {
	return []Refusal{RefusalFull, RefusalTooLong, RefusalMissing, RefusalDown, RefusalDenied, RefusalWrongType, RefusalOther}
}

// Retryable says whether the same datagram can be taken later.
func (r Refusal) Retryable() bool { return r != RefusalTooLong }

// Hint says what the operator can do.
func (r Refusal) Hint() string {
	switch r {
	case RefusalFull:
		return "analysisd does not read its queue: look at its load and at events_dropped in var/run/wazuh-analysisd.state"
	case RefusalTooLong:
		return "the event is too long; this is a fault of custom-vault"
	case RefusalMissing:
		return "check the path of the queue socket, and that Wazuh was started"
	case RefusalDown:
		return "start wazuh-analysisd"
	case RefusalDenied:
		return "put this user into group wazuh"
	case RefusalWrongType:
		return "check the path of the queue socket: this one is not analysisd's"
	case RefusalOther:
		return "see the error"
	}
	return ""
}

// SendError is a datagram, or a connection, that was refused. Nothing of the datagram was delivered.
type SendError struct {
	Path    string
	Refusal Refusal
	Err     error
}

func (e *SendError) Error() string {
	return fmt.Sprintf("send to %s: %s (%v): %s", e.Path, e.Refusal, e.Err, e.Refusal.Hint())
}

func (e *SendError) Unwrap() error { return e.Err }

// DefaultWriteTimeout bounds one Send while analysisd's queue is full.
const DefaultWriteTimeout = 500 * time.Millisecond

// Socket is analysisd's queue socket. It connects when it is first needed, and again when analysisd was restarted: a
// socket connected before that stays dead. Its methods may be called from several goroutines; datagrams go out one
// after the other.
type Socket struct {
	path    string
	timeout time.Duration

	mu   sync.Mutex
	conn *net.UnixConn
}

// NewSocket is the socket at path, for Wazuh's /var/ossec that is /var/ossec/queue/sockets/queue. A timeout of 0 is
// DefaultWriteTimeout.
func NewSocket(path string, timeout time.Duration) *Socket {
	if timeout == 0 {
		timeout = DefaultWriteTimeout
	}
	return &Socket{path: path, timeout: timeout}
}

// Ready connects if that is needed. It sends nothing, so it does not see that analysisd has gone since; the next Send
// does.
func (s *Socket) Ready() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn != nil {
		return nil
	}
	return s.connect()
}

// Send hands over one datagram, or fails with a *SendError; then nothing of it was delivered. It waits at most for
// the timeout.
func (s *Socket) Send(frame []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn != nil {
		err := s.write(frame)
		if !stale(err) {
			return s.refused(err)
		}
		s.disconnect()
	}
	if err := s.connect(); err != nil {
		return err
	}
	err := s.write(frame)
	if stale(err) {
		s.disconnect()
	}
	return s.refused(err)
}

// Close ends the connection. The next Send makes another.
func (s *Socket) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.disconnect()
	return nil
}

func (s *Socket) connect() error {
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Net: "unixgram", Name: s.path})
	if err != nil {
		return s.refused(err)
	}
	s.conn = conn
	return nil
}

func (s *Socket) disconnect() {
	if s.conn != nil {
		_ = s.conn.Close() // nothing is buffered in it that could be lost
		s.conn = nil
	}
}

func (s *Socket) write(frame []byte) error {
	if err := s.conn.SetWriteDeadline(time.Now().Add(s.timeout)); err != nil {
		return err
	}
	_, err := s.conn.Write(frame)
	return err
}

// stale says that the far end of a connected socket is gone: the first send after analysisd's stop gets ECONNREFUSED,
// the next ENOTCONN, and so it stays when analysisd is back.
func stale(err error) bool {
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ENOTCONN) || errors.Is(err, syscall.ECONNRESET) ||
		errors.Is(err, syscall.EPIPE) || errors.Is(err, net.ErrClosed)
}

// refused gives an error of the kernel its name.
func (s *Socket) refused(err error) error {
	if err == nil {
		return nil
	}
	refusal := RefusalOther
	var errno syscall.Errno
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		refusal = RefusalFull // the kernel said EAGAIN, and went on saying it
	case errors.As(err, &errno):
		refusal = refusalOf(errno)
	}
	if errno != 0 {
		err = errno // what is around it names the path once more
	}
	return &SendError{Path: s.path, Refusal: refusal, Err: err}
}

func refusalOf(errno syscall.Errno) Refusal {
	switch errno {
	case syscall.EAGAIN, syscall.ENOBUFS:
		return RefusalFull
	case syscall.EMSGSIZE:
		return RefusalTooLong
	case syscall.ENOENT, syscall.ENOTDIR:
		return RefusalMissing
	case syscall.ECONNREFUSED, syscall.ENOTCONN, syscall.ECONNRESET, syscall.EPIPE:
		return RefusalDown
	case syscall.EACCES, syscall.EPERM:
		return RefusalDenied
	case syscall.EPROTOTYPE:
		return RefusalWrongType
	}
	return RefusalOther
}
