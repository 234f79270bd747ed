package follow

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// FuzzLines: whatever a file holds, and however it came, its lines are those
// between its newlines, each once; what is too long is a gap of its size.
func FuzzLines(f *testing.F) {
	f.Add([]byte("one\ntwo\n\nthree"), 3, 10)
	f.Add([]byte("\x00\xff\n{\"timestamp\":\"\n"), 1, 2)
	f.Add(bytes.Repeat([]byte("0123456789"), 100), 7, 100)
	f.Fuzz(func(t *testing.T, text []byte, chunk, most int) {
		chunk, most = 1+max(0, chunk)%4096, 1+max(0, most)%4096
		path := filepath.Join(t.TempDir(), "alerts.json")
		appendTo(t, path, "")
		r, err := OpenAlerts(path, Bookmark{}, Options{MaxLine: most, unwatched: true})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for rest := text; len(rest) > 0; {
			n := min(max(chunk, len(text)/8), len(rest))
			appendTo(t, path, string(rest[:n]))
			rest = rest[n:]
			lines, at := now(r)
			got = append(got, lines...)
			if again, err := ParseBookmark(at.String()); err != nil || !again.Equal(at) {
				t.Fatalf("the bookmark %s: %v", at, err)
			}
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		expect(t, got, wantLines(text, most)...)
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	})
}

func wantLines(text []byte, most int) (want []string) {
	offset := 0
	for {
		line, rest, whole := bytes.Cut(text[offset:], []byte("\n"))
		if !whole {
			return want
		}
		switch {
		case len(line) > most:
			want = append(want, texts([]Item{{Gap: &Gap{Reason: Overlong, File: "alerts.json", Offset: int64(offset), Bytes: int64(len(line))}}})...)
		case len(line) > 0:
			want = append(want, string(line))
		}
		offset = len(text) - len(rest)
	}
}
