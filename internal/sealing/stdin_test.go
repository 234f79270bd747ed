package sealing

import (
	"io"
	"os"
	"strings"
	"testing"
	"time"
)

const patience = time.Minute // never used up by a test that passes

func pipe(t *testing.T) (read, write *os.File) {
	t.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = read.Close(), write.Close() })
	return read, write
}

func TestALineIsReadWhileStdinStaysOpen(t *testing.T) {
	t.Parallel()
	for name, sent := range map[string]string{
		"short":                      "{}\n",
		"as long as execd's longest": strings.Repeat("x", 65_600) + "\n",
		"as long as can be":          strings.Repeat("x", MaxLine) + "\n",
		"another after it":           "first\nsecond\n",
		"empty":                      "\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			read, write := pipe(t)
			go func() { _, _ = io.WriteString(write, sent) }() // ends at the latest when the pipe is closed
			got, err := ReadLine(read, patience)
			if err != nil {
				t.Fatal(err)
			}
			if want, _, _ := strings.Cut(sent, "\n"); string(got) != want {
				t.Errorf("read %d bytes, want %d", len(got), len(want))
			}
		})
	}
}

func TestALineInPieces(t *testing.T) {
	t.Parallel()
	read, write := pipe(t)
	go func() {
		for _, piece := range []string{`{"comm`, `and":`, `"add"}`, "\n"} {
			_, _ = io.WriteString(write, piece)
		}
	}()
	got, err := ReadLine(read, patience)
	if err != nil || string(got) != `{"command":"add"}` {
		t.Errorf("read %q, %v", got, err)
	}
}

func TestTheLastLineNeedsNoNewline(t *testing.T) {
	t.Parallel()
	read, write := pipe(t)
	_, _ = io.WriteString(write, `{"command":"add"}`)
	_ = write.Close()
	if got, err := ReadLine(read, patience); err != nil || string(got) != `{"command":"add"}` {
		t.Errorf("read %q, %v", got, err)
	}
}

func TestNoLine(t *testing.T) {
	t.Parallel()
	t.Run("stdin silent", func(t *testing.T) {
		t.Parallel()
		read, _ := pipe(t)
		if _, err := ReadLine(read, 20*time.Millisecond); err == nil || !strings.Contains(err.Error(), "in time") {
			t.Errorf("error %v", err)
		}
	})
	t.Run("half a line and silence", func(t *testing.T) {
		t.Parallel()
		read, write := pipe(t)
		_, _ = io.WriteString(write, `{"command":"add"`)
		if _, err := ReadLine(read, 20*time.Millisecond); err == nil || !strings.Contains(err.Error(), "in time") {
			t.Errorf("error %v", err)
		}
	})
	t.Run("stdin ended", func(t *testing.T) {
		t.Parallel()
		read, write := pipe(t)
		_ = write.Close()
		if _, err := ReadLine(read, patience); err == nil || !strings.Contains(err.Error(), "ended") {
			t.Errorf("error %v", err)
		}
	})
	t.Run("a line without end", func(t *testing.T) {
		t.Parallel()
		read, write := pipe(t)
		go func() {
			for {
				if _, err := write.Write(make([]byte, 4096)); err != nil {
					return // the test has closed the pipe
				}
			}
		}()
		if _, err := ReadLine(read, patience); err == nil || !strings.Contains(err.Error(), "longer than") {
			t.Errorf("error %v", err)
		}
	})
	t.Run("a folder", func(t *testing.T) {
		t.Parallel()
		dir, err := os.Open(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		defer dir.Close()
		if _, err := ReadLine(dir, patience); err == nil {
			t.Error("no error")
		}
	})
}
