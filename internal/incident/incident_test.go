package incident

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"custom-vault/internal/escalation"
)

var now = time.Date(2026, 11, 24, 14, 0, 0, 0, time.UTC)

func sighting(key string, at time.Time, wanted escalation.Action) Sighting {
	return Sighting{
		Key: key, Cluster: "prod", Subject: "entity:bob", Name: "bob", At: at,
		Decision: escalation.Decision{Wanted: wanted, Action: escalation.Notify, Rule: "rule-" + wanted.String()},
	}
}

func TestAnIncidentIsOpenedByTheFirstAlertWorthWatching(t *testing.T) {
	t.Parallel()
	if got := Join(nil, sighting("1", now, escalation.Record)); got != nil {
		t.Errorf("an ordinary act opened %+v", got)
	}
	got := Join(nil, sighting("1", now, escalation.Watch))
	want := &Incident{
		ID: got.ID, Cluster: "prod", Subject: "entity:bob", Name: "bob", Opened: now, Last: now, Alerts: 1,
		Highest: escalation.Watch, Rule: "rule-watch",
	}
	if diff := cmp.Diff(want, got); diff != "" || got.ID == "" {
		t.Error(diff)
	}
}

func TestNobodyHasNoIncident(t *testing.T) {
	t.Parallel()
	s := sighting("1", now, escalation.Seal)
	s.Subject = ""
	if got := Join(nil, s); got != nil {
		t.Errorf("%+v", got)
	}
}

// Once it is open, ordinary acts of the subject belong to it, too; the gravest that rules asked for is remembered,
// whether or not a guard held it back.
func TestAnOpenIncidentGrows(t *testing.T) {
	t.Parallel()
	first := Join(nil, sighting("1", now, escalation.Notify))
	before := *first
	second := Join(first, sighting("2", now.Add(time.Minute), escalation.Record))
	third := Join(second, sighting("3", now.Add(2*time.Minute), escalation.Seal))
	fourth := Join(third, sighting("4", now.Add(90*time.Second), escalation.Watch)) // late
	if fourth.ID != first.ID || fourth.Alerts != 4 || !fourth.Opened.Equal(now) || !fourth.Last.Equal(now.Add(2*time.Minute)) ||
		fourth.Highest != escalation.Seal || fourth.Rule != "rule-seal" || second.Rule != "rule-notify" {
		t.Errorf("%+v", fourth)
	}
	if diff := cmp.Diff(before, *first); diff != "" {
		t.Errorf("Join changed its argument: %s", diff)
	}
}

func TestAnIncidentEndsWhenItsSubjectIsQuiet(t *testing.T) {
	t.Parallel()
	first := Join(nil, sighting("1", now, escalation.Watch))
	if got := Join(first, sighting("2", now.Add(Idle-time.Second), escalation.Record)); got == nil || got.ID != first.ID {
		t.Errorf("within the hour: %+v", got)
	}
	if got := Join(first, sighting("2", now.Add(Idle), escalation.Record)); got != nil {
		t.Errorf("an ordinary act after the hour: %+v", got)
	}
	if got := Join(first, sighting("2", now.Add(Idle), escalation.Watch)); got == nil || got.ID == first.ID || got.Alerts != 1 {
		t.Errorf("a further incident: %+v", got)
	}
}

// The same first alert, handled again after a crash, opens the same incident; another one, another.
func TestTheFirstAlertMakesTheID(t *testing.T) {
	t.Parallel()
	base := sighting("1", now, escalation.Watch)
	again := base
	again.At, again.Name = now.Add(time.Second), "robert"
	if a, b := Join(nil, base), Join(nil, again); a.ID != b.ID {
		t.Errorf("%s and %s", a.ID, b.ID)
	}
	for name, change := range map[string]func(*Sighting){
		"alert": func(s *Sighting) { s.Key = "2" }, "subject": func(s *Sighting) { s.Subject = "entity:eve" }, "cluster": func(s *Sighting) { s.Cluster = "staging" },
	} {
		other := base
		change(&other)
		if a, b := Join(nil, base), Join(nil, other); a.ID == b.ID {
			t.Errorf("another %s has the same id", name)
		}
	}
}

// Whatever comes: an incident never shrinks, never loses its gravest rule, and holds each alert that was joined.
func TestAnIncidentOnlyGrows(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var current *Incident
		at := now
		for i := range rapid.IntRange(1, 50).Draw(t, "alerts") {
			at = at.Add(time.Duration(rapid.IntRange(-60, 90).Draw(t, "minutes")) * time.Minute)
			wanted := escalation.Action(rapid.IntRange(0, 5).Draw(t, "wanted"))
			next := Join(current, sighting(string(rune('a'+i)), at, wanted))
			switch {
			case next == nil && (wanted >= escalation.Watch || current != nil && current.Open(at)):
				t.Fatalf("alert %d was left out", i)
			case next == nil:
				continue
			case next.Last.Before(at), next.Highest < wanted, next.Rule == "":
				t.Fatalf("%+v after %s at %s", next, wanted, at)
			case current != nil && next.ID == current.ID && (next.Alerts != current.Alerts+1 || next.Highest < current.Highest || next.Last.Before(current.Last)):
				t.Fatalf("%+v after %+v", next, current)
			}
			current = next
		}
	})
}
