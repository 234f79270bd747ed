package agent

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"time"

	"custom-vault/lab/cjson"
	"custom-vault/lab/osseclog"
)

const (
	// lineBuffer is what wazuh-logcollector reads a line into: 65,279 bytes, of which a line without end gives 65,278 (read_syslog.c).
	lineBuffer = 65279
	// sampleLength is how much of a line that is too long is logged.
	sampleLength = 64
)

// File is one <localfile> of the agent.
type File struct {
	Path string
	// Location is the name under which events carry the file; empty means Path.
	Location string
	// Format is syslog (the default) or json.
	Format string
	// OutFormat is <out_format>: $(log), $(timestamp), $(hostname) and $(location) are filled in. Empty sends the line as it is.
	OutFormat string
	// HostName fills $(hostname); empty means the agent's name.
	HostName string
}

// dress applies <out_format>.
func (f File) dress(line []byte, now time.Time, host string) []byte {
	if f.OutFormat == "" {
		return line
	}
	if f.HostName != "" {
		host = f.HostName
	}
	return []byte(strings.NewReplacer("$(log)", string(line), "$(timestamp)", now.Format("Jan 02 15:04:05"), "$(hostname)", host,
		"$(location)", f.location()).Replace(f.OutFormat))
}

func (f File) location() string {
	if f.Location != "" {
		return f.Location
	}
	return f.Path
}

// follower reads the new lines of one file. A file that is there at the start is followed from its end, one that appears later, or takes the
// place of another, from its beginning.
type follower struct {
	file    File
	log     osseclog.Logger
	open    *os.File
	inode   uint64
	at      int64
	started bool
}

func (f *follower) close() {
	if f.open != nil {
		_ = f.open.Close()
		f.open = nil
	}
}

// lines returns the whole lines that are new, as they are sent.
func (f *follower) lines() [][]byte {
	atEnd := !f.started
	f.started = true
	if f.open == nil && !f.reopen(atEnd) {
		return nil
	}
	sent := f.read()
	info, err := os.Stat(f.file.Path)
	if err != nil {
		return sent
	}
	switch {
	case inodeOf(info) != f.inode:
		f.close()
		if f.reopen(false) {
			sent = append(sent, f.read()...)
		}
	case info.Size() < f.at:
		f.log.Info("logcollector.c:500 at LogCollectorStart()", "(1959): File size reduced. File: '%s'.", f.file.location())
		f.at = 0
	}
	return sent
}

func (f *follower) reopen(atEnd bool) bool {
	opened, err := os.Open(f.file.Path)
	if err != nil {
		return false
	}
	info, err := opened.Stat()
	if err != nil {
		_ = opened.Close()
		return false
	}
	f.open, f.inode, f.at = opened, inodeOf(info), 0
	if atEnd {
		f.at = info.Size()
	}
	return true
}

func inodeOf(info os.FileInfo) uint64 {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return stat.Ino
	}
	return 0
}

func (f *follower) read() (sent [][]byte) {
	reader := bufio.NewReaderSize(io.NewSectionReader(f.open, f.at, 1<<62), lineBuffer)
	for {
		line, err := reader.ReadSlice('\n')
		switch {
		case err == nil:
			f.at += int64(len(line))
			line = line[:len(line)-1]
			if bytes.IndexByte(line, 0) >= 0 {
				f.log.Debug2("read_syslog.c:60 at read_syslog()", "Line in '%s' contains some zero-bytes. Dropping line.", f.file.location())
				continue
			}
		case errors.Is(err, bufio.ErrBufferFull):
			f.log.Error("read_syslog.c:99 at read_syslog()", "Large message size from file '%s' (length = %d): '%.*s'...",
				f.file.location(), lineBuffer, sampleLength, line)
			cut := bytes.Clone(line[:lineBuffer-1])
			rest, whole := skipLine(reader)
			if !whole {
				return sent // the rest is not there yet: the whole line is read again
			}
			f.at += int64(lineBuffer) + rest
			line = cut
		default:
			return sent // not whole yet
		}
		if text, ok := f.format(line); ok {
			sent = append(sent, text)
		}
	}
}

func skipLine(reader *bufio.Reader) (skipped int64, whole bool) {
	for {
		part, err := reader.ReadSlice('\n')
		skipped += int64(len(part))
		if err == nil {
			return skipped, true
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return skipped, false
		}
	}
}

// format is what log_format makes of a line: syslog sends it as it is, json prints the object anew and drops what is none.
func (f *follower) format(line []byte) ([]byte, bool) {
	if f.file.Format != "json" {
		return bytes.Clone(line), true
	}
	v, _, err := cjson.Parse(line)
	if err != nil || v.Kind != cjson.Object {
		f.log.Debug1("read_json.c:80 at read_json()", "Line '%.*s' read from '%s' is not a JSON object.", sampleLength, line, f.file.location())
		return nil, false
	}
	return v.Print(), true
}

// frame is the datagram that remoted puts on analysisd's queue for a line of an agent: with a NUL byte at its end.
func frame(id, name, location string, line []byte) []byte {
	return append(fmt.Appendf(nil, "1:[%s] (%s) any->%s:%s", id, name, escapeLocation(location), line), 0)
}

// escapeLocation is what the sender of an event does since 4.4.0, so that the location ends at the first bare colon.
func escapeLocation(location string) string {
	return strings.NewReplacer("|", "||", ":", "|:").Replace(location)
}
