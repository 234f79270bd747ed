package follow

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
	"time"
)

const (
	headSize  = 1024      // bytes of a file's beginning that identify it
	tailSize  = 256       // bytes before the offset that prove the place
	blockSize = 256 << 10 // bytes read at once
)

// identity is what tells a file from another one on this host, until it is
// deleted.
type identity struct{ device, inode uint64 }

func identify(info fs.FileInfo) identity {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return identity{}
	}
	return identity{device: st.Dev, inode: st.Ino}
}

// tail is one file that is being read. Its buffer holds up to tailSize bytes of
// what was consumed (before r), then what was read and not consumed (r to w).
type tail struct {
	name  string // relative, without ".gz"
	path  string // as it was opened
	key   key
	dated bool
	id    identity
	grew  time.Time // when it was last seen to grow

	file *os.File     // nil for a file that is gone
	zip  *gzip.Reader // nil for a plain file

	buf     []byte
	r, w    int
	scanned int    // bytes from r that hold no newline
	off     int64  // of the next line
	skipped int64  // bytes of an overlong line that were let go of
	lead    []byte // the first of those
	kept    []byte // those before off, while they are no longer in the buffer
	head    []byte // the first bytes before off
	print   Print  // of head
	atEnd   bool   // the last fill came to the end of the file
	ended   bool   // of a compressed one: no more will come

	gap *Gap     // to be told before anything else
	was Position // and what the bookmark says until then
}

// openTail opens a file without blocking on a FIFO, and refuses what is not a
// regular file.
func openTail(path string, compressed, follow bool) (*tail, error) {
	flags := os.O_RDONLY | syscall.O_NONBLOCK
	if !follow {
		flags |= syscall.O_NOFOLLOW
	}
	file, err := os.OpenFile(path, flags, 0)
	if err != nil {
		return nil, err
	}
	t := &tail{file: file, path: path}
	if err := t.prepare(compressed); err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", path, err), file.Close())
	}
	return t, nil
}

func (t *tail) prepare(compressed bool) error {
	info, err := t.file.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return errors.New("it is not a regular file")
	}
	t.id = identify(info)
	t.grew = info.ModTime()
	if compressed {
		t.zip, err = gzip.NewReader(t.file)
	}
	return err
}

func (t *tail) close() error {
	if t.file == nil {
		return nil
	}
	err := t.file.Close()
	t.file = nil
	return err
}

func (t *tail) position() Position {
	if t.gap != nil {
		return t.was
	}
	if t.print.Len != len(t.head) {
		t.print = printOf(t.head)
	}
	return Position{
		Name: t.name, Device: t.id.device, Inode: t.id.inode, Offset: t.off,
		Head: t.print, Tail: printOf(t.place()),
	}
}

// place is the last bytes before off.
func (t *tail) place() []byte {
	if t.skipped > 0 {
		return t.kept
	}
	return t.buf[max(0, t.r-tailSize):t.r]
}

// readTo is how far the file has been read.
func (t *tail) readTo() int64 { return t.off + t.pending() }

// pending is how much was read of a line that has no newline yet.
func (t *tail) pending() int64 { return t.skipped + int64(t.w-t.r) }

// line returns the next whole line, valid until the next call of fill, or for a
// line longer than most only its length. ok is false when there is none in the
// buffer.
func (t *tail) line(most int) (line []byte, overlong int64, ok bool) {
	i := bytes.IndexByte(t.buf[t.r+t.scanned:t.w], '\n')
	if i < 0 {
		t.scanned = t.w - t.r
		if t.scanned > most || t.skipped > 0 {
			t.skip()
		}
		return nil, 0, false
	}
	line = t.buf[t.r : t.r+t.scanned+i]
	length := t.skipped + int64(len(line))
	t.head = upTo(headSize, t.head, t.lead)
	t.head = upTo(headSize, t.head, t.buf[t.r:t.r+len(line)+1])
	t.lead = nil
	t.r += len(line) + 1
	t.off += length + 1
	t.scanned, t.skipped = 0, 0
	if length > int64(most) {
		return nil, length, true
	}
	return line, 0, true
}

// unread takes back the last n bytes of the line that was just returned.
func (t *tail) unread(n int) {
	t.r -= n
	t.off -= int64(n)
	t.head = t.head[:min(int64(len(t.head)), t.off)]
}

// skip lets go of what is buffered of an overlong line. The offset stays at the
// line's start: only its newline says that it is over.
func (t *tail) skip() {
	if t.skipped == 0 {
		t.kept = bytes.Clone(t.place())
	}
	t.lead = upTo(headSize, t.lead, t.buf[t.r:t.w])
	t.skipped += int64(t.w - t.r)
	t.r, t.scanned = t.w, 0
}

// upTo appends of b to a what fits into size bytes.
func upTo(size int, a, b []byte) []byte {
	if len(a) >= size {
		return a
	}
	return append(a, b[:min(len(b), size-len(a))]...)
}

