package follow

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestAlertsJSONMissingAtFirstIsWaitedFor(t *testing.T) {
	t.Parallel()
	root := filepath.Join(t.TempDir(), "alerts")
	var notices []error
	f, err := OpenAlerts(filepath.Join(root, "alerts.json"), Bookmark{}, Options{Notice: func(err error) { notices = append(notices, err) }, unwatched: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}()
	now(f)
	if len(notices) != 1 || !errors.Is(notices[0], fs.ErrNotExist) || !strings.Contains(notices[0].Error(), root) {
		t.Fatalf("notices of a missing folder: %v", notices)
	}
	if !f.Position().IsZero() {
		t.Errorf("a position in a folder that nobody has seen: %s", f.Position())
	}
	if err := os.Mkdir(root, 0o750); err != nil {
		t.Fatal(err)
	}
	now(f)
	now(f)
	if len(notices) != 2 || !strings.Contains(notices[1].Error(), "alerts.json") {
		t.Fatalf("notices of a missing file: %v", notices)
	}
	m := &manager{t: t, root: root}
	m.rotate(tuesday)
	m.write("first\n")
	got, _ := now(f)
	expect(t, got, "first")
	if len(notices) != 3 || notices[2] != nil {
		t.Fatalf("notices when it is there: %v", notices)
	}
}

func TestTheFolderGoneAtARestartIsNotALoss(t *testing.T) {
	t.Parallel()
	m := newManager(t, tuesday)
	f := m.follow(Bookmark{}, Options{})
	m.write("a\n")
	_, after := now(f)
	m.check(os.Rename(m.root, m.root+".away"))
	f = m.follow(after, Options{})
	got, at := now(f)
	expect(t, got)
	if !at.Equal(after) {
		t.Errorf("the bookmark became %s", at)
	}
	m.check(os.Rename(m.root+".away", m.root))
	m.write("b\n")
	got, _ = now(f)
	expect(t, got, "b")
}

func TestHalfALineIsDeliveredWhole(t *testing.T) {
	t.Parallel()
	m := newManager(t, tuesday)
	f := m.follow(Bookmark{}, Options{})
	m.write("on")
	got, after := now(f)
	expect(t, got)
	m.write("e")
	again := m.follow(after, Options{})
	m.write("\n")
	got, _ = now(f)
	expect(t, got, "one")
	got, _ = now(again)
	expect(t, got, "one")
}

func TestLastLineOfTheOldFileComesAfterTheNewFileBegan(t *testing.T) {
	t.Parallel()
	m := newManager(t, monday)
	f := m.follow(Bookmark{}, Options{})
	m.write("a\nb")
	now(f)
	m.rotate(tuesday)
	m.write("c\n")
	got, after := now(f)
	expect(t, got, "c")
	appendTo(t, filepath.Join(m.root, monday), "!\n")
	again := m.follow(after, Options{})
	got, _ = now(f)
	expect(t, got, "b!")
	got, _ = now(again)
	expect(t, got, "b!")
}

func TestTornTailIsAGapOnceTheFileIsQuiet(t *testing.T) {
	t.Parallel()
	m := newManager(t, monday)
	clock := time.Now()
	f := m.follow(Bookmark{}, Options{Now: func() time.Time { return clock }})
	m.write("a\ntorn")
	m.rotate(tuesday)
	m.write("b\n")
	got, _ := now(f)
	expect(t, got, "a", "b")
	clock = clock.Add(time.Hour)
	got, after := now(f)
	expect(t, got, "torn "+monday+"@2+4")
	got, _ = now(f)
	expect(t, got)
	got, _ = now(m.follow(after, Options{Now: func() time.Time { return clock }}))
	expect(t, got)
}

func TestAFileThatStillGrowsIsNotGivenUp(t *testing.T) {
	t.Parallel()
	m := newManager(t, monday)
	clock := time.Now()
	f := m.follow(Bookmark{}, Options{Settle: time.Minute, Now: func() time.Time { return clock }})
	m.rotate(tuesday)
	m.write("a\n")
	got, _ := now(f)
	expect(t, got, "a")
	for range 5 {
		clock = clock.Add(40 * time.Second)
		appendTo(t, filepath.Join(m.root, monday), "x")
		got, _ = now(f)
		expect(t, got)
	}
	appendTo(t, filepath.Join(m.root, monday), "\n")
	got, _ = now(f)
	expect(t, got, "xxxxx")
}

func TestCompressedWhileItIsRead(t *testing.T) {
	t.Parallel()
	m := newManager(t, monday)
	m.write("a\nb\nc\n")
	f := m.follow(Bookmark{}, Options{Start: AtBegin})
	var b Batch
	f.collect(context.Background(), Limits{Lines: 1, Bytes: 1}, &b)
	expect(t, texts(b.Items), "a")
	m.rotate(tuesday)
	m.compress(monday)
	again := m.follow(b.Items[0].After, Options{})
	got, _ := now(f)
	expect(t, got, "b", "c")
	got, _ = now(again)
	expect(t, got, "b", "c")
}

func TestDamagedCompressedFileIsAGap(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func([]byte) []byte{
		"cut":      func(zip []byte) []byte { return zip[:len(zip)-9] },
		"no gzip":  func([]byte) []byte { return []byte("something else") },
		"nothing":  func([]byte) []byte { return nil },
		"checksum": func(zip []byte) []byte { zip[len(zip)-8]++; return zip },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newManager(t, monday)
			m.write(strings.Repeat("a line\n", 9))
			m.rotate(tuesday)
			m.write("b\n")
			m.compress(monday)
			zip := filepath.Join(m.root, monday+".gz")
			text, err := os.ReadFile(zip)
			m.check(err)
			m.check(os.WriteFile(zip, damage(text), 0o640))
			f := m.follow(Bookmark{}, Options{Start: AtBegin})
			var b Batch
			f.collect(context.Background(), Limits{Lines: 99, Bytes: 1 << 20}, &b)
			var gaps []Reason
			for _, item := range b.Items {
				if item.Gap != nil {
					gaps = append(gaps, item.Gap.Reason)
				}
			}
			if len(gaps) != 1 || gaps[0] != Unreadable {
				t.Errorf("gaps: %v", gaps)
			}
			last := b.Items[len(b.Items)-1]
			if string(last.Text) != "b" {
				t.Errorf("the last item is %+v", last)
			}
			got, _ := now(m.follow(last.After, Options{}))
			expect(t, got)
		})
	}
}

