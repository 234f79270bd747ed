package follow

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
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

func TestNothingIsPrunedFromAFolderThatIsNotThereYet(t *testing.T) {
	t.Parallel()
	x := newBox(t)
	x.dir = filepath.Join(x.dir, "journal")
	x.prune(x.follow(Bookmark{}, Options{}), Bookmark{Source: Journal, Newest: journal.FileName(x.clock)})
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
	x.prune(f, after)
	again := x.follow(after, Options{})
	for _, f := range []*Follower{f, again} {
		got, _ := now(f)
		expect(t, got, "late")
		got, _ = now(f)
		expect(t, got)
	}
	x.append("c\n", x.clock.Add(time.Hour))
	x.clock = x.clock.Add(time.Hour)
	now(f)
	_, after = now(f)
	x.prune(f, after, first)
}

// The clock was wrong, by years or by an hour, and was set: the hour that a hook writes to may be older than what was
// read before, be done already, or be one that was pruned.
func TestAClockSetBackHidesNothing(t *testing.T) {
	t.Parallel()
	for name, back := range map[string]time.Duration{"an hour": time.Hour, "a day": 24 * time.Hour, "to 1970": 56 * 365 * 24 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := newBox(t)
			x.append("old\n", x.clock.Add(-time.Hour))
			x.append("a\n", x.clock)
			f := x.follow(Bookmark{}, Options{Start: AtBegin})
			got, after := now(f)
			expect(t, got, "old", "a")
			x.append("b\n", x.clock.Add(-back))
			x.prune(f, after)
			got, _ = now(f)
			expect(t, got, "b")
			got, _ = now(x.follow(after, Options{}))
			expect(t, got, "b")
		})
	}
}

// A hook was stopped in the middle of its write, for hours.
func TestATornHourThatWasGivenUpGoesOn(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		then string
		want []string
	}{
		"the next hook closes it": {"a\ntorn\nb\n", []string{"torn", "b"}},
		"its writer goes on":      {"a\ntorn no more\n", []string{"torn no more"}},
		"its writer cuts it off":  {"a\n", nil},
		"and the next one writes": {"a\nfull\n", []string{"full"}},
		"and it fills its place":  {"a\nnew\n", []string{"new"}},
		"with a piece of another": {"a\nb\ncc", []string{"b"}},
		"nothing":                 {"a\ntorn", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := newBox(t)
			first := x.append("a\ntorn", x.clock)
			x.clock = x.clock.Add(2 * time.Hour)
			x.append("other\n", x.clock)
			f := x.follow(Bookmark{}, Options{Start: AtBegin})
			got, after := now(f)
			expect(t, got, "a", "other", "torn "+first+"@2+4")
			if err := os.WriteFile(filepath.Join(x.dir, first), []byte(c.then), 0o640); err != nil {
				t.Fatal(err)
			}
			if c.want != nil {
				x.clock = x.clock.Add(4 * time.Hour)
				x.prune(f, after)
				x.clock = x.clock.Add(-4 * time.Hour)
			}
			for _, f := range []*Follower{f, x.follow(after, Options{})} {
				got, _ = now(f)
				expect(t, got, c.want...)
			}
		})
	}
}

func TestATornHoursPieceIsToldOnce(t *testing.T) {
	t.Parallel()
	x := newBox(t)
	first := x.append("a\ntorn", x.clock)
	x.clock = x.clock.Add(2 * time.Hour)
	x.append("b\n", x.clock)
	f := x.follow(Bookmark{}, Options{Start: AtBegin})
	got, after := now(f)
	expect(t, got, "a", "b", "torn "+first+"@2+4")
	again := x.follow(after, Options{})
	for range 3 {
		x.clock = x.clock.Add(time.Hour)
		for _, f := range []*Follower{f, again} {
			got, after = now(f)
			expect(t, got)
		}
	}
	x.prune(f, after, first)
}

func TestAnHourThatWasPrunedMayComeBack(t *testing.T) {
	t.Parallel()
	x := newBox(t)
	first := x.append("a\n", x.clock)
	x.clock = x.clock.Add(4 * time.Hour)
	x.append("b\n", x.clock)
	f := x.follow(Bookmark{}, Options{Start: AtBegin})
	_, after := now(f)
	x.prune(f, after, first)
	x.append("a\n", x.clock.Add(-4*time.Hour))
	x.prune(f, after)
	got, after := now(f)
	expect(t, got, "a")
	x.append("and another\n", x.clock.Add(-4*time.Hour))
	got, _ = now(x.follow(after, Options{}))
	expect(t, got, "and another")
}

