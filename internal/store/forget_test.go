package store

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"custom-vault/internal/alert"
	"custom-vault/internal/publish"
)

// forgetAll takes steps until nothing older is left, and counts rows by their table.
func forgetAll(t *testing.T, s *Store, before time.Time) map[string]int {
	t.Helper()
	gone := make(map[string]int)
	for _, table := range Tables() {
		for n := StepRows; n == StepRows; {
			var err error
			if n, err = s.Forget(t.Context(), table, before); err != nil {
				t.Fatal(err)
			}
			gone[table] += n
		}
	}
	return gone
}

func TestWhatIsDoneWithIsForgotten(t *testing.T) {
	t.Parallel()
	s := openIn(t, folder(t))
	old := commitOf("old")
	if err := s.Commit(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	plan := planOf(old.Intents[0], "plan-old")
	if refusal := begin(t, s, plan, 1); refusal != "" {
		t.Fatal(refusal)
	}
	end(t, s, plan, "closed")
	sent(t, s, now, "event-old", "event-plan-old", "event-plan-old-closed")
	seen(t, s, "event-old", "event-plan-old", "event-plan-old-closed")

	if gone := forgetAll(t, s, now); cmp.Diff(gone, map[string]int{"alerts": 0, "own_requests": 0, "outbox": 0, "incidents": 0, "plans": 0, "intents": 0}) != "" {
		t.Fatalf("what is no older than the time was forgotten: %v", gone)
	}
	want := map[string]int{"alerts": 1, "own_requests": 1, "outbox": 3, "incidents": 1, "plans": 1, "intents": 1}
	if diff := cmp.Diff(want, forgetAll(t, s, now.Add(time.Second))); diff != "" {
		t.Error(diff)
	}
	left := kept(t, s, "old")
	slices.Sort(left)
	if !slices.Equal(left, []string{"bookmark", "suspect"}) { // a suspect waits until it is judged
		t.Errorf("left: %v", left)
	}
}

func TestNothingThatIsPendingIsForgotten(t *testing.T) {
	t.Parallel()
	s := openIn(t, folder(t))
	keepEvents(t, s, now, "pending", "sent")
	sent(t, s, now, "sent")
	keepIntent(t, s, "int-waiting", "a", 14, now)
	running := planOf(keepIntent(t, s, "int-running", "b", 14, now), "plan-running")
	if refusal := begin(t, s, running, 1); refusal != "" {
		t.Fatal(refusal)
	}
	for table, n := range forgetAll(t, s, now.Add(365*24*time.Hour)) {
		if n != 0 {
			t.Errorf("%d rows of %s were forgotten", n, table)
		}
	}
	for _, id := range []string{"pending", "sent"} {
		if state := stateOf(t, s, id); !strings.HasPrefix(state, id) {
			t.Errorf("event %s is %s", id, state)
		}
	}
	if _, ok, err := s.NextIntent(t.Context()); !ok || err != nil {
		t.Errorf("the waiting intent: %v, %v", ok, err)
	}
	if plans, err := s.RunningPlans(t.Context()); len(plans) != 1 || err != nil {
		t.Errorf("running plans: %v, %v", plans, err)
	}
}

// An alert whose own time is long past, or cannot be read, may come a second time as soon as any other.
func TestAgeIsWhenAnAlertWasHandled(t *testing.T) {
	t.Parallel()
	s := openIn(t, folder(t))
	err := s.Commit(t.Context(), Commit{At: now, Alerts: []Handled{
		{Key: keyOf("a year old"), At: now.Add(-365 * 24 * time.Hour)}, {Key: keyOf("without a time")},
	}})
	if err != nil {
		t.Fatal(err)
	}
	forgetAll(t, s, now.Add(-48*time.Hour))
	keys := []alert.Key{keyOf("a year old"), keyOf("without a time")}
	if known, err := s.Known(t.Context(), keys); len(known) != 2 || err != nil {
		t.Errorf("known: %v, %v", known, err)
	}
}

func TestForgettingGoesInSmallSteps(t *testing.T) {
	t.Parallel()
	s := openIn(t, folder(t))
	for i := range 2 {
		c := Commit{At: now.Add(time.Duration(i) * time.Second)}
		for j := range StepRows {
			c.Alerts = append(c.Alerts, Handled{Key: keyOf(fmt.Sprint(i, j))})
		}
		if err := s.Commit(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	later := now.Add(time.Hour)
	n, err := s.Forget(t.Context(), "alerts", later)
	if n != StepRows || err != nil {
		t.Fatalf("the first step took %d: %v", n, err)
	}
	if oldest, err := s.Oldest(t.Context()); !oldest.Equal(now.Add(time.Second)) || err != nil {
		t.Errorf("oldest %v, %v: the oldest go first", oldest, err)
	}
	if gone := forgetAll(t, s, later); gone["alerts"] != StepRows {
		t.Errorf("the rest: %v", gone)
	}
	if _, err := s.Forget(t.Context(), "bookmarks", later); err == nil {
		t.Error("bookmarks are not forgotten")
	}
}

func TestBacklogCountsWhatWaits(t *testing.T) {
	t.Parallel()
	s := openIn(t, folder(t))
	empty, err := s.Backlog(t.Context())
	if err != nil || empty.Bytes <= 0 {
		t.Fatalf("%+v, %v", empty, err)
	}
	if diff := cmp.Diff(Backlog{Bytes: empty.Bytes}, empty); diff != "" {
		t.Error(diff)
	}
	keepEvents(t, s, now, "p1")
	keepEvents(t, s, now.Add(time.Second), "p2", "s1", "seen", "bad")
	sent(t, s, now.Add(time.Minute), "s1", "seen", "bad")
	seen(t, s, "seen")
	if err := s.MarkFault(t.Context(), "bad", publish.FaultUnseen); err != nil {
		t.Fatal(err)
	}
	keepIntent(t, s, "int-w", "a", 14, now)
	if refusal := begin(t, s, planOf(keepIntent(t, s, "int-r", "b", 14, now), "plan-r"), 1); refusal != "" {
		t.Fatal(refusal)
	}
	got, err := s.Backlog(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := Backlog{
		Pending: 3, OldestPending: now, Sent: 1, OldestSent: now.Add(time.Second), Faults: 1, NewestFault: now.Add(time.Second),
		Waiting: 1, OldestWaiting: now, Running: 1, OldestRunning: now, Bytes: got.Bytes,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// Room that was given free is used again: a store that forgets as fast as it takes does not grow.
func TestForgottenRoomIsUsedAgain(t *testing.T) {
	t.Parallel()
	s := openIn(t, folder(t))
	sizes := make([]int64, 2)
	for i := range sizes {
		c := Commit{At: now}
		for j := range StepRows {
			c.Alerts = append(c.Alerts, Handled{Key: keyOf(fmt.Sprint(i, j)), Decision: fmt.Sprintf("%02000d", j)})
		}
		if err := s.Commit(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		var err error
		if sizes[i], err = s.Size(t.Context()); err != nil {
			t.Fatal(err)
		}
		forgetAll(t, s, now.Add(time.Second))
	}
	if small, err := s.Size(t.Context()); err != nil || small > sizes[0]/4 {
		t.Errorf("%d bytes in use after everything was forgotten, %d before: %v", small, sizes[0], err)
	}
	if sizes[1] > sizes[0]*5/4 {
		t.Errorf("grew from %d to %d bytes", sizes[0], sizes[1])
	}
}