func TestTruncatedFileIsReadAgain(t *testing.T) {
	t.Parallel()
	for name, rewrite := range map[string]string{"shorter": "x\n", "as long": "n1\nn2\n", "longer": "new one\nnew two\n"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newManager(t, tuesday)
			f := m.follow(Bookmark{}, Options{})
			m.write("a1\na2\n")
			_, after := now(f)
			m.check(os.Truncate(m.file, 0))
			m.write(rewrite)
			want := append([]string{"truncated " + tuesday + "@6+-1"}, strings.Fields(strings.ReplaceAll(rewrite, " ", "~"))...)
			for i := range want[1:] {
				want[i+1] = strings.ReplaceAll(want[i+1], "~", " ")
			}
			again := m.follow(after, Options{})
			got, _ := now(f)
			expect(t, got, want...)
			got, after = now(again)
			expect(t, got, want...)
			got, _ = now(m.follow(after, Options{}))
			expect(t, got)
		})
	}
}

func TestReplacedAlertsJSONIsFollowedWithTheDatedFile(t *testing.T) {
	t.Parallel()
	m := newManager(t, tuesday)
	f := m.follow(Bookmark{}, Options{})
	m.write("a\n")
	now(f)
	m.check(os.Remove(m.path()))
	appendTo(t, m.path(), "by hand\n")
	m.write("b\n")
	got, after := now(f)
	expect(t, got, "b", "by hand")
	m.write("c\n")
	appendTo(t, m.path(), "by hand again\n")
	got, _ = now(m.follow(after, Options{}))
	expect(t, got, "c", "by hand again")
	m.rotate("2026/Nov/ossec-alerts-25.json")
	m.write("d\n")
	got, _ = now(f)
	expect(t, got, "c", "by hand again", "d")
}

func TestWithoutHardLinksTheDatedFilesAreFollowed(t *testing.T) {
	t.Parallel()
	m := newManager(t, monday)
	m.check(os.Remove(m.path()))
	m.write("old\n")
	f := m.follow(Bookmark{}, Options{})
	m.write("a\n")
	got, _ := now(f)
	expect(t, got, "a")
	m.rotate(tuesday)
	m.check(os.Remove(m.path()))
	m.write("b\n")
	got, _ = now(f)
	expect(t, got, "b")
}

