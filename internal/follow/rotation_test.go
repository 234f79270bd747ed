package follow

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Summer time ends at midnight in some places: analysisd goes on with the file of the day before, for an hour.
func TestTheDayBeforeComesBackAndIsNotReadAgain(t *testing.T) {
	t.Parallel()
	m := newManager(t, monday)
	clock := time.Now()
	f := m.follow(Bookmark{}, Options{Start: AtBegin, Now: func() time.Time { return clock }})
	m.write("a\nb\n")
	m.rotate(tuesday)
	m.write("c\n")
	got, _ := now(f)
	expect(t, got, "a", "b", "c")
	clock = clock.Add(time.Hour)
	now(f) // gives monday's up
	if len(f.held) != 1 {
		t.Fatalf("%d files are held", len(f.held))
	}
	m.rotate(monday)
	m.write("d\n")
	got, after := now(f)
	expect(t, got, "d")
	m.write("e\n")
	got, _ = now(m.follow(after, Options{}))
	expect(t, got, "e")
	got, _ = now(f)
	expect(t, got, "e")
	m.rotate(tuesday)
	m.write("f\n")
	got, _ = now(f)
	expect(t, got, "f")
}

// When monitord had already compressed it, analysisd begins another file of that name.
func TestTheDayBeforeComesBackAsAnotherFile(t *testing.T) {
	t.Parallel()
	m := newManager(t, monday)
	clock := time.Now()
	f := m.follow(Bookmark{}, Options{Start: AtBegin, Now: func() time.Time { return clock }})
	m.write("a\nb\n")
	m.rotate(tuesday)
	m.write("c\n")
	now(f)
	clock = clock.Add(time.Hour)
	now(f)
	m.compress(monday)
	m.rotate(monday)
	m.write("d\n")
	got, _ := now(f)
	expect(t, got, "d")
}

func TestFilesThatMustHaveBeenThereAreGaps(t *testing.T) {
	t.Parallel()
	const sum = "Current checksum:\nMD5  (logs/alerts/2026/Nov/ossec-alerts-2X.json) = %s\nSHA1 (logs/alerts/2026/Nov/ossec-alerts-2X.json) = x\n"
	m := newManager(t, "2026/Nov/ossec-alerts-20.json")
	m.write("a\n")
	_, after := now(m.follow(Bookmark{}, Options{Start: AtBegin}))
	m.rotate("2026/Nov/ossec-alerts-20-003.json")
	m.write("b\n")
	for day, md5 := range map[string]string{"21": "none", "22": "d41d8cd98f00b204e9800998ecf8427e", "23": "0cc175b9c0f1b6a831c399e269772661"} {
		m.check(os.WriteFile(filepath.Join(m.root, "2026/Nov/ossec-alerts-"+day+".json.sum"), fmt.Appendf(nil, sum, md5), 0o640))
	}
	m.rotate("2026/Nov/ossec-alerts-25-001.json") // nothing tells of the 24th: the manager may have been off
	m.write("c\n")
	f := m.follow(after, Options{})
	got, at := now(f)
	expect(t, got,
		"gone 2026/Nov/ossec-alerts-20-001.json@0+-1",
		"gone 2026/Nov/ossec-alerts-20-002.json@0+-1",
		"b",
		"gone 2026/Nov/ossec-alerts-23.json@0+-1",
		"gone 2026/Nov/ossec-alerts-25.json@0+-1",
		"c")
	got, _ = now(m.follow(at, Options{}))
	expect(t, got)
}

func TestAFileWhereAFolderShouldBeIsPassedOver(t *testing.T) {
	t.Parallel()
	m := newManager(t, tuesday)
	m.write("a\n")
	m.check(os.WriteFile(filepath.Join(m.root, "2025"), nil, 0o640))
	m.check(os.WriteFile(filepath.Join(m.root, "2026", "Oct"), nil, 0o640))
	got, _ := now(m.follow(Bookmark{}, Options{Start: AtBegin}))
	expect(t, got, "a")
}

func TestSinceHoldsAcrossARestartAndEndsWithWhatWasThere(t *testing.T) {
	t.Parallel()
	m := newManager(t, monday)
	line := func(stamp string) string { return `{"timestamp":"2026-11-24T` + stamp + `.000+0000"}` }
	m.write(line("11:00:00") + "\n" + line("12:00:00") + "\n")
	m.rotate(tuesday)
	m.write(line("11:30:00") + "\n" + line("12:30:00") + "\n")
	opt := Options{Since: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)}
	f := m.follow(Bookmark{}, opt)
	var b Batch
	f.collect(context.Background(), Limits{Lines: 1, Bytes: 1 << 20}, &b)
	expect(t, texts(b.Items), line("12:00:00"))
	stored, err := ParseBookmark(b.Items[0].After.String())
	m.check(err)
	f = m.follow(stored, Options{})
	got, after := now(f)
	expect(t, got, line("12:30:00"))
	m.write(line("03:00:00") + "\n") // the clock was set
	got, _ = now(f)
	expect(t, got, line("03:00:00"))
	got, _ = now(m.follow(after, Options{}))
	expect(t, got, line("03:00:00"))
}

