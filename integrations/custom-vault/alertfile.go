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

// readAlert returns the line in the alert file, without its newline.
//
// The file lies in /tmp, where everybody can make files: it is opened so that nothing can hold us
// (a FIFO) or lead elsewhere (a symlink), and must belong to this process's user or to root.
func readAlert(name string) ([]byte, error) {
	fd, err := open(name)
	if err != nil {
		hint := ""
		if err == syscall.ELOOP {
			hint = ", it must be a regular file and no symlink"
		}
		return nil, errors.New("open the alert file " + name + ": " + err.Error() + hint)
	}
	defer func() { _ = syscall.Close(fd) }() // opened for reading, nothing to lose
	var st syscall.Stat_t
	if err := syscall.Fstat(fd, &st); err != nil {
		return nil, errors.New("look at the alert file " + name + ": " + err.Error())
	}
	switch {
	case st.Mode&syscall.S_IFMT != syscall.S_IFREG:
		return nil, errors.New("the alert file " + name + " is not a regular file; pass the file that wazuh-integratord wrote")
	case st.Uid != 0 && int64(st.Uid) != int64(syscall.Geteuid()):
		return nil, errors.New("the alert file " + name + " belongs to uid " + strconv.FormatUint(uint64(st.Uid), 10) +
			", neither to root nor to the user of this process; somebody may be forging alerts, see who owns it")
	case st.Size > maxLine+1:
		return nil, errors.New("the alert file " + name + " has " + strconv.FormatInt(st.Size, 10) +
			" bytes, more than an alert's 1 MiB; the alert is in alerts.json only")
	}
	content, err := readAll(fd, int(st.Size))
	if err != nil {
		return nil, errors.New("read the alert file " + name + ": " + err.Error())
	}
	line, err := alertLine(content)
	if err != nil {
		return nil, errors.New("the alert file " + name + " " + err.Error() +
			"; is <alert_format>json</alert_format> set in the <integration> block of ossec.conf?")
	}
	return line, nil
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
// one JSON object.
func alertLine(content []byte) ([]byte, error) {
	line := content
	if n := len(line); n > 0 && line[n-1] == '\n' {
		line = line[:n-1]
	}
	switch {
	case len(line) == 0:
		return nil, errors.New("is empty")
	case len(line) > maxLine:
		return nil, errors.New("holds more than 1 MiB")
	case !isObject(line):
		return nil, errors.New("does not hold one JSON object on one line")
	}
	return line, nil
}
