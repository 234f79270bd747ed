package alertlog_test

import (
	"compress/gzip"
	"crypto/md5" //nolint:gosec // what monitord writes
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"custom-vault/lab/alertlog"
)

func noon() time.Time { return time.Date(2026, time.November, 24, 12, 0, 0, 0, time.UTC) }

func open(t *testing.T, dir string, now time.Time) *alertlog.Writer {
	t.Helper()
	w, err := alertlog.Open(dir, "alerts", now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { must(t, w.Close()) })
	return w
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	must(t, err)
	return string(text)
}

func sameFile(t *testing.T, a, b string) bool {
	t.Helper()
	x, err := os.Stat(a)
	must(t, err)
	y, err := os.Stat(b)
	must(t, err)
	return os.SameFile(x, y)
}

func TestAlertsReachTheFileInBlocksAndWithFlush(t *testing.T) {
	t.Parallel()
	w := open(t, t.TempDir(), noon())
	must(t, w.Append([]byte(strings.Repeat("a", 3000)), noon()))
	if got := read(t, w.Path()); got != "" {
		t.Errorf("%d bytes were written before a block was full", len(got))
	}
	must(t, w.Append([]byte(strings.Repeat("b", 3000)), noon()))
	if got := len(read(t, w.Path())); got != 4096 {
		t.Errorf("%d bytes on disk, want one block: a reader sees half a line", got)
	}
	must(t, w.Flush())
	if got := len(read(t, w.Path())); got != 6002 {
		t.Errorf("%d bytes after the flush, want 6002", got)
	}
}

func TestAlertsJSONIsAHardLinkToTheDaysFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := open(t, dir, noon())
	dated := filepath.Join(dir, "2026/Nov/ossec-alerts-24.json")
	if !sameFile(t, w.Path(), dated) {
		t.Errorf("%s and %s are two files", w.Path(), dated)
	}
	info, err := os.Stat(dated)
	must(t, err)
	if info.Mode().Perm() != 0o640 {
		t.Errorf("mode %o, want 640", info.Mode().Perm())
	}
}

func TestTheDayTurnsWithTheNextAlert(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := open(t, dir, noon())
	must(t, w.Append([]byte("old"), noon()))
	tomorrow := noon().AddDate(0, 0, 7) // into December
	offset, err := w.Offset(tomorrow)
	must(t, err)
	if offset != 0 {
		t.Errorf("offset %d in the new day's file, want 0", offset)
	}
	must(t, w.Append([]byte("new"), tomorrow))
	must(t, w.Flush())
	if got := read(t, filepath.Join(dir, "2026/Nov/ossec-alerts-24.json")); got != "old\n" {
		t.Errorf("the old day's file holds %q", got)
	}
	if got := read(t, w.Path()); got != "new\n" || !sameFile(t, w.Path(), filepath.Join(dir, "2026/Dec/ossec-alerts-01.json")) {
		t.Errorf("alerts.json holds %q", got)
	}
}

func TestRotationWithinADayCountsAndGoesOnAfterARestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := open(t, dir, noon())
	must(t, w.Append([]byte("one"), noon()))
	must(t, w.Rotate(noon()))
	must(t, w.Append([]byte("two"), noon()))
	must(t, w.Close())
	w = open(t, dir, noon())
	must(t, w.Append([]byte("three"), noon()))
	must(t, w.Flush())
	if got := read(t, filepath.Join(dir, "2026/Nov/ossec-alerts-24-001.json")); got != "two\nthree\n" {
		t.Errorf("the first numbered file holds %q", got)
	}
}

func TestAFileThatStayedEmptyIsRemoved(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := open(t, dir, noon())
	must(t, w.Rotate(noon()))
	if _, err := os.Stat(filepath.Join(dir, "2026/Nov/ossec-alerts-24.json")); !os.IsNotExist(err) {
		t.Errorf("the empty file is still there: %v", err)
	}
}

func TestAnOpenDescriptorReadsOnAfterCompression(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := open(t, dir, noon())
	must(t, w.Append([]byte("line"), noon()))
	must(t, w.Append([]byte("of tomorrow"), noon().AddDate(0, 0, 1)))
	plain := filepath.Join(dir, "2026/Nov/ossec-alerts-24.json")
	held, err := os.Open(plain)
	must(t, err)
	defer held.Close() //nolint:errcheck // opened for reading
	must(t, w.CompressDay(noon()))
	if _, err := os.Stat(plain); !os.IsNotExist(err) {
		t.Errorf("the plain file is still there: %v", err)
	}
	text, err := io.ReadAll(held)
	must(t, err)
	if string(text) != "line\n" {
		t.Errorf("the held descriptor reads %q", text)
	}
	packed, err := os.Open(plain + ".gz")
	must(t, err)
	defer packed.Close() //nolint:errcheck // opened for reading
	unzip, err := gzip.NewReader(packed)
	must(t, err)
	text, err = io.ReadAll(unzip)
	must(t, err)
	if string(text) != "line\n" {
		t.Errorf("the compressed file holds %q", text)
	}
}

func TestChecksumsAreChained(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := open(t, dir, noon())
	must(t, w.Append([]byte("a"), noon()))
	next := noon().AddDate(0, 0, 1)
	must(t, w.Append([]byte("b"), next))
	must(t, w.CompressDay(noon()))
	must(t, w.Append([]byte("c"), next.AddDate(0, 0, 1)))
	must(t, w.CompressDay(next))
	first := read(t, filepath.Join(dir, "2026/Nov/ossec-alerts-24.json.sum"))
	second := read(t, filepath.Join(dir, "2026/Nov/ossec-alerts-25.json.sum"))
	if want := fmt.Sprintf("%x", md5.Sum([]byte("a\n"))); !strings.Contains(first, want) { //nolint:gosec // as above
		t.Errorf("%s is not in\n%s", want, first)
	}
	if want := fmt.Sprintf("%x", md5.Sum([]byte(first))); !strings.Contains(second, want) { //nolint:gosec // as above
		t.Errorf("the second sum does not chain the first: %s is not in\n%s", want, second)
	}
}
