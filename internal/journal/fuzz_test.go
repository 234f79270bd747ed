package journal

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

func FuzzParseName(f *testing.F) {
	for _, name := range []string{"2026112414.jsonl", "2024022900.jsonl", "2023022900.jsonl", "alerts.json"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		hour, ok := ParseName(name)
		if ok && FileName(hour) != name {
			t.Errorf("ParseName took %q for %v, whose name is %q", name, hour, FileName(hour))
		}
	})
}

// quick is the kernel on a disk that is quick, or full: a write of more than room bytes takes that many.
type quick struct {
	kernel
	room int
}

func (quick) fsync(int) error     { return nil }
func (quick) fdatasync(int) error { return nil }

func (q quick) write(fd int, p []byte) (int, error) {
	if q.room > 0 && len(p) > q.room {
		n, err := q.kernel.write(fd, p[:q.room])
		if err == nil {
			err = syscall.ENOSPC
		}
		return n, err
	}
	return q.kernel.write(fd, p)
}

// FuzzAppend: each line that was taken is in the file whole, once and in its order, byte for byte; neither a writer that
// was killed in the middle of a line, nor a full disk, nor a refused line changes that or leaves a part behind.
func FuzzAppend(f *testing.F) {
	f.Add([]byte("{\"a\":1}\x1f{\"b\":\"\xff\x00\"}\x1f\n\x1fc"), uint64(0), uint64(0))
	f.Add([]byte("one\x1ftwo, torn\x1fthree\x1ffour, for which there is no room\x1ffive"), uint64(0b00010), uint64(0b01000))
	f.Fuzz(func(t *testing.T, text []byte, torn, full uint64) {
		dir := folder(t)
		path := filepath.Join(dir, hour)
		var want [][]byte
		for _, line := range bytes.Split(text, []byte{0x1f}) {
			if torn&1 == 1 { // whoever wrote this was killed
				piece := bytes.ReplaceAll(line, []byte("\n"), []byte(" "))
				scribble(t, path, piece)
				want = joined(want, piece)
			}
			sys := quick{}
			if full&1 == 1 {
				sys.room = 1 + len(line)/2
			}
			torn, full = torn>>1, full>>1
			switch err := appendLine(sys, dir, line, at); {
			case err == nil:
				want = append(closed(want), line, nil)
			case errors.Is(err, syscall.ENOSPC) && len(want) > 0: // the torn line before it was closed
				want = append(closed(want), nil)
			}
		}
		got, err := os.ReadFile(path)
		if err != nil && len(want) > 0 {
			t.Fatal(err)
		}
		if w := bytes.Join(want, []byte("\n")); !bytes.Equal(bytes.TrimSuffix(got, []byte("\n")), bytes.TrimSuffix(w, []byte("\n"))) {
			t.Errorf("the file holds\n%q, want\n%q", got, w)
		}
		if _, err := os.Stat(filepath.Join(dir, FileName(at.Add(time.Hour)))); err == nil {
			t.Error("another hour has a file")
		}
	})
}

// scribble adds a piece of a line to the file.
func scribble(t *testing.T, path string, piece []byte) {
	t.Helper()
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, fileMode)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.Write(piece); err != nil {
		t.Fatal(err)
	}
}

// The file's lines are kept in a list whose last item is what stands behind the last newline.

// joined adds a piece to the last item.
func joined(lines [][]byte, piece []byte) [][]byte {
	if len(lines) == 0 {
		return [][]byte{piece}
	}
	last := len(lines) - 1
	lines[last] = append(bytes.Clone(lines[last]), piece...)
	return lines
}

// closed ends the last item, if there is anything in it.
func closed(lines [][]byte) [][]byte {
	if last := len(lines) - 1; last >= 0 && len(lines[last]) == 0 {
		return lines[:last]
	}
	return lines
}
