package sealing

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// MaxLine is the longest line that is read from stdin, in bytes. execd's own limit is 65,535 before it adds the program's path.
const MaxLine = 128 << 10

// ReadLine reads one line and gives it without its newline. It does not wait for the end of the file, because execd
// keeps stdin open until the program has ended (execd.c:286), and gives up after wait. What follows the line may be
// lost. A last line without a newline is taken.
func ReadLine(f *os.File, wait time.Duration) ([]byte, error) {
	fd := int(f.Fd())
	defer runtime.KeepAlive(f)
	deadline := time.Now().Add(wait)
	var line []byte
	chunk := make([]byte, 64<<10)
	for {
		if err := awaitInput(fd, deadline); err != nil {
			return nil, err
		}
		n, err := unix.Read(fd, chunk)
		switch {
		case errors.Is(err, unix.EINTR), errors.Is(err, unix.EAGAIN):
			continue
		case err != nil:
			return nil, fmt.Errorf("read stdin: %w", err)
		}
		part, _, found := bytes.Cut(chunk[:n], []byte("\n"))
		line = append(line, part...)
		switch {
		case len(line) > MaxLine:
			return nil, fmt.Errorf("the line on stdin is longer than %d bytes", MaxLine)
		case found:
			return line, nil
		case n == 0 && len(line) == 0:
			return nil, errors.New("stdin ended before a line came: this program is started by wazuh-execd")
		case n == 0:
			return line, nil
		}
	}
}

// errNoInput is the end of patience.
var errNoInput = errors.New("no whole line came on stdin in time: this program is started by wazuh-execd, which writes one")

func awaitInput(fd int, deadline time.Time) error {
	for {
		left := time.Until(deadline)
		if left <= 0 {
			return errNoInput
		}
		polled := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(polled, int(left/time.Millisecond)+1)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return fmt.Errorf("wait for stdin: %w", err)
		case n > 0 && polled[0].Revents&unix.POLLNVAL != 0:
			return errors.New("stdin is closed")
		case n > 0:
			return nil
		}
	}
}