func TestAnotherFileThatBeginsAlikeIsNotTakenForOneThatIsGone(t *testing.T) {
	t.Parallel()
	const piece, whole = `{"timestamp":"2026-11-24T1`, `{"timestamp":"2026-11-24T14:00:00.000+0000"}`
	m := newManager(t, monday)
	m.write(piece + whole + "\n")
	var b Batch
	m.follow(Bookmark{}, Options{Start: AtBegin}).collect(context.Background(), Limits{Lines: 1, Bytes: 1 << 20}, &b)
	expect(t, texts(b.Items), "torn "+monday+"@0+26")
	m.rotate(tuesday)
	m.write(whole + "\n")
	m.check(os.Remove(filepath.Join(m.root, monday)))
	got, _ := now(m.follow(b.Items[0].After, Options{}))
	expect(t, got, "gone "+monday+"@26+-1", whole)
}

// Both the dated file and an alerts.json put there by hand may be written to, however long they were quiet and
// whichever was begun first.
func TestAQuietFileThatMayStillBeWrittenIsKept(t *testing.T) {
	t.Parallel()
	m := newManager(t, monday)
	clock := time.Now()
	f := m.follow(Bookmark{}, Options{Start: AtBegin, Now: func() time.Time { return clock }})
	m.write("a\n")
	m.check(os.Remove(m.path()))
	appendTo(t, m.path(), "by hand\n")
	got, _ := now(f)
	expect(t, got, "a", "by hand")
	clock = clock.Add(time.Hour)
	now(f)
	m.write("b\n")
	got, _ = now(f)
	expect(t, got, "b")

	m.file = filepath.Join(m.root, tuesday) // and alerts.json is not linked to it
	m.write("c\n")
	got, _ = now(f)
	expect(t, got, "c")
	clock = clock.Add(time.Hour)
	now(f)
	appendTo(t, m.path(), "by hand again\n")
	m.write("d\n")
	got, _ = now(f)
	expect(t, got, "by hand again", "d")
}

func TestFewFilesAreHeldHoweverFastTheyRotate(t *testing.T) {
	t.Parallel()
	m := newManager(t, monday)
	f := m.follow(Bookmark{}, Options{Start: AtBegin, Settle: 1000 * time.Hour})
	for n := range 20 {
		m.rotate(fmt.Sprintf("2026/Nov/ossec-alerts-24-%03d.json", n+1))
		m.write("a\n")
	}
	now(f)
	now(f)
	if len(f.held) > maxHeld {
		t.Errorf("%d files are held", len(f.held))
	}
}

// It may have taken a regular file's place since it was looked at.
func TestAFIFODoesNotHoldTheReader(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "alerts.json")
	if err := makeFIFO(path); err != nil {
		t.Fatal(err)
	}
	if _, err := openTail(path, false, true); err == nil {
		t.Error("opened")
	}
}

// A file that was alerts.json only gets a dated name, and is not alerts.json any more when the reader comes back.
func TestAnAlertsJSONIsFoundUnderTheNameItGotSince(t *testing.T) {
	t.Parallel()
	const number = "2026/Nov/ossec-alerts-23-001.json"
	first := strings.Repeat("a", headSize)
	for _, compressed := range []bool{false, true} {
		m := newManager(t, monday)
		m.check(os.Remove(m.path()))
		appendTo(t, m.path(), first+"\n")
		got, after := now(m.follow(Bookmark{}, Options{Start: AtBegin}))
		expect(t, got, first)
		appendTo(t, m.path(), "b\n")
		m.check(os.Link(m.path(), filepath.Join(m.root, number)))
		m.rotate(tuesday)
		m.write("c\n")
		if compressed {
			m.compress(number)
		}
		got, after = now(m.follow(after, Options{}))
		expect(t, got, "b", "c")
		got, _ = now(m.follow(after, Options{}))
		expect(t, got)
	}
}

// Whole days may begin alike when a replay is running.
func TestAFileIsLookedForUnderItsOwnNameFirst(t *testing.T) {
	t.Parallel()
	first := strings.Repeat("a", headSize)
	for _, compressed := range []bool{false, true} {
		m := newManager(t, monday)
		m.write(first + "\n")
		got, after := now(m.follow(Bookmark{}, Options{Start: AtBegin}))
		expect(t, got, first)
		m.write("monday\n")
		m.rotate(tuesday)
		m.write(first + "\ntuesday\n")
		if compressed {
			m.compress(monday)
		}
		got, _ = now(m.follow(after, Options{}))
		expect(t, got, "monday", first, "tuesday")
	}
}

// monitord unlinks a file between the reader's look into the folder and its open.
func TestAFileThatWasCompressedJustNowIsOpenedAsThat(t *testing.T) {
	t.Parallel()
	m := newManager(t, monday)
	m.write("a\n")
	f := m.follow(Bookmark{}, Options{})
	k, _ := f.layout.key(monday)
	m.rotate(tuesday)
	m.compress(monday)
	file, err := f.open(entry{key: k})
	m.check(err)
	if file.zip == nil || file.name != monday {
		t.Errorf("opened %+v", file)
	}
	m.check(file.close())
}