func TestAnotherFileOfADoneHoursNameIsReadFromItsStart(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"b\nc\n", "b\n\n\n\n", "b", "new"} {
		x := newBox(t)
		first := x.append("old\n", x.clock)
		x.clock = x.clock.Add(4 * time.Hour)
		x.append("x\n", x.clock)
		f := x.follow(Bookmark{}, Options{Start: AtBegin})
		_, after := now(f)
		if err := os.WriteFile(filepath.Join(x.dir, first), []byte(text), 0o640); err != nil {
			t.Fatal(err)
		}
		x.append("\n", x.clock.Add(-4*time.Hour))
		got, _ := now(x.follow(after, Options{}))
		expect(t, got, strings.Fields(text)...)
		if len(text) != len("new") { // whose size is the same as before: nobody deletes it under a reader that runs
			got, _ = now(f)
			expect(t, got, strings.Fields(text)...)
		}
	}
}

func TestWeeksOfHoursAreReadOnceAndPruned(t *testing.T) {
	t.Parallel()
	x := newBox(t)
	const hours = 3 * maxDone
	for range hours {
		x.append("line\n", x.clock)
		x.clock = x.clock.Add(time.Hour)
	}
	f := x.follow(Bookmark{}, Options{Start: AtBegin})
	got, after := now(f)
	if len(got) != hours {
		t.Fatalf("%d lines of %d", len(got), hours)
	}
	stored, err := ParseBookmark(after.String())
	if err != nil {
		t.Fatal(err)
	}
	f = x.follow(stored, Options{})
	got, after = now(f)
	expect(t, got)
	removed, err := f.Prune(after)
	if err != nil || len(removed) != hours-2 {
		t.Fatalf("%d of %d hours pruned, %v", len(removed), hours, err)
	}
	_, after = now(f)
	if len(after.Done) > 1 || after.Newest != "" {
		t.Errorf("still remembered: %s", after)
	}
}

// The clock was days ahead, for days. What it left behind must not take the place of what has to be remembered once it
// is right.
func TestHoursToComeArePrunedAndHideNothing(t *testing.T) {
	t.Parallel()
	x := newBox(t)
	right := x.clock
	x.clock = right.AddDate(0, 0, 7)
	f := x.follow(Bookmark{}, Options{Start: AtBegin})
	for range maxDone {
		x.append("ahead\n", x.clock)
		got, _ := now(f)
		expect(t, got, "ahead")
		x.clock = x.clock.Add(time.Hour)
	}
	ahead := len(f.done)
	x.clock = right.Add(2 * time.Hour)
	x.append("soon\n", x.clock.Add(time.Hour)) // by a hook that is a little ahead
	for range 3 {
		now(f)
		x.clock = x.clock.Add(time.Minute)
	}
	soon := journal.FileName(x.clock.Add(time.Hour))
	removed, err := f.Prune(f.Position())
	if err != nil || len(removed) < ahead || slices.Contains(removed, soon) {
		t.Fatalf("pruned %v of %d, %v", removed, ahead, err)
	}
	for hour := range 3 {
		x.append("a\n", x.clock)
		got, _ := now(f)
		expect(t, got, "a")
		x.clock = x.clock.Add(time.Duration(1-2*(hour%2)) * time.Hour) // it is set back once more
	}
	x.append("late\n", right)
	stored, err := ParseBookmark(f.Position().String())
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []*Follower{f, x.follow(stored, Options{})} {
		got, _ := now(f)
		expect(t, got, "late")
	}
}

func TestAHookWithAWrongClockHidesNothing(t *testing.T) {
	t.Parallel()
	x := newBox(t)
	x.append("a\n", x.clock)
	far := x.append("far\n", x.clock.AddDate(70, 0, 0))
	if err := os.Chtimes(filepath.Join(x.dir, far), x.clock, x.clock); err != nil {
		t.Fatal(err)
	}
	f := x.follow(Bookmark{}, Options{Start: AtBegin})
	got, _ := now(f)
	expect(t, got, "a", "far")
	x.clock = x.clock.Add(time.Hour)
	x.append("b\n", x.clock)
	got, after := now(f)
	expect(t, got, "b")
	x.clock = x.clock.Add(time.Hour)
	x.append("c\n", x.clock)
	f = x.follow(after, Options{})
	got, _ = now(f)
	expect(t, got, "c")
	now(f)
	if _, done := f.doneAt(far); !done {
		t.Errorf("%s is waited for until its hour comes: %s", far, f.Position())
	}
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
