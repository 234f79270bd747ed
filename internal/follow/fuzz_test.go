package follow

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"
)

// FuzzLines: whatever a file holds, however it came, and whenever the reader was ended and taken up again, its lines are
// those between its newlines, each once and found where it is said to be; what is too long is a gap of its size.
func FuzzLines(f *testing.F) {
	f.Add([]byte("one\ntwo\n\nthree"), 3, 10, uint64(0), false)
	f.Add([]byte("\x00\xff\n{\"timestamp\":\"\n"), 1, 2, uint64(0b10101), true)
	f.Add(bytes.Repeat([]byte("0123456789"), 100), 7, 100, uint64(6), false)
	f.Add(append(bytes.Repeat([]byte("0123456789\n"), 100), "torn"...), 7, 100, ^uint64(0), true)
	f.Fuzz(func(t *testing.T, text []byte, chunk, most int, restarts uint64, inJournal bool) {
		chunk, most = 1+max(0, chunk)%4096, 1+max(0, most)%4096
		name, open := "alerts.json", openAlertsIn
		if inJournal {
			name, open = "2026112414.jsonl", OpenJournal
		}
		dir := t.TempDir()
		path := filepath.Join(dir, name)
		appendTo(t, path, "")
		opt := Options{Start: AtBegin, MaxLine: most, unwatched: true}
		r, err := open(dir, Bookmark{}, opt)
		if err != nil {
			t.Fatal(err)
		}
		var got []Item
		for rest := text; len(rest) > 0; restarts >>= 1 {
			n := min(max(chunk, len(text)/8), len(rest))
			appendTo(t, path, string(rest[:n]))
			rest = rest[n:]
			var b Batch
			r.collect(context.Background(), Limits{Lines: 1 << 30, Bytes: 1 << 30}, &b)
			got = append(got, b.Items...)
			if restarts&1 == 1 {
				r = takenUp(t, r, func(at Bookmark) (*Follower, error) { return open(dir, at, opt) })
			}
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		expect(t, texts(got), wantLines(text, most, name)...)
		for _, item := range got {
			checkPlace(t, text, name, item)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	})
}

func openAlertsIn(dir string, from Bookmark, opt Options) (*Follower, error) {
	return OpenAlerts(filepath.Join(dir, "alerts.json"), from, opt)
}

// takenUp ends a reader, and opens another one where its stored bookmark says.
func takenUp(t *testing.T, r *Follower, open func(Bookmark) (*Follower, error)) *Follower {
	t.Helper()
	stored := r.Position().String()
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	at, err := ParseBookmark(stored)
	if err != nil {
		t.Fatal(err)
	}
	r, err = open(at)
	if err != nil {
		t.Fatal(err)
	}
	if got := r.Position().String(); got != stored {
		t.Fatalf("taken up at %s, not at %s", got, stored)
	}
	return r
}

// checkPlace holds that a line stands where it is said to stand.
func checkPlace(t *testing.T, text []byte, name string, item Item) {
	t.Helper()
	if item.Gap != nil {
		return
	}
	from, to := int(item.Offset), int(item.Offset)+len(item.Text)
	if item.File != name || from < 0 || to >= len(text) || !bytes.Equal(text[from:to], item.Text) || text[to] != '\n' {
		t.Fatalf("%q is not at %d of %s", item.Text, item.Offset, item.File)
	}
}

func wantLines(text []byte, most int, name string) (want []string) {
	offset := 0
	for {
		line, rest, whole := bytes.Cut(text[offset:], []byte("\n"))
		if !whole {
			return want
		}
		switch {
		case len(line) > most:
			want = append(want, texts([]Item{{Gap: &Gap{Reason: Overlong, File: name, Offset: int64(offset), Bytes: int64(len(line))}}})...)
		case len(line) > 0:
			want = append(want, string(line))
		}
		offset = len(text) - len(rest)
	}
}