func TestAnalysisdsDayMovesBack(t *testing.T) {
	t.Parallel()
	m := newManager(t, tuesday)
	clock := time.Now()
	f := m.follow(Bookmark{}, Options{Now: func() time.Time { return clock }})
	m.write("a\n")
	m.rotate(monday) // an event with an old time
	m.write("b\n")
	got, _ := now(f)
	expect(t, got, "a", "b")
	m.rotate(tuesday)
	m.write("c\n")
	got, _ = now(f)
	expect(t, got, "c")
}

func TestWhatIsNoRegularFileIsLeftAlone(t *testing.T) {
	t.Parallel()
	m := newManager(t, tuesday)
	m.check(os.Symlink("/etc/passwd", filepath.Join(m.root, "2026/Nov/ossec-alerts-25.json")))
	m.check(os.Mkdir(filepath.Join(m.root, "2026/Nov/ossec-alerts-26.json"), 0o750))
	m.check(makeFIFO(filepath.Join(m.root, "2026/Nov/ossec-alerts-27.json")))
	m.write("a\n")
	got, _ := now(m.follow(Bookmark{}, Options{Start: AtBegin}))
	expect(t, got, "a")

	m.check(os.Remove(m.path()))
	m.check(makeFIFO(m.path()))
	var notice error
	f := m.follow(Bookmark{}, Options{Start: AtBegin, Notice: func(err error) { notice = err }})
	now(f)
	if notice == nil || !strings.Contains(notice.Error(), "not a regular file") {
		t.Errorf("notice of a FIFO: %v", notice)
	}
}

func TestSinceDropsEarlierLines(t *testing.T) {
	t.Parallel()
	m := newManager(t, "2026/Nov/ossec-alerts-20.json")
	m.write("far too old to be looked at\n")
	m.rotate(tuesday)
	old := `{"timestamp":"2026-11-24T11:59:59.999+0000","rule":{}}`
	at := `{"timestamp":"2026-11-24T14:00:00.000+0200","rule":{}}`
	m.write(old + "\n" + at + "\nno stamp\n{\"timestamp\":\"short\n")
	f := m.follow(Bookmark{}, Options{Since: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)})
	got, _ := now(f)
	expect(t, got, at, "no stamp", `{"timestamp":"short`)
}

func TestBookmarkMovesOverLinesThatAreNotKept(t *testing.T) {
	t.Parallel()
	m := newManager(t, tuesday)
	opt := Options{Keep: func(line []byte) bool { return bytes.Contains(line, []byte("vault")) }, Progress: time.Nanosecond, Poll: time.Millisecond}
	f := m.follow(Bookmark{}, opt)
	before := f.Position()
	m.write("x\ny\n")
	ctx, stop := context.WithTimeout(context.Background(), time.Minute)
	defer stop()
	b, err := f.Next(ctx, Limits{})
	for err == nil && b.Passed == 0 { // the first says that the file was taken up
		b, err = f.Next(ctx, Limits{})
	}
	m.check(err)
	if len(b.Items) > 0 || b.Passed != 2 || b.After.Equal(before) {
		t.Fatalf("got %+v", b)
	}
	m.write("z\nvault\n")
	got, _ := now(m.follow(b.After, opt))
	expect(t, got, "vault")
}

func TestNextEndsWithItsContext(t *testing.T) {
	t.Parallel()
	m := newManager(t, tuesday)
	f := m.follow(Bookmark{}, Options{})
	ctx, stop := context.WithCancel(context.Background())
	stop()
	b, err := f.Next(ctx, Limits{})
	if !errors.Is(err, context.Canceled) || !b.After.Equal(f.Position()) {
		t.Errorf("got %+v, %v", b, err)
	}
}

func TestLimitsBoundABatch(t *testing.T) {
	t.Parallel()
	m := newManager(t, tuesday)
	f := m.follow(Bookmark{}, Options{})
	m.write("12345\n12345\n12345\n12345\n")
	for _, c := range []struct {
		lim  Limits
		want int
	}{{Limits{Lines: 1}, 1}, {Limits{Bytes: 6}, 2}, {Limits{}, 1}} {
		b, err := f.Next(context.Background(), c.lim)
		m.check(err)
		if len(b.Items) != c.want {
			t.Errorf("%+v: %d lines, not %d", c.lim, len(b.Items), c.want)
		}
	}
	if n, err := f.Unread(); n != 0 || err != nil {
		t.Errorf("unread: %d, %v", n, err)
	}
	m.write("1234")
	m.rotate("2026/Nov/ossec-alerts-25.json")
	m.write("123456\n")
	if n, err := f.Unread(); n != 11 || err != nil {
		t.Errorf("unread: %d, %v", n, err)
	}
}

