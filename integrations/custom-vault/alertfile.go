package main

import (
	"errors"
	"strconv"
	"syscall"
)

// maxLine is the longest alert line that is taken, in bytes, its newline not counted. integratord
// itself hands over 65,535 bytes at the most (os_integrator: OS_MAXSTR); this leaves room for it to
// grow and still bounds what one alert can cost.
const maxLine = 1 << 20

// readAlert returns the line in the alert file, without its newline. user is the process's uid.
//
// The file lies in /tmp, where everybody can make files: it is opened so that nothing can hold us
// (a FIFO) or lead elsewhere (a symlink), and must belong to user or to root.
func readAlert(name string, user int) ([]byte, error) {
	fd, err := open(name)
	if err != nil {
		return nil, refused(name, "cannot be opened: "+err.Error(), "it must be the file that wazuh-integratord wrote, and no symlink")
	}
	defer func() { _ = syscall.Close(fd) }() // opened for reading, nothing to lose
	var st syscall.Stat_t
	if err := syscall.Fstat(fd, &st); err != nil {
		return nil, refused(name, "cannot be looked at: "+err.Error(), "see what it is")
	}
	switch {
	case st.Mode&syscall.S_IFMT != syscall.S_IFREG:
		return nil, refused(name, "is not a regular file", "it must be the file that wazuh-integratord wrote")
	case st.Uid != 0 && int64(st.Uid) != int64(user):
		return nil, refused(name, "belongs to uid "+strconv.FormatUint(uint64(st.Uid), 10)+", neither root nor this process's user",
			"somebody may be forging alerts: see who that is")
	case st.Size > maxLine+1:
		return nil, refused(name, "has "+strconv.FormatInt(st.Size, 10)+" bytes, more than 1 MiB", "read that alert in alerts.json")
	}
	content, err := readAll(fd, int(st.Size))
	if err != nil {
		return nil, refused(name, "cannot be read: "+err.Error(), "read that alert in alerts.json")
	}
	line, reason := alertLine(content)
	if reason != "" {
		return nil, refused(name, reason, "see whether <alert_format>json</alert_format> is in the <integration> block of ossec.conf, and /tmp not full")
	}
	return line, nil
}

// refused is an error about the alert file, with what to do.
func refused(name, why, hint string) error {
	return errors.New("the alert file " + name + " " + why + "; " + hint)
}

func open(name string) (int, error) {
	for {
		fd, err := syscall.Open(name, syscall.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOFOLLOW|syscall.O_NOCTTY|syscall.O_CLOEXEC, 0)
		if err != syscall.EINTR {
			return fd, err
		}
	}
}

// readAll reads a file of that size, and fails when it turns out to be another size.
func readAll(fd, size int) ([]byte, error) {
	content := make([]byte, size+1)
	for filled := 0; filled <= size; {
		n, err := syscall.Read(fd, content[filled:])
		switch {
		case err == syscall.EINTR:
		case err != nil:
			return nil, err
		case n == 0 && filled == size:
			return content[:size], nil
		case n == 0:
			return nil, errors.New("it became shorter meanwhile")
		default:
			filled += n
		}
	}
	return nil, errors.New("it became longer meanwhile")
}

// alertLine is the content without its closing newline, if what is left is one line that holds
// one JSON object; or else the reason why it is not.
func alertLine(content []byte) (line []byte, reason string) {
	line = content
	if n := len(line); n > 0 && line[n-1] == '\n' {
		line = line[:n-1]
	}
	switch {
	case len(line) == 0:
		return nil, "is empty"
	case len(line) > maxLine:
		return nil, "holds more than 1 MiB"
	case !isObject(line):
		return nil, "does not hold one JSON object on one line"
	}
	return line, ""
}
