// Package alertlog writes alerts.json as analysisd does: in blocks of 4 kB and once a second, so that a reader may see half a line; as a hard link
// to the day's file; rotated when the day changes or within the day; and, as monitord does after midnight, compressed with a chained checksum.
//
// It imports the standard library only. It reads no clock of its own: each call says what time it is, so that a test can turn the day.
package alertlog

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// blockBytes is the buffer of the C library's stdio on Linux: whole blocks go to the file as soon as they are full.
const blockBytes = 4096

// Writer appends alerts to one folder (logs/alerts, or logs/archives). It is safe for concurrent use.
type Writer struct {
	dir  string
	name string

	mu     sync.Mutex
	file   *os.File
	dated  string
	day    string
	number int
	offset int64
	buffer []byte
}

// Open opens today's file below dir and links it as dir/NAME.json ("alerts" or "archives"). A restart within a day goes on with the highest
// numbered file of that day. Folders get 0750, files 0640.
func Open(dir, name string, now time.Time) (*Writer, error) {
	w := &Writer{dir: dir, name: name}
	if err := w.open(now, -1); err != nil {
		return nil, err
	}
	return w, nil
}

// Path is the name that readers follow.
func (w *Writer) Path() string { return filepath.Join(w.dir, w.name+".json") }

// DatedPath is the name under which the current file stays when the day is over; empty after Close.
func (w *Writer) DatedPath() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.file == nil {
		return ""
	}
	return w.dated
}

// Offset is where the next line will begin in the current file. analysisd makes an alert's id of it and of the second.
//
// The real daemon counts in alerts.log when that plain-text log is on (the default) and in alerts.json when it is off; the lab writes no
// alerts.log, so it counts as with alerts_log off.
func (w *Writer) Offset(now time.Time) (int64, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.turnDay(now); err != nil {
		return 0, err
	}
	return w.offset, nil
}

// Append adds one line. Whole blocks reach the file at once, the rest with Flush. When the day of now is another than that of the file, the new
// day's file is begun first.
func (w *Writer) Append(line []byte, now time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.file == nil {
		return fmt.Errorf("append to %s: %w", w.Path(), fs.ErrClosed)
	}
	if err := w.turnDay(now); err != nil {
		return err
	}
	w.buffer = append(append(w.buffer, line...), '\n')
	w.offset += int64(len(line)) + 1
	whole := len(w.buffer) / blockBytes * blockBytes
	return w.write(whole)
}

// Flush writes what is buffered; analysisd does so once a second.
func (w *Writer) Flush() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.file == nil {
		return nil
	}
	return w.write(len(w.buffer))
}

// Rotate begins the next numbered file of the day (rotate_interval, max_output_size).
func (w *Writer) Rotate(now time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.file == nil {
		return fmt.Errorf("rotate %s: %w", w.Path(), fs.ErrClosed)
	}
	if w.day != now.Format(time.DateOnly) {
		return w.turnDay(now)
	}
	next := w.number + 1
	if err := w.closeFile(); err != nil {
		return err
	}
	return w.open(now, next)
}

// Close flushes and closes. The files stay.
func (w *Writer) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.file == nil {
		return nil
	}
	return w.closeFile()
}

func (w *Writer) write(n int) error {
	if n == 0 {
		return nil
	}
	if _, err := w.file.Write(w.buffer[:n]); err != nil {
		return fmt.Errorf("write %s: %w", w.dated, err)
	}
	w.buffer = append(w.buffer[:0], w.buffer[n:]...)
	return nil
}

func (w *Writer) turnDay(now time.Time) error {
	if w.file == nil || w.day == now.Format(time.DateOnly) {
		return nil
	}
	if err := w.closeFile(); err != nil {
		return err
	}
	return w.open(now, 0)
}

// closeFile also removes the dated name of a file that stayed empty (getloglocation.c).
func (w *Writer) closeFile() error {
	err := w.write(len(w.buffer))
	info, statErr := w.file.Stat()
	err = errors.Join(err, statErr, w.file.Close())
	w.file = nil
	if statErr == nil && info.Size() == 0 {
		if removeErr := os.Remove(w.dated); removeErr != nil && !errors.Is(removeErr, fs.ErrNotExist) {
			err = errors.Join(err, removeErr)
		}
	}
	return err
}

// open opens file number of the day of now (-1: the highest there is) and moves the reader's name to it. Between unlink and link that name does
// not exist, for a moment.
func (w *Writer) open(now time.Time, number int) error {
	folder := filepath.Join(w.dir, now.Format("2006"), now.Format("Jan"))
	if err := os.MkdirAll(folder, 0o750); err != nil {
		return fmt.Errorf("make the folder of the day's alerts: %w", err)
	}
	if number < 0 {
		number = highest(folder, w.name, now)
	}
	w.dated = filepath.Join(folder, fileName(w.name, now, number))
	f, err := os.OpenFile(w.dated, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o640)
	if err != nil {
		return fmt.Errorf("open the day's alerts: %w", err)
	}
	size, err := f.Seek(0, 2)
	if err := errors.Join(err, f.Chmod(0o640), relink(w.dated, w.Path())); err != nil {
		return errors.Join(fmt.Errorf("open the day's alerts: %w", err), f.Close())
	}
	w.file, w.day, w.number, w.offset = f, now.Format(time.DateOnly), number, size
	return nil
}

func relink(dated, path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.Link(dated, path)
}

func fileName(name string, day time.Time, number int) string {
	var b bytes.Buffer
	fmt.Fprintf(&b, "ossec-%s-%02d", singularDir(name), day.Day())
	if number > 0 {
		fmt.Fprintf(&b, "-%03d", number)
	}
	b.WriteString(".json")
	return b.String()
}

// singularDir: archives.json's dated files are called ossec-archive-DD.json, those of alerts.json ossec-alerts-DD.json.
func singularDir(name string) string {
	if name == "archives" {
		return "archive"
	}
	return name
}

func highest(folder, name string, day time.Time) int {
	number := 0
	for {
		if _, err := os.Stat(filepath.Join(folder, fileName(name, day, number+1))); err != nil {
			return number
		}
		number++
	}
}
