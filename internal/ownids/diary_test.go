package ownids

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

var now = time.UnixMilli(1_795_531_171_000)

// diary begins one that must not fail.
func diary(t *testing.T, dir, boot string, lost []Call) *Diary {
	t.Helper()
	d := beginDiary(dir, boot, lost, now, func(err error) { t.Errorf("told: %v", err) })
	t.Cleanup(func() { d.Close() })
	return d
}

func leftIn(t *testing.T, dir, boot string) Left {
	t.Helper()
	left, err := readDiary(dir, boot)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(left.IDs)
	return left
}

// Nothing is closed: what is read is what a kill leaves.
func TestTheNextProcessKnowsWhatWasAsked(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if left := leftIn(t, dir, "b"); left.Whole {
		t.Errorf("before the first one: %+v", left)
	}
	d := diary(t, dir, "b", nil)
	answered := d.Asking("auth/token/lookup-accessor", now)
	refused := d.Asking("identity/entity/id/x", now)
	d.Asking("sys/audit-hash/file\nask 1 1 \"p\"", now) // attackers choose what is asked about
	answered("id-1")
	refused("")
	left := leftIn(t, dir, "b")
	if !left.Whole || !slices.Equal(left.IDs, []string{"id-1"}) || len(left.Lost) != 1 {
		t.Fatalf("%+v", left)
	}
	if lost := left.Lost[0]; lost.Path != "sys/audit-hash/file\nask 1 1 \"p\"" || !lost.At.Equal(now) {
		t.Errorf("lost %+v", lost)
	}
	// A second death finds what the first one left in doubt, but not what is old.
	next := diary(t, dir, "b", append(left.Lost, Call{Path: "old", At: now.Add(-maxAge)}))
	next.Asking("more", now)("id-2")
	again := leftIn(t, dir, "b")
	if !again.Whole || !slices.Equal(again.IDs, []string{"id-2"}) || len(again.Lost) != 1 || again.Lost[0].Path != left.Lost[0].Path {
		t.Errorf("after the second: %+v", again)
	}
}

func TestADiaryOfAnotherBootProvesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	diary(t, dir, "b", nil).Asking("p", now)("id")
	for _, boot := range []string{"another", ""} {
		if left := leftIn(t, dir, boot); left.Whole || len(left.IDs)+len(left.Lost) > 0 {
			t.Errorf("boot %q: %+v", boot, left)
		}
	}
}

func TestTornLinesAreLeftOut(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d := diary(t, dir, "b", nil)
	d.Asking("p", now)
	path := filepath.Join(dir, pages[0])
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for n := range len(text) {
		if err := os.WriteFile(path, text[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		if left := leftIn(t, dir, "b"); len(left.Lost) > 1 || len(left.Lost) == 1 && left.Lost[0].Path != "p" {
			t.Fatalf("cut at %d: %+v", n, left)
		}
	}
}

// The last page and the one before are there; files do not grow without end.
func TestPagesAreTurned(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d := diary(t, dir, "b", nil)
	path := "p/" + strings.Repeat("x", 1000)
	const calls = 3 * maxPage / 1000
	for i := range calls {
		answered := d.Asking(path, now)
		if i < calls-1 {
			answered(fmt.Sprint("id-", i))
		}
	}
	left := leftIn(t, dir, "b")
	if n := len(left.IDs); n < maxPage/1200 || n > 2*maxPage/1000 || !slices.Contains(left.IDs, fmt.Sprint("id-", calls-2)) {
		t.Errorf("%d ids of %d calls are left", n, calls)
	}
	if len(left.Lost) != 1 {
		t.Errorf("%d calls are lost, want the last one", len(left.Lost))
	}
	for _, name := range pages {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Size() > maxPage+2000 {
			t.Errorf("page %s: %v, %v", name, info.Size(), err)
		}
	}
}

func TestHalfADiaryIsRemovedAndBegunAnewLater(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var told []error
	d := beginDiary(dir, "b", nil, now, func(err error) { told = append(told, err) })
	defer d.Close()
	d.Asking("before", now)
	if err := d.file.Close(); err != nil { // as a disk that fails
		t.Fatal(err)
	}
	d.Asking("failing", now)("id")
	if left := leftIn(t, dir, "b"); left.Whole || len(told) != 1 {
		t.Errorf("%+v, told %v", left, told)
	}
	d.Asking("too soon", now.Add(againAfter-time.Second))
	if left := leftIn(t, dir, "b"); left.Whole {
		t.Errorf("begun anew at once: %+v", left)
	}
	d.Asking("later", now.Add(againAfter))
	if left := leftIn(t, dir, "b"); !left.Whole || len(left.Lost) != 1 || left.Lost[0].Path != "later" || len(told) != 1 {
		t.Errorf("%+v, told %v", left, told)
	}
}

func TestAFolderThatCannotBeWrittenIsTold(t *testing.T) {
	t.Parallel()
	var told error
	d := BeginDiary(filepath.Join(t.TempDir(), "none"), nil, now, func(err error) { told = err })
	d.Asking("p", now)("id")
	if err := d.Close(); err != nil || !errors.Is(told, fs.ErrNotExist) {
		t.Errorf("told %v, %v", told, err)
	}
}
