package follow

import (
	"compress/gzip"
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

// TestMain lets the property tests ask the same questions every time, so that a change is what makes them fail. With
// -rapid.checks=N, or a seed, they ask new ones.
func TestMain(m *testing.M) {
	flag.Parse()
	asked := false
	flag.Visit(func(f *flag.Flag) { asked = asked || f.Name == "rapid.checks" || f.Name == "rapid.seed" })
	if !asked {
		if err := flag.Set("rapid.seed", "4144"); err != nil {
			panic(err)
		}
	}
	goleak.VerifyTestMain(m)
}

// manager writes alerts.json as analysisd and monitord do.
type manager struct {
	t    *testing.T
	root string // logs/alerts
	file string // the dated file that is written
}

func newManager(t *testing.T, dated string) *manager {
	t.Helper()
	m := &manager{t: t, root: t.TempDir()}
	m.rotate(dated)
	return m
}

func (m *manager) path() string { return filepath.Join(m.root, "alerts.json") }

func (m *manager) check(err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatal(err)
	}
}

// rotate opens the next dated file, then links alerts.json anew.
func (m *manager) rotate(dated string) {
	m.t.Helper()
	m.file = filepath.Join(m.root, dated)
	m.check(os.MkdirAll(filepath.Dir(m.file), 0o750))
	m.write("")
	if err := os.Remove(m.path()); !errors.Is(err, fs.ErrNotExist) {
		m.check(err)
	}
	m.check(os.Link(m.file, m.path()))
}

func (m *manager) write(text string) {
	m.t.Helper()
	appendTo(m.t, m.file, text)
}

// appendTo may be called from any goroutine.
func appendTo(t interface{ Error(...any) }, path, text string) {
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o640)
	if err == nil {
		_, err = file.WriteString(text)
		err = errors.Join(err, file.Close())
	}
	if err != nil {
		t.Error(err)
	}
}

// compress copies a dated file to .gz and unlinks it.
func (m *manager) compress(dated string) {
	m.t.Helper()
	path := filepath.Join(m.root, dated)
	m.check(gzipFile(path))
	m.check(os.Remove(path))
}

func gzipFile(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	file, err := os.Create(path + ".gz")
	if err != nil {
		return err
	}
	zip := gzip.NewWriter(file)
	_, err = zip.Write(text)
	return errors.Join(err, zip.Close(), file.Close())
}

func (m *manager) follow(from Bookmark, opt Options) *Follower {
	m.t.Helper()
	f, err := OpenAlerts(m.path(), from, opt)
	m.check(err)
	m.t.Cleanup(func() { m.check(f.Close()) })
	return f
}

// now reads what there is now, lines and gaps as text.
func now(f *Follower) (got []string, after Bookmark) {
	var b Batch
	f.collect(context.Background(), Limits{Lines: 1 << 30, Bytes: 1 << 30}, &b)
	return texts(b.Items), f.Position()
}

func texts(items []Item) (got []string) {
	for _, item := range items {
		if item.Gap != nil {
			got = append(got, fmt.Sprintf("%s %s@%d+%d", item.Gap.Reason, item.Gap.File, item.Gap.Offset, item.Gap.Bytes))
			continue
		}
		got = append(got, string(item.Text))
	}
	return got
}

func expect(t *testing.T, got []string, want ...string) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Fatalf("lines (-want +got):\n%s", d)
	}
}