// fill reads the next block behind what is buffered, and sets atEnd when it came
// to the file's end. More may come later, except to a compressed file.
func (t *tail) fill(most int) (int, error) {
	t.makeRoom(most)
	room := t.buf[t.w:]
	var n int
	var err error
	if t.zip != nil {
		n, err = t.zip.Read(room)
		t.ended = errors.Is(err, io.EOF)
		t.atEnd = t.ended
	} else {
		n, err = t.file.Read(room)
		t.atEnd = n < len(room) && (err == nil || errors.Is(err, io.EOF))
	}
	t.w += n
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return n, err
}

func (t *tail) makeRoom(most int) {
	from := max(0, t.r-tailSize)
	used := t.w - from
	size := blockSize
	for size < used+blockSize/2 {
		size *= 2
	}
	// A line may grow to most bytes before it is let go of, no further.
	size = min(size, max(blockSize, most+tailSize+blockSize))
	switch {
	case len(t.buf) < size, len(t.buf) > 4*size:
		buf := make([]byte, size)
		copy(buf, t.buf[from:t.w])
		t.buf = buf
	case from > 0:
		copy(t.buf, t.buf[from:t.w])
	default:
		return
	}
	t.r -= from
	t.w -= from
}

// errShort means that a file ends before a bookmark's offset.
var errShort = errors.New("the file ends before the bookmark")

// seek goes to offset, which must be the start of a line, and learns the bytes
// that identify the file and the place.
func (t *tail) seek(offset int64) error {
	t.r, t.w, t.scanned, t.skipped, t.off = 0, 0, 0, 0, 0
	t.head, t.lead, t.print = nil, nil, Print{}
	t.atEnd, t.ended = false, false
	if t.zip != nil {
		return t.seekZip(offset)
	}
	before := int(min(offset, tailSize))
	t.head = make([]byte, min(offset, headSize))
	t.buf = make([]byte, blockSize)
	for _, piece := range []struct {
		b  []byte
		at int64
	}{{t.head, 0}, {t.buf[:before], offset - int64(before)}} {
		if n, err := t.file.ReadAt(piece.b, piece.at); n < len(piece.b) {
			if errors.Is(err, io.EOF) {
				err = errShort
			}
			return err
		}
	}
	if _, err := t.file.Seek(offset, io.SeekStart); err != nil {
		return err
	}
	t.r, t.w, t.off = before, before, offset
	return nil
}

func (t *tail) seekZip(offset int64) error {
	if _, err := t.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if err := t.zip.Reset(t.file); err != nil {
		return err
	}
	for t.off < offset {
		t.makeRoom(0)
		room := t.buf[t.w:]
		n, err := t.zip.Read(room[:min(int64(len(room)), offset-t.off)])
		t.head = upTo(headSize, t.head, room[:n])
		t.w += n
		t.r = t.w
		t.off += int64(n)
		if err != nil && t.off < offset {
			if errors.Is(err, io.EOF) {
				err = errShort
			}
			return err
		}
	}
	return nil
}

// seekEnd goes behind the last newline.
func (t *tail) seekEnd() error {
	end, err := t.file.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	block := make([]byte, blockSize)
	for end > 0 {
		n := min(end, blockSize)
		if _, err := t.file.ReadAt(block[:n], end-n); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if i := bytes.LastIndexByte(block[:n], '\n'); i >= 0 {
			return t.seek(end - n + int64(i) + 1)
		}
		end -= n
	}
	return t.seek(0)
}

// recheck looks whether the file still holds what was read from it. rewritten
// says that it does not: it begins otherwise, or has other bytes before the offset,
// or none. A piece of a line that is gone again is no loss, since the hook cuts
// back what it could not write whole: it is forgotten.
func (t *tail) recheck() (rewritten bool, err error) {
	if t.zip != nil {
		return false, nil
	}
	same, err := t.holds(t.head, int64(len(t.head)))
	if same {
		same, err = t.holds(t.place(), t.off)
	}
	if err != nil || !same {
		return err == nil, err
	}
	if t.pending() == 0 {
		return false, nil
	}
	first := t.lead
	if t.skipped == 0 {
		first = t.buf[t.r:min(t.w, t.r+headSize)]
	}
	same, err = t.holds(first, t.off+int64(len(first)))
	if same {
		same, err = t.holds(t.buf[max(0, t.w-tailSize):t.w], t.readTo())
	}
	if err == nil && !same {
		err = t.seek(t.off)
	}
	return false, err
}

// keepWhole lets go of the piece of a line behind the whole lines in the buffer:
// what is kept until the next call is only what no hook will take back.
func (t *tail) keepWhole() error {
	i := bytes.LastIndexByte(t.buf[t.r:t.w], '\n')
	if t.zip != nil || i < 0 || t.r+i+1 == t.w {
		return nil
	}
	t.w = t.r + i + 1
	t.atEnd = false
	_, err := t.file.Seek(t.readTo(), io.SeekStart)
	return err
}

// holds says whether the file has want just before end.
func (t *tail) holds(want []byte, end int64) (bool, error) {
	var buf [headSize]byte
	got := buf[:len(want)]
	if len(want) == 0 {
		return true, nil
	}
	n, err := t.file.ReadAt(got, end-int64(len(want)))
	if err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	return n == len(want) && bytes.Equal(got, want), nil
}
