// Package unixsocket listens on Unix sockets of the daemon's own, and tells who is at the other end. It may import the
// standard library and x/sys, and must never take a path from another process that still listens there, nor remove
// anything that is not a socket.
package unixsocket

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// Listen listens at path, with the mode given. A socket that a process left behind when it died is taken away first.
func Listen(path string, mode fs.FileMode) (net.Listener, error) {
	if err := vacate(path); err != nil {
		return nil, err
	}
	listener, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("listen at %s: %w: the folder must be there and the daemon's own (RuntimeDirectory= of systemd makes /run/custom-vault)", path, err)
	}
	if err := os.Chmod(path, mode); err != nil {
		return nil, errors.Join(fmt.Errorf("listen at %s: %w", path, err), listener.Close())
	}
	return listener, nil
}

// vacate removes a socket that nobody listens at.
func vacate(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("look at socket %s: %w", path, err)
	case info.Mode().Type() != fs.ModeSocket:
		return fmt.Errorf("%s is there and is no socket: remove it, or choose another path", path)
	}
	conn, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		return errors.Join(fmt.Errorf("another process listens at %s", path), conn.Close())
	}
	if !errors.Is(err, unix.ECONNREFUSED) {
		return fmt.Errorf("look at socket %s: %w", path, err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the socket that was left behind: %w", err)
	}
	return nil
}

// Only takes connections of processes of these users alone; the others are closed without a word. Whoever passes a
// connected socket on passes this on with it.
func Only(listener net.Listener, uids ...uint32) net.Listener { return &only{listener, uids} }

type only struct {
	net.Listener
	uids []uint32
}

func (o *only) Accept() (net.Conn, error) {
	for {
		conn, err := o.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if uid, err := Peer(conn); err == nil && slices.Contains(o.uids, uid) {
			return conn, nil
		}
		_ = conn.Close() // it is not wanted: nothing can be done about an error
	}
}

// Peer is the user whose process connected (SO_PEERCRED, unix(7)).
func Peer(conn net.Conn) (uid uint32, err error) {
	sock, ok := conn.(*net.UnixConn)
	if !ok {
		return 0, errors.New("not a unix socket")
	}
	raw, err := sock.SyscallConn()
	if err != nil {
		return 0, fmt.Errorf("look at the peer: %w", err)
	}
	var cred *unix.Ucred
	var failed error
	err = raw.Control(func(fd uintptr) { cred, failed = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	if err = errors.Join(err, failed); err != nil {
		return 0, fmt.Errorf("look at the peer: %w", err)
	}
	return cred.Uid, nil
}

// Client speaks HTTP at a socket, whatever host a request names.
func Client(path string, timeout time.Duration) *http.Client {
	return &http.Client{Timeout: timeout, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		},
	}}
}