func TestWithoutInotifyThePollFindsLines(t *testing.T) {
	t.Parallel()
	m := newManager(t, tuesday)
	f := m.follow(Bookmark{}, Options{Poll: time.Millisecond})
	m.check(f.watch.close()) // if there was one at all
	f.watch.notify = nil
	m.write("a\n")
	expect(t, next(t, f), "a")
}

func TestWhatTheHookCutsBackBetweenTwoBatches(t *testing.T) {
	t.Parallel()
	m := newManager(t, tuesday)
	f := m.follow(Bookmark{}, Options{})
	rest := strings.Repeat("=", 2*tailSize)
	long := strings.Repeat("b", headSize)
	m.write("a\n" + long + "\n" + "half" + rest)
	var b Batch
	f.collect(context.Background(), Limits{Lines: 1, Bytes: 1 << 20}, &b)
	expect(t, texts(b.Items), "a")
	m.check(os.Truncate(m.file, int64(len("a\n"+long+"\n"))))
	m.write("full" + rest + "\n")
	got, _ := now(f)
	expect(t, got, long, "full"+rest)
}

func TestThePlainFileIsReadWhileItsCopyIsMade(t *testing.T) {
	t.Parallel()
	m := newManager(t, monday)
	m.write("a\n")
	m.rotate(tuesday)
	m.check(os.WriteFile(filepath.Join(m.root, monday+".gz"), []byte{0x1f, 0x8b}, 0o640))
	got, _ := now(m.follow(Bookmark{}, Options{Start: AtBegin}))
	expect(t, got, "a")
}

// The kernel gives the inode of a deleted file to the next new one.
func TestReusedInodeIsNotTheOldFile(t *testing.T) {
	t.Parallel()
	m := newManager(t, monday)
	m.check(os.Remove(m.path()))
	appendTo(t, m.path(), "by hand\n")
	f := m.follow(Bookmark{}, Options{Start: AtBegin})
	_, after := now(f)
	m.rotate(tuesday)
	m.write("a\n")
	m.rotate("2026/Nov/ossec-alerts-25.json")
	m.write("b, and this is longer than what was there before\n")
	live, err := os.Stat(m.path())
	m.check(err)
	for i := range after.Files {
		if after.Files[i].Name == liveName {
			after.Files[i].Inode = identify(live).inode
		}
	}
	got, _ := now(m.follow(after, Options{}))
	expect(t, got, "gone alerts.json@8+-1", "a", "b, and this is longer than what was there before")
}

func TestOneFileIsReadOnceThoughTwoPositionsNameIt(t *testing.T) {
	t.Parallel()
	m := newManager(t, tuesday)
	f := m.follow(Bookmark{}, Options{Start: AtBegin})
	m.write("a\n")
	now(f)
	m.check(os.Remove(m.file)) // and analysisd is restarted
	m.rotate(tuesday)
	m.write("b\n")
	got, after := now(f)
	expect(t, got, "b")
	m.write("c\n")
	got, _ = now(m.follow(after, Options{}))
	expect(t, got, "gone "+tuesday+"@2+-1", "c")
}

// Somebody replaces alerts.json, twice, while the manager goes on with the dated file and rotates it; the second one
// gets the inode of the first.
func TestAReplacedAlertsJSONHidesNoDatedFile(t *testing.T) {
	t.Parallel()
	m := newManager(t, monday)
	m.check(os.Remove(m.path()))
	appendTo(t, m.path(), "")
	f := m.follow(Bookmark{}, Options{Start: AtBegin})
	_, after := now(f)
	m.rotate(tuesday)
	m.write("a\n")
	m.check(os.Remove(m.path()))
	appendTo(t, m.path(), "by hand\n")
	live, err := os.Stat(m.path())
	m.check(err)
	for i := range after.Files {
		if after.Files[i].Name == liveName {
			after.Files[i].Inode = identify(live).inode
		}
	}
	got, _ := now(m.follow(after, Options{}))
	slices.Sort(got)
	expect(t, got, "a", "by hand")
}
