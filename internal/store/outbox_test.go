package store

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"custom-vault/internal/publish"
)

var _ publish.Outbox = (*Store)(nil)

func keepEvents(t testing.TB, s *Store, at time.Time, ids ...string) {
	t.Helper()
	c := Commit{At: at}
	for _, id := range ids {
		c.Events = append(c.Events, Event{ID: id, AgentID: "001", AgentName: "vault-1", AgentIP: "10.0.0.7", Body: []byte("{" + id + "}")})
	}
	if err := s.Commit(t.Context(), c); err != nil {
		t.Fatal(err)
	}
}

func dueIDs(t *testing.T, s *Store, at time.Time, limit int) string {
	t.Helper()
	rows, err := s.Due(t.Context(), at, limit)
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, row := range rows {
		ids = append(ids, row.EventID)
	}
	return strings.Join(ids, " ")
}

func sent(t *testing.T, s *Store, at time.Time, ids ...string) {
	t.Helper()
	if err := s.MarkSent(t.Context(), ids, at, at.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
}

func seen(t *testing.T, s *Store, ids ...string) {
	t.Helper()
	if err := s.Commit(t.Context(), Commit{At: now, Seen: ids}); err != nil {
		t.Fatal(err)
	}
}

func stateOf(t *testing.T, s *Store, id string) string {
	t.Helper()
	var state, fault string
	var attempts int
	err := s.reader.QueryRowContext(t.Context(), `SELECT state, attempts, fault FROM outbox WHERE event_id=$1`, id).Scan(&state, &attempts, &fault)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(fmt.Sprintf("%s %d %s", state, attempts, fault))
}

func TestEventsAreDueInTheOrderInWhichTheyWereKept(t *testing.T) {
	t.Parallel()
	s := openIn(t, folder(t))
	keepEvents(t, s, now, "z", "y")
	keepEvents(t, s, now, "x")
	keepEvents(t, s, now.Add(-time.Hour), "w") // the clock was set back
	if got := dueIDs(t, s, now, 10); got != "z y x w" {
		t.Errorf("due: %s", got)
	}
	if got := dueIDs(t, s, now.Add(-2*time.Hour), 2); got != "z y" {
		t.Errorf("with the clock set back further, at most two: %s", got)
	}
	rows, err := s.Due(t.Context(), now, 1)
	if err != nil {
		t.Fatal(err)
	}
	if r := rows[0]; r.Agent != (publish.AgentRef{ID: "001", Name: "vault-1", IP: "10.0.0.7"}) || string(r.Body) != "{z}" || r.Attempts != 0 {
		t.Errorf("row %+v", r)
	}
}

func TestTheOrderHoldsAcrossAReopening(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	s := openIn(t, dir)
	keepEvents(t, s, now, "b", "a")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openIn(t, dir)
	keepEvents(t, s, now.Add(-time.Hour), "0")
	if got := dueIDs(t, s, now, 10); got != "b a 0" {
		t.Errorf("due: %s", got)
	}
}

func TestASentEventWaitsForItsEchoAndIsDueAgain(t *testing.T) {
	t.Parallel()
	s := openIn(t, folder(t))
	keepEvents(t, s, now, "a", "b")
	sent(t, s, now, "a")
	if got := dueIDs(t, s, now.Add(59*time.Second), 10); got != "b" {
		t.Errorf("while a waits: %s", got)
	}
	if got := dueIDs(t, s, now.Add(time.Minute), 10); got != "b a" {
		t.Errorf("when a has waited: %s", got)
	}
	sent(t, s, now.Add(time.Minute), "a")
	if got := stateOf(t, s, "a"); got != "sent 2" {
		t.Errorf("a: %s", got)
	}
}

func TestAnEventThatSurelyDidNotLeaveKeepsItsPlace(t *testing.T) {
	t.Parallel()
	s := openIn(t, folder(t))
	keepEvents(t, s, now, "a", "b", "c")
	sent(t, s, now, "a", "b")
	if err := s.MarkUnsent(t.Context(), []string{"a", "b"}); err != nil {
		t.Fatal(err)
	}
	if got := dueIDs(t, s, now, 10); got != "a b c" {
		t.Errorf("due: %s", got)
	}
	if got := stateOf(t, s, "a"); got != "pending 0" {
		t.Errorf("a: %s", got)
	}
}

func TestASeenEventStaysSeen(t *testing.T) {
	t.Parallel()
	s := openIn(t, folder(t))
	ctx := t.Context()
	keepEvents(t, s, now, "a")
	sent(t, s, now, "a")
	seen(t, s, "a", "not one of ours")
	// What the publisher, which did not know it yet, still says about the event:
	sent(t, s, now, "a")
	if err := s.MarkUnsent(ctx, []string{"a"}); err != nil {
		t.Fatal(err)
	}
	if err := s.MarkFault(ctx, "a", publish.FaultUnseen); err != nil {
		t.Fatal(err)
	}
	keepEvents(t, s, now, "a") // and its alert, handled again
	if got := stateOf(t, s, "a"); got != "seen 1" {
		t.Errorf("a: %s", got)
	}
	if got := dueIDs(t, s, now.Add(24*time.Hour), 10); got != "" {
		t.Errorf("due: %s", got)
	}
}

// Anybody may write a line with an event's id into a log; before the event left, that proves nothing.
func TestAnEventThatNeverLeftIsNotSeen(t *testing.T) {
	t.Parallel()
	s := openIn(t, folder(t))
	keepEvents(t, s, now, "a")
	seen(t, s, "a")
	if got := stateOf(t, s, "a"); got != "pending 0" {
		t.Errorf("a: %s", got)
	}
	if got := dueIDs(t, s, now, 10); got != "a" {
		t.Errorf("due: %s", got)
	}
}

func TestAFaultEndsAnEventUntilItIsSeenAfterAll(t *testing.T) {
	t.Parallel()
	s := openIn(t, folder(t))
	keepEvents(t, s, now, "a")
	sent(t, s, now, "a")
	if err := s.MarkFault(t.Context(), "a", publish.FaultUnseen); err != nil {
		t.Fatal(err)
	}
	if got := dueIDs(t, s, now.Add(24*time.Hour), 10); got != "" {
		t.Errorf("due: %s", got)
	}
	if got := stateOf(t, s, "a"); got != "fault 1 never-seen" {
		t.Errorf("a: %s", got)
	}
	seen(t, s, "a")
	if got := stateOf(t, s, "a"); got != "seen 1 never-seen" {
		t.Errorf("a: %s", got)
	}
}

// However many events wait, the next ones are found without sorting or scanning them.
func TestDueGoesByTheIndex(t *testing.T) {
	t.Parallel()
	s := openIn(t, folder(t))
	rows, err := s.reader.QueryContext(t.Context(), `EXPLAIN QUERY PLAN `+selectDue, 1, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var plan []string
	for rows.Next() {
		var id, parent, unused int
		var detail string
		if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
			t.Fatal(err)
		}
		plan = append(plan, detail)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(plan, func(step string) bool { return strings.Contains(step, "outbox_due") }) ||
		slices.ContainsFunc(plan, func(step string) bool { return strings.Contains(step, "TEMP B-TREE") }) {
		t.Errorf("plan %q", plan)
	}
}

// What was sent before the daemon went away first waits for its echo, which is still to be read; what was not sent
// does not.
func TestAwaitEchoesPutsOffOnlyWhatWasSent(t *testing.T) {
	t.Parallel()
	s := openIn(t, folder(t))
	keepEvents(t, s, now, "sent", "pending")
	sent(t, s, now, "sent")
	later := now.Add(time.Hour)
	if err := s.AwaitEchoes(t.Context(), later.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if got := dueIDs(t, s, later, 10); got != "pending" {
		t.Errorf("due after the restart: %q", got)
	}
	if got := dueIDs(t, s, later.Add(time.Minute), 10); got != "pending sent" {
		t.Errorf("due when no echo came: %q", got)
	}
}
