package observe

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"custom-vault/internal/alert"
)

var start = time.Date(2026, 11, 24, 0, 0, 30, 0, time.UTC)

func read(id, path string, at time.Time) *alert.Record {
	return &alert.Record{Type: "request", RequestID: id, Operation: "read", Path: path, Time: at, HasAuth: true}
}

func TestTwoRecordsOfARequestCountOnce(t *testing.T) {
	w := New(10)
	w.Add("bob", read("r1", "a", start))
	seen := w.Add("bob", read("r1", "a", start.Add(time.Millisecond)))
	if seen.Requests != 1 || seen.Reads != 1 || seen.Paths != 1 {
		t.Errorf("%+v", seen)
	}
}

func TestADeniedRequestIsNotARead(t *testing.T) {
	w := New(10)
	record := read("r1", "a", start)
	record.Auth.Judged = true
	if seen := w.Add("bob", record); seen.Reads != 0 || seen.Denied != 1 {
		t.Errorf("%+v", seen)
	}
}

func TestFirstTodayOncePerDayAndSubject(t *testing.T) {
	w := New(10)
	var got []bool
	for i, at := range []time.Time{start, start.Add(time.Hour), start.Add(24 * time.Hour)} {
		got = append(got, w.Add("bob", read(fmt.Sprint(i), "a", at)).FirstToday)
	}
	if fmt.Sprint(got) != "[true false true]" {
		t.Errorf("%v", got)
	}
}

func TestTheSubjectThatWasIdleLongestIsForgottenFirst(t *testing.T) {
	w := New(2)
	w.Add("a", read("1", "x", start))
	w.Add("b", read("2", "x", start))
	w.Add("a", read("3", "x", start))
	w.Add("c", read("4", "x", start)) // b goes
	if seen := w.Add("a", read("5", "x", start)); seen.Requests != 3 {
		t.Errorf("a was forgotten: %+v", seen)
	}
	if seen := w.Add("b", read("6", "x", start)); seen.Requests != 1 {
		t.Errorf("b was kept: %+v", seen)
	}
}

func TestMoreActsThanAreKeptSaySo(t *testing.T) {
	w := New(1)
	var seen Observations
	for i := range MaxActs + 5 {
		seen = w.Add("bob", read(fmt.Sprint(i), "a", start))
	}
	if seen.Requests != MaxActs || !seen.AtLeast {
		t.Errorf("%+v", seen)
	}
}

// Thousands of paths pass through a subject; those of the last minute are counted, and memory stays bounded.
func TestDistinctPathsAreCountedHoweverManyHavePassed(t *testing.T) {
	w := New(1)
	for i := range 20 * MaxActs {
		at := start.Add(time.Duration(i) * time.Second)
		seen := w.Add("bob", read(fmt.Sprint(i), fmt.Sprintf("path-%d", i-i%2), at))
		within := min(i+1, 60)
		if want := i/2 - (i-within+1)/2 + 1; seen.Paths != want || seen.Requests != within {
			t.Fatalf("act %d: %d requests on %d paths, want %d on %d", i, seen.Requests, seen.Paths, within, want)
		}
		if s := w.subjects["bob"]; s.numbers > 2*MaxActs || len(s.acts) > MaxActs || w.acts != len(s.acts) {
			t.Fatalf("act %d: %d paths and %d acts are remembered, %d are counted", i, s.numbers, len(s.acts), w.acts)
		}
	}
}

func TestNothingIsCountedForNobody(t *testing.T) {
	w := New(1)
	if seen := w.Add("", read("1", "a", start)); seen.Requests != 0 {
		t.Errorf("%+v", seen)
	}
	if seen := w.Add("bob", &alert.Record{}); seen.Requests != 0 {
		t.Errorf("a record without a time was counted: %+v", seen)
	}
}

// Windows must equal a naive recount on random streams, in any order within the lateness of one window.
func TestWindowsEqualARecount(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := New(100)
		var past []*alert.Record
		clock := start
		for i := range rapid.IntRange(1, 60).Draw(t, "acts") {
			clock = clock.Add(time.Duration(rapid.IntRange(0, 20).Draw(t, "seconds")) * time.Second)
			late := time.Duration(rapid.IntRange(0, 59).Draw(t, "late")) * time.Second
			record := read(fmt.Sprint(i), rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "path"), clock.Add(-late))
			past = append(past, record)
			seen := w.Add("bob", record)
			reads, paths := 0, map[string]bool{}
			for _, p := range past {
				if age := record.Time.Sub(p.Time); age >= 0 && age < Window {
					reads++
					paths[p.Path] = true
				}
			}
			if seen.Reads != reads || seen.Paths != len(paths) {
				t.Fatalf("act %d: %d reads on %d paths, a recount gives %d on %d", i, seen.Reads, seen.Paths, reads, len(paths))
			}
		}
	})
}

// In a flood the acts of who was idle longest go first, and what is then counted of them says so.
func TestAllActsTogetherAreBounded(t *testing.T) {
	w := New(MaxSubjects)
	w.most = 100
	for i := range 40 {
		w.Add("slow", read(fmt.Sprint("s", i), "a", start))
	}
	for i := range 1000 {
		w.Add(fmt.Sprint("subject", i%30), read(fmt.Sprint("f", i), "a", start))
		sum := 0
		for _, s := range w.subjects {
			sum += len(s.acts)
			if (len(s.acts) > 0) != (s.acting != nil) {
				t.Fatalf("%s has %d acts, and counts as acting: %t", s.name, len(s.acts), s.acting != nil)
			}
		}
		if sum > w.most || sum != w.acts {
			t.Fatalf("after %d acts %d are kept, and %d counted", i+1, sum, w.acts)
		}
	}
	if seen := w.Add("slow", read("again", "a", start)); seen.Requests != 1 || !seen.AtLeast || seen.FirstToday {
		t.Errorf("what was dropped is not said: %+v", seen)
	}
}
