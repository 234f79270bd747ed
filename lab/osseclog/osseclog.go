// Package osseclog writes what the stand-in's daemons log, in the words and the shape of the real ones: with the name of the daemon, with source
// file and function once debugging is on, as lines of logs/ossec.log. It imports the standard library only and decides nothing.
package osseclog

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Sink takes one line, without date and without newline.
type Sink interface {
	Line(line string)
}

// Logger logs for one daemon. The zero Logger discards everything.
type Logger struct {
	// Program is the daemon's name, such as wazuh-integratord.
	Program string
	// Debug is the daemon's debug level, 0 to 2.
	Debug int
	Sink  Sink
}

// Info, Warning, Error and Critical log always. site is where the real daemon logs it ("integrator.c:143 at OS_IntegratorD()"); it shows only
// when debugging is on.
func (l Logger) Info(site, format string, args ...any) { l.write("INFO", site, format, args) }

// Warning logs a warning.
func (l Logger) Warning(site, format string, args ...any) { l.write("WARNING", site, format, args) }

// Error logs an error.
func (l Logger) Error(site, format string, args ...any) { l.write("ERROR", site, format, args) }

// Critical logs what ends a daemon.
func (l Logger) Critical(site, format string, args ...any) { l.write("CRITICAL", site, format, args) }

// Debug1 logs from debug level 1.
func (l Logger) Debug1(site, format string, args ...any) {
	if l.Debug >= 1 {
		l.write("DEBUG", site, format, args)
	}
}

// Debug2 logs at debug level 2.
func (l Logger) Debug2(site, format string, args ...any) {
	if l.Debug >= 2 {
		l.write("DEBUG", site, format, args)
	}
}

func (l Logger) write(level, site, format string, args []any) {
	if l.Sink == nil {
		return
	}
	text := fmt.Sprintf(format, args...)
	if l.Debug > 0 {
		l.Sink.Line(fmt.Sprintf("%s %s: %s: %s", l.Program, site, level, text))
		return
	}
	l.Sink.Line(fmt.Sprintf("%s: %s: %s", l.Program, level, text))
}

// File appends lines to logs/ossec.log, each with the local date, as the real daemons do. It is safe for concurrent use.
type File struct {
	mu  sync.Mutex
	f   *os.File
	now func() time.Time
}

// OpenFile opens (or makes) the log at path.
func OpenFile(path string, now func() time.Time) (*File, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return nil, fmt.Errorf("make the folder of the daemons' log: %w", err)
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o640)
	if err != nil {
		return nil, fmt.Errorf("open the daemons' log: %w", err)
	}
	return &File{f: f, now: now}, nil
}

// Line implements Sink. A log that cannot be written stops no daemon.
func (f *File) Line(line string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, _ = fmt.Fprintf(f.f, "%s %s\n", f.now().Format("2006/01/02 15:04:05"), line)
}

// Close closes the file.
func (f *File) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.f.Close()
}

// Memory keeps lines for tests to read. It is safe for concurrent use.
type Memory struct {
	mu    sync.Mutex
	lines []string
}

// Line implements Sink.
func (m *Memory) Line(line string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lines = append(m.lines, line)
}

// Lines returns what was logged so far.
func (m *Memory) Lines() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]string(nil), m.lines...)
}

// Tee hands each line to all sinks.
type Tee []Sink

// Line implements Sink.
func (t Tee) Line(line string) {
	for _, s := range t {
		s.Line(line)
	}
}

// Strerror is the text of strerror, which begins with a capital letter where Go's does not.
func Strerror(errno syscall.Errno) string {
	text := errno.Error()
	return strings.ToUpper(text[:1]) + text[1:]
}
