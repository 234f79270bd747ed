package integratord

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"syscall"

	"custom-vault/lab/cjson"
	"custom-vault/lab/osseclog"
)

const (
	// lineLimit is OS_MAXSTR: an alert longer than this with its newline is dropped.
	lineLimit = 65536
	// alertsName is what the daemon calls the file, relative to its home.
	alertsName = "logs/alerts/alerts.json"
)

// tail follows alerts.json as json-queue.c does: from the end, without a bookmark.
type tail struct {
	path  string
	log   osseclog.Logger
	file  *os.File
	inode uint64
	at    int64 // offset of the next unread line
}

// open opens the file, at its end or at its beginning.
func (t *tail) open(atEnd bool) bool {
	t.close()
	f, err := os.Open(t.path)
	if err != nil {
		t.log.Error("json-queue.c:30 at jqueue_open()", "(1103): Could not open file '%s' due to [(%d)-(%s)].", alertsName, number(err), reason(err))
		return false
	}
	info, err := f.Stat()
	if err != nil {
		t.log.Error("json-queue.c:44 at jqueue_open()", "(1118): Could not retrieve information of file '%s' due to [(%d)-(%s)].", alertsName, number(err), reason(err))
		_ = f.Close()
		return false
	}
	t.file, t.inode, t.at = f, inode(info), 0
	if atEnd {
		t.at = info.Size()
	}
	return true
}

func (t *tail) close() {
	if t.file != nil {
		_ = t.file.Close()
		t.file = nil
	}
}

// next returns the next alert, or nil when there is none now: nothing new, a line that is not yet whole, or one that had to be dropped. After
// nil the daemon sleeps a second, so each dropped line costs one.
func (t *tail) next() *cjson.Value {
	if t.file == nil && !t.open(true) {
		return nil
	}
	if alert := t.read(); alert != nil {
		return alert
	}
	info, err := os.Stat(t.path)
	if err != nil {
		// The name is gone for a moment when alerts.json is rotated: what the new file gets until it is opened at its end is lost.
		t.log.Error("json-queue.c:78 at jqueue_next()", "(1118): Could not retrieve information of file '%s' due to [(%d)-(%s)].", alertsName, number(err), reason(err))
		t.close()
		return nil
	}
	if inode(info) == t.inode {
		return nil
	}
	t.log.Debug2("json-queue.c:87 at jqueue_next()", "jqueue_next(): Alert file inode changed. Reloading.")
	if !t.open(false) {
		return nil
	}
	return t.read()
}

// read takes one line from the file. It goes back to the line's beginning when the line is not whole yet.
func (t *tail) read() *cjson.Value {
	reader := bufio.NewReaderSize(io.NewSectionReader(t.file, t.at, 1<<62), lineLimit)
	line, err := reader.ReadSlice('\n')
	if err == nil {
		t.at += int64(len(line))
		return t.parse(line[:len(line)-1])
	}
	if !errors.Is(err, bufio.ErrBufferFull) {
		if len(line) > 0 {
			t.log.Debug2("json-queue.c:159 at jqueue_parse_json()", "Can't read from '%s'. Trying again", alertsName)
		}
		return nil
	}
	length := int64(len(line))
	for errors.Is(err, bufio.ErrBufferFull) {
		line, err = reader.ReadSlice('\n')
		length += int64(len(line))
	}
	if err != nil {
		t.log.Debug2("json-queue.c:159 at jqueue_parse_json()", "Can't read from '%s'. Trying again", alertsName)
		return nil
	}
	t.at += length
	t.log.Warning("json-queue.c:152 at jqueue_parse_json()", "Overlong JSON alert read from '%s'", alertsName)
	return nil
}

func (t *tail) parse(line []byte) *cjson.Value {
	if i := bytes.IndexByte(line, 0); i >= 0 {
		line = line[:i]
	}
	alert, used, err := cjson.Parse(line)
	if err != nil || used != len(line) {
		t.log.Warning("json-queue.c:140 at jqueue_parse_json()", "Invalid JSON alert read from '%s': '%s'", alertsName, line)
		return nil
	}
	return alert
}

func inode(info os.FileInfo) uint64 {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return stat.Ino
	}
	return 0
}

func number(err error) int {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return int(errno)
	}
	return 0
}

func reason(err error) string {
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return err.Error()
	}
	return osseclog.Strerror(errno)
}
