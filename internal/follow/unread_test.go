package follow

import (
	"os"
	"path/filepath"
	"testing"
)

func TestUnreadBehindABookmark(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "alerts.json")
	write := func(text string) {
		t.Helper()
		file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o640)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := file.WriteString(text); err != nil {
			t.Fatal(err)
		}
		if err := file.Close(); err != nil {
			t.Fatal(err)
		}
	}
	unread := func(from Bookmark) int64 {
		t.Helper()
		n, err := UnreadAlerts(path, from)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	write("one\ntwo\n")
	if n := unread(Bookmark{}); n != 0 {
		t.Errorf("%d bytes behind the zero bookmark", n)
	}
	f, err := OpenAlerts(path, Bookmark{}, Options{Start: AtBegin, unwatched: true})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	batch, err := f.Next(t.Context(), Limits{Lines: 1})
	if err != nil {
		t.Fatal(err)
	}
	if n := unread(batch.After); n != 4 {
		t.Errorf("%d bytes behind the first line, want 4", n)
	}
	write("three\n")
	if n := unread(batch.After); n != 10 {
		t.Errorf("%d bytes once a line was added, want 10", n)
	}
}
