package store

import (
	"context"
	"crypto/sha256"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"custom-vault/internal/alert"
	"custom-vault/internal/escalation"
	"custom-vault/internal/incident"
)

var now = time.Date(2026, 11, 24, 14, 0, 0, 0, time.UTC)

// folder is one that a store may be in.
func folder(t testing.TB) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "state")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

func openIn(t testing.TB, dir string) *Store {
	t.Helper()
	s, err := Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func keyOf(text string) alert.Key { return sha256.Sum256([]byte(text)) }

// parts is how many parts commitOf has.
const parts = 7

// commitOf is a commit with one of everything, all of it named after id.
func commitOf(id string) Commit {
	return Commit{
		At:        now,
		Bookmarks: map[string]string{"alerts": "mark-" + id},
		Alerts:    []Handled{{Key: keyOf(id), AlertID: id, At: now, Source: "alerts", Outcome: "decided", Incident: "inc-" + id}},
		Incidents: []incident.Incident{{ID: "inc-" + id, Cluster: "prod", Subject: "entity:" + id, Opened: now, Last: now, Alerts: 1, Highest: escalation.Watch}},
		Events:    []Event{{ID: "event-" + id, AgentID: "001", Body: []byte(`{"id":"` + id + `"}`)}},
		Intents:   []Intent{{ID: "int-" + id, Cluster: "cluster-" + id, Action: escalation.Seal, Severity: 14, Created: now, Detail: "{}"}},
		Own:       []string{"request-" + id},
		Suspects:  []Suspect{{Key: keyOf("suspect-" + id), Until: now, Alert: "{}"}},
	}
}

// kept tells which parts of commitOf(id) are in the store.
func kept(t *testing.T, s *Store, id string) []string {
	t.Helper()
	ctx := t.Context()
	var there []string
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	mark, _, err := s.Bookmark(ctx, "alerts")
	must(err)
	if mark == "mark-"+id {
		there = append(there, "bookmark")
	}
	known, err := s.Known(ctx, []alert.Key{keyOf(id)})
	must(err)
	if known[keyOf(id)] {
		there = append(there, "alert")
	}
	last, err := s.LastIncident(ctx, "prod", "entity:"+id)
	must(err)
	if last != nil {
		there = append(there, "incident")
	}
	for part, query := range map[string]string{
		"event": `SELECT COUNT(*) FROM outbox WHERE event_id='event-` + id + `'`, "intent": `SELECT COUNT(*) FROM intents WHERE id='int-` + id + `'`,
		"own":     `SELECT COUNT(*) FROM own_requests WHERE id='request-` + id + `'`,
		"suspect": `SELECT COUNT(*) FROM suspects WHERE key=x'` + keyOf("suspect-"+id).String() + `'`,
	} {
		var n int
		must(s.reader.QueryRowContext(ctx, query).Scan(&n))
		if n > 0 {
			there = append(there, part)
		}
	}
	return there
}

func TestACommitIsThereWhole(t *testing.T) {
	t.Parallel()
	s := openIn(t, folder(t))
	if err := s.Commit(t.Context(), commitOf("a")); err != nil {
		t.Fatal(err)
	}
	if got := kept(t, s, "a"); len(got) != parts {
		t.Errorf("kept %v", got)
	}
	if other, err := s.LastIncident(t.Context(), "staging", "entity:a"); err != nil || other != nil {
		t.Errorf("incident of another cluster: %+v, %v", other, err)
	}
}

// Whichever row fails, nothing of its commit stays, and the same commit succeeds once the fault is gone.
func TestACommitThatFailsLeavesNothing(t *testing.T) {
	t.Parallel()
	for _, table := range []string{"alerts", "incidents", "outbox", "intents", "suspects", "own_requests", "bookmarks"} {
		t.Run(table, func(t *testing.T) {
			t.Parallel()
			s := openIn(t, folder(t))
			ctx := t.Context()
			refuse := `CREATE TRIGGER refuse BEFORE INSERT ON ` + table + ` BEGIN SELECT RAISE(ABORT, 'refused by the test'); END`
			if _, err := s.writer.ExecContext(ctx, refuse); err != nil {
				t.Fatal(err)
			}
			err := s.Commit(ctx, commitOf("a"))
			if err == nil || !strings.Contains(err.Error(), "refused by the test") {
				t.Fatalf("error %v", err)
			}
			if got := kept(t, s, "a"); got != nil {
				t.Errorf("kept %v", got)
			}
			if _, err := s.writer.ExecContext(ctx, `DROP TRIGGER refuse`); err != nil {
				t.Fatal(err)
			}
			if err := s.Commit(ctx, commitOf("a")); err != nil {
				t.Fatal(err)
			}
			if got := kept(t, s, "a"); len(got) != parts {
				t.Errorf("kept in the end %v", got)
			}
		})
	}
}

// A batch in doubt is committed again: what is there already stays as it is, down to an event that was sent and an
// intent that was planned.
func TestTheSameCommitAgainChangesNothing(t *testing.T) {
	t.Parallel()
	s := openIn(t, folder(t))
	ctx := t.Context()
	if err := s.Commit(ctx, commitOf("a")); err != nil {
		t.Fatal(err)
	}
	if err := s.MarkSent(ctx, []string{"event-a"}, now, now.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if err := s.DropIntent(ctx, "int-a", "test", now); err != nil {
		t.Fatal(err)
	}
	if err := s.Commit(ctx, commitOf("a")); err != nil {
		t.Fatal(err)
	}
	if due, err := s.Due(ctx, now, 10); err != nil || len(due) != 0 {
		t.Errorf("due again: %v, %v", due, err)
	}
	if intent, ok, err := s.NextIntent(ctx); err != nil || ok {
		t.Errorf("waits again: %+v, %v", intent, err)
	}
}

func TestAnEndedContextCommitsNothing(t *testing.T) {
	t.Parallel()
	s := openIn(t, folder(t))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Commit(ctx, commitOf("a")); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if got := kept(t, s, "a"); got != nil {
		t.Errorf("kept %v", got)
	}
}

func TestKnownTellsHandledAlertsHoweverManyAreAsked(t *testing.T) {
	t.Parallel()
	s := openIn(t, folder(t))
	var keys []alert.Key
	var c Commit
	for i := range 3*knownAtOnce + 1 {
		key := keyOf(string(rune('a' + i)))
		keys = append(keys, key)
		if i%2 == 0 {
			c.Alerts = append(c.Alerts, Handled{Key: key})
		}
	}
	if err := s.Commit(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	for n := range len(keys) + 1 {
		known, err := s.Known(t.Context(), keys[:n])
		if err != nil {
			t.Fatal(err)
		}
		if want := (n + 1) / 2; len(known) != want {
			t.Fatalf("of %d keys %d are known, want %d", n, len(known), want)
		}
		for i, key := range keys[:n] {
			if known[key] != (i%2 == 0) {
				t.Fatalf("key %d of %d: known %t", i, n, known[key])
			}
		}
	}
}

func TestBookmarksAreOnePerSource(t *testing.T) {
	t.Parallel()
	s := openIn(t, folder(t))
	ctx := t.Context()
	if mark, ok, err := s.Bookmark(ctx, "alerts"); mark != "" || ok || err != nil {
		t.Errorf("before the first: %q, %t, %v", mark, ok, err)
	}
	for _, c := range []Commit{
		{Bookmarks: map[string]string{"alerts": "1"}}, {Bookmarks: map[string]string{"journal": "j"}}, {Bookmarks: map[string]string{"alerts": "2"}},
	} {
		if err := s.Commit(ctx, c); err != nil {
			t.Fatal(err)
		}
	}
	for source, want := range map[string]string{"alerts": "2", "journal": "j"} {
		if mark, ok, err := s.Bookmark(ctx, source); mark != want || !ok || err != nil {
			t.Errorf("%s: %q, %t, %v", source, mark, ok, err)
		}
	}
}

func TestAnIncidentIsUpdatedAndTheLatestOneReturned(t *testing.T) {
	t.Parallel()
	s := openIn(t, folder(t))
	old := incident.Incident{ID: "inc-1", Cluster: "prod", Subject: "entity:bob", Name: "bob", Opened: now, Last: now, Alerts: 1, Highest: escalation.Watch, Rule: "notable"}
	grown := old
	grown.Last, grown.Alerts, grown.Highest, grown.Rule = now.Add(time.Minute), 2, escalation.Seal, "article-exfiltration"
	later := old
	later.ID, later.Opened, later.Last = "inc-2", now.Add(3*time.Hour), now.Add(3*time.Hour)
	for _, n := range []incident.Incident{old, later, grown} {
		if err := s.Commit(t.Context(), Commit{Incidents: []incident.Incident{n}}); err != nil {
			t.Fatal(err)
		}
	}
	got, err := s.LastIncident(t.Context(), "prod", "entity:bob")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&later, got); diff != "" {
		t.Error(diff)
	}
	if _, err := s.writer.ExecContext(t.Context(), `DELETE FROM incidents WHERE id='inc-2'`); err != nil {
		t.Fatal(err)
	}
	if got, err = s.LastIncident(t.Context(), "prod", "entity:bob"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&grown, got); diff != "" {
		t.Error(diff)
	}
}

func TestOwnRequestsAreReadBackSinceATime(t *testing.T) {
	t.Parallel()
	s := openIn(t, folder(t))
	for i, id := range []string{"old", "new"} {
		if err := s.Commit(t.Context(), Commit{At: now.Add(time.Duration(i) * time.Hour), Own: []string{id}}); err != nil {
			t.Fatal(err)
		}
	}
	got, err := s.OwnRequests(t.Context(), now.Add(time.Minute))
	if err != nil || len(got) != 1 || got[0] != "new" {
		t.Errorf("%v, %v", got, err)
	}
}

func TestOneProcessOwnsTheStore(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	first := openIn(t, dir)
	second, err := Open(t.Context(), dir)
	if !errors.Is(err, ErrLocked) || second != nil {
		t.Fatalf("a second opening: %v", err)
	}
	if !strings.Contains(err.Error(), "enrich serve") {
		t.Errorf("the error does not say who may hold it: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	openIn(t, dir)
}

func TestTheFolderMustBeOurs(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, mode := range []os.FileMode{0o755, 0o750, 0o701, 0o770} {
		dir := folder(t)
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(t.Context(), dir); err == nil || !strings.Contains(err.Error(), "chmod 0700") {
			t.Errorf("mode %04o: %v", mode, err)
		}
	}
	for name, dir := range map[string]string{"missing": filepath.Join(t.TempDir(), "none"), "a file": file} {
		if _, err := Open(t.Context(), dir); err == nil || !strings.Contains(err.Error(), "store folder") {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Root can open every folder, and would leave files behind that the daemon cannot.
	if err := checkOwner("dir", 998, 0); err == nil || !strings.Contains(err.Error(), "sudo -u") {
		t.Errorf("root in the daemon's folder: %v", err)
	}
	if err := checkOwner("dir", 998, 998); err != nil {
		t.Error(err)
	}
}

func TestAStoreOfAnotherVersionIsLeftAlone(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	s := openIn(t, dir)
	if _, err := s.writer.ExecContext(t.Context(), `UPDATE schema_version SET version=99`); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), dir); err == nil || !strings.Contains(err.Error(), "version 99") {
		t.Errorf("error %v", err)
	}
}

func TestEveryConnectionIsDurable(t *testing.T) {
	t.Parallel()
	s := openIn(t, folder(t))
	for pragma, want := range map[string]string{"journal_mode": "wal", "synchronous": "2"} {
		var got string
		if err := s.writer.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&got); err != nil || got != want {
			t.Errorf("%s = %q, %v; want %q", pragma, got, err, want)
		}
	}
}

func TestSuspectsWaitUntilTheyAreSettled(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	s := openIn(t, dir)
	later := Suspect{Key: keyOf("later"), Until: now.Add(time.Minute), Alert: `{"ID":"2"}`}
	first := Suspect{Key: keyOf("first"), Until: now, Alert: `{"ID":"1"}`}
	for _, c := range []Commit{{Suspects: []Suspect{later, first}}, {Suspects: []Suspect{first}}} { // one comes again
		if err := s.Commit(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openIn(t, dir)
	for _, want := range [][]Suspect{{first, later}, {later}, nil} {
		got, err := s.Suspects(t.Context())
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%v\n%s", err, diff)
		}
		if len(want) > 0 {
			if err := s.Commit(t.Context(), Commit{Settled: []alert.Key{want[0].Key}}); err != nil {
				t.Fatal(err)
			}
		}
	}
}
