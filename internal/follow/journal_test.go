package follow

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"custom-vault/internal/journal"
)

func makeFIFO(path string) error { return syscall.Mkfifo(path, 0o600) }

// box is a journal with a clock.
type box struct {
	t     *testing.T
	dir   string
	clock time.Time
}

func newBox(t *testing.T) *box {
	return &box{t: t, dir: t.TempDir(), clock: time.Date(2026, 11, 24, 14, 30, 0, 0, time.UTC)}
}

func (x *box) append(text string, at time.Time) string {
	x.t.Helper()
	name := journal.FileName(at)
	appendTo(x.t, filepath.Join(x.dir, name), text)
	if err := os.Chtimes(filepath.Join(x.dir, name), at, at); err != nil {
		x.t.Fatal(err)
	}
	return name
}

func (x *box) follow(from Bookmark, opt Options) *Follower {
	x.t.Helper()
	opt.Now = func() time.Time { return x.clock }
	f, err := OpenJournal(x.dir, from, opt)
	if err != nil {
		x.t.Fatal(err)
	}
	x.t.Cleanup(func() {
		if err := f.Close(); err != nil {
			x.t.Error(err)
		}
	})
	return f
}

func (x *box) prune(f *Follower, committed Bookmark, want ...string) {
	x.t.Helper()
	got, err := f.Prune(committed)
	if err != nil {
		x.t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		x.t.Errorf("pruned (-want +got):\n%s", d)
	}
}

func TestJournalIsReadHourByHour(t *testing.T) {
	t.Parallel()
	x := newBox(t)
	x.append("a\n", x.clock)
	x.append("c\n", x.clock.Add(2*time.Hour))
	x.append("b\n", x.clock.Add(time.Hour))
	appendTo(t, filepath.Join(x.dir, "notes.txt"), "not ours\n")
	x.clock = x.clock.Add(3 * time.Hour)
	f := x.follow(Bookmark{}, Options{Start: AtBegin})
	got, after := now(f)
	expect(t, got, "a", "b", "c")
	x.append("d\n", x.clock)
	got, _ = now(x.follow(after, Options{}))
	expect(t, got, "d")
}

func TestNextWakesForTheJournal(t *testing.T) {
	t.Parallel()
	x := newBox(t)
	f := woken(t, func() *Follower { return x.follow(Bookmark{}, Options{Poll: time.Hour}) })
	for _, line := range []string{"one", "two"} {
		go appendTo(x.t, filepath.Join(x.dir, journal.FileName(x.clock)), line+"\n")
		expect(t, next(t, f), line)
	}
}

func TestWhatTheHookCutsBackIsNoGap(t *testing.T) {
	t.Parallel()
	x := newBox(t)
	f := x.follow(Bookmark{}, Options{Start: AtBegin})
	name := x.append("a\nhalf of a li", x.clock)
	got, _ := now(f)
	expect(t, got, "a")
	if err := os.Truncate(filepath.Join(x.dir, name), 2); err != nil {
		t.Fatal(err)
	}
	x.append("another line, longer than the half one\n", x.clock)
	got, _ = now(f)
	expect(t, got, "another line, longer than the half one")
}

func TestPruneDeletesHoursThatAreDoneAndOld(t *testing.T) {
	t.Parallel()
	x := newBox(t)
	start := x.clock
	first := x.append("a\n", start)
	second := x.append("b\n", start.Add(time.Hour))
	third := x.append("c\n", start.Add(5*time.Hour))
	x.clock = start.Add(5 * time.Hour)
	f := x.follow(Bookmark{}, Options{Start: AtBegin})
	_, after := now(f)
	x.prune(f, Bookmark{})
	x.prune(f, Bookmark{Source: Journal, Newest: first, Files: []Position{{Name: first}}})
	x.prune(f, Bookmark{Source: Journal, Newest: first}, first)
	x.prune(f, after, second)
	x.append("d\n", x.clock)
	got, _ := now(f)
	expect(t, got, "d")
	if _, err := os.Stat(filepath.Join(x.dir, third)); err != nil {
		t.Error(err)
	}
}

func TestPruneKeepsYoungHours(t *testing.T) {
	t.Parallel()
	x := newBox(t)
	first := x.append("a\n", x.clock)
	x.append("b\n", x.clock.Add(time.Hour))
	x.clock = x.clock.Truncate(time.Hour).Add(3*time.Hour - time.Second)
	f := x.follow(Bookmark{}, Options{Start: AtBegin})
	_, after := now(f)
	x.prune(f, after)
	x.clock = x.clock.Add(time.Second)
	x.prune(f, after, first)
}

func TestAnHourThatGrewAfterItWasGivenUpIsReadBeforeItIsPruned(t *testing.T) {
	t.Parallel()
	x := newBox(t)
	start := x.clock
	first := x.append("a\n", start)
	x.append("b\n", start.Add(4*time.Hour))
	x.clock = start.Add(4 * time.Hour)
	f := x.follow(Bookmark{}, Options{Start: AtBegin})
	_, after := now(f)
	x.append("late\n", start)
	got, _ := now(f)
	expect(t, got)
	x.prune(f, after)
	got, _ = now(f)
	expect(t, got, "late")
	x.clock = x.clock.Add(time.Hour)
	_, after = now(f)
	x.prune(f, after, first)
}

func TestAHookWithAWrongClockHidesNothing(t *testing.T) {
	t.Parallel()
	x := newBox(t)
	x.append("a\n", x.clock)
	x.append("far\n", x.clock.AddDate(70, 0, 0))
	f := x.follow(Bookmark{}, Options{Start: AtBegin})
	got, _ := now(f)
	expect(t, got, "a", "far")
	x.clock = x.clock.Add(time.Hour)
	x.append("b\n", x.clock)
	got, after := now(f)
	expect(t, got, "b")
	x.clock = x.clock.Add(time.Hour)
	x.append("c\n", x.clock)
	got, _ = now(x.follow(after, Options{}))
	expect(t, got, "c")
}

func TestFirstStartAtTheEndOfTheJournal(t *testing.T) {
	t.Parallel()
	x := newBox(t)
	x.append("a\n", x.clock.Add(-time.Hour))
	x.append("b\n", x.clock)
	x.append("far\n", x.clock.AddDate(70, 0, 0))
	f := x.follow(Bookmark{}, Options{})
	x.append("c\n", x.clock)
	got, _ := now(f)
	expect(t, got, "c", "far")
}