func next(t *testing.T, f *Follower) []string {
	t.Helper()
	ctx, stop := context.WithTimeout(context.Background(), time.Minute)
	defer stop()
	b, err := f.Next(ctx, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return texts(b.Items)
}

// woken opens a reader that inotify wakes. Others on this machine may have taken all of a user's instances
// (fs.inotify.max_user_instances, 128) for a while.
func woken(t *testing.T, open func() *Follower) *Follower {
	t.Helper()
	patience := time.After(2 * time.Minute)
	for {
		f := open()
		if f.watch.notify != nil {
			return f
		}
		select {
		case <-patience:
			t.Fatal("no inotify instance to be had")
		case <-time.After(20 * time.Millisecond):
		}
	}
}

const (
	monday  = "2026/Nov/ossec-alerts-23.json"
	tuesday = "2026/Nov/ossec-alerts-24.json"
)

func TestFirstStartBeginsAtTheEnd(t *testing.T) {
	t.Parallel()
	m := newManager(t, tuesday)
	m.write("old\nhalf of a ")
	f := m.follow(Bookmark{}, Options{})
	m.write("new line\n")
	got, _ := now(f)
	expect(t, got, "half of a new line")
}

func TestFirstStartAtTheBeginningReadsAllDays(t *testing.T) {
	t.Parallel()
	m := newManager(t, "2025/Dec/ossec-alerts-31.json")
	m.write("a\n")
	m.rotate("2026/Jan/ossec-alerts-01.json")
	m.write("b\n")
	m.rotate("2026/Jan/ossec-alerts-01-001.json")
	m.write("c\n")
	m.compress("2025/Dec/ossec-alerts-31.json")
	got, _ := now(m.follow(Bookmark{}, Options{Start: AtBegin}))
	expect(t, got, "a", "b", "c")
}

func TestNextWakesForALineWrittenUnderTheDatedName(t *testing.T) {
	t.Parallel()
	m := newManager(t, tuesday)
	f := woken(t, func() *Follower { return m.follow(Bookmark{}, Options{Poll: time.Hour}) }) // nothing else can wake it
	m.write("one\n")
	expect(t, next(t, f), "one")
	go m.write("two\n")
	expect(t, next(t, f), "two")
	m.rotate("2026/Nov/ossec-alerts-25.json")
	m.write("three\n")
	expect(t, next(t, f), "three")
	go m.write("four\n")
	expect(t, next(t, f), "four")
}

func TestRestartDaysLater(t *testing.T) {
	t.Parallel()
	m := newManager(t, monday)
	f := m.follow(Bookmark{}, Options{})
	m.write("a\nb\n")
	got, after := now(f)
	expect(t, got, "a", "b")
	m.write("c\n")
	m.rotate(tuesday)
	m.write("d\n")
	m.rotate("2026/Nov/ossec-alerts-24-001.json")
	m.write("e\n")
	m.compress(monday)
	m.rotate("2026/Nov/ossec-alerts-26.json")
	m.write("f\n")

	again, err := ParseBookmark(after.String())
	m.check(err)
	got, _ = now(m.follow(again, Options{}))
	expect(t, got, "c", "d", "e", "f")
}

func TestBookmarkedFileGone(t *testing.T) {
	t.Parallel()
	m := newManager(t, monday)
	f := m.follow(Bookmark{}, Options{})
	m.write("a\n")
	_, after := now(f)
	m.write("b\n")
	m.rotate(tuesday)
	m.write("c\n")
	m.check(os.Remove(filepath.Join(m.root, monday)))

	f = m.follow(after, Options{})
	if d := cmp.Diff(after, f.Position()); d != "" {
		t.Errorf("the bookmark moved before the gap was told:\n%s", d)
	}
	got, after := now(f)
	expect(t, got, "gone "+monday+"@2+-1", "c")
	got, _ = now(m.follow(after, Options{}))
	expect(t, got)
}

func TestOverlongLineIsAGap(t *testing.T) {
	t.Parallel()
	m := newManager(t, tuesday)
	f := m.follow(Bookmark{}, Options{MaxLine: 1000})
	m.write(strings.Repeat("x", 700_000))
	got, _ := now(f)
	expect(t, got)
	m.write(strings.Repeat("x", 7) + "\nshort\n" + strings.Repeat("y", 1001) + "\n" + strings.Repeat("z", 1000) + "\n")
	got, after := now(f)
	expect(t, got, "overlong "+tuesday+"@0+700007", "short", "overlong "+tuesday+"@700014+1001", strings.Repeat("z", 1000))
	m.write("next\n")
	got, _ = now(m.follow(after, Options{}))
	expect(t, got, "next")
}
