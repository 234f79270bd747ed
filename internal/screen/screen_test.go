package screen

import (
	"fmt"
	"testing"
	"time"

	"custom-vault/internal/alert"
)

var now = time.Date(2026, 11, 24, 14, 0, 0, 0, time.UTC)

func self() Self { return Self{Accessors: []string{"our-accessor"}, EntityIDs: []string{"our-entity"}} }

func request(accessor, entity, id, kind string) *alert.Alert {
	return &alert.Alert{Kind: alert.KindAudit, Record: &alert.Record{
		Type: kind, RequestID: id, Operation: "read", Path: "p", HasAuth: true,
		Auth: alert.Auth{Accessor: accessor, EntityID: entity, DisplayName: "token-wazuh"},
	}}
}

func TestOursIsKnownByAccessorOrEntityAndTheAnswersID(t *testing.T) {
	s := New(self, []string{"from-before"})
	s.Own("r1", now)
	for name, c := range map[string]struct {
		alert *alert.Alert
		want  Verdict
	}{
		"our lookup":              {request("our-accessor", "", "r1", "response"), Lookup},
		"our lookup before crash": {request("our-accessor", "", "from-before", "request"), Lookup},
		"our entity":              {request("other", "our-entity", "r1", "request"), Lookup},
		"our token, unknown id":   {request("our-accessor", "", "r9", "response"), Suspect},
		"somebody else":           {request("other", "e", "r1", "response"), Foreign},
		"only our display name":   {request("x", "", "r1", "response"), Foreign},
		"our event":               {&alert.Alert{Kind: alert.KindOwn, Own: &alert.Own{EventID: "e"}}, Echo},
		"an operational line":     {&alert.Alert{Kind: alert.KindOperational}, Foreign},
	} {
		if got := s.Judge(c.alert, now); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func TestASuspectWhoseAnswerNeverCameIsAnIntruder(t *testing.T) {
	s := New(self, nil)
	s.Judge(request("our-accessor", "", "stolen", "response"), now)
	s.Judge(request("our-accessor", "", "late", "response"), now)
	s.Judge(request("our-accessor", "", "asked-only", "request"), now)
	failed := request("our-accessor", "", "failed", "response")
	failed.Record.Error = "1 error occurred"
	s.Judge(failed, now)
	s.Own("late", now.Add(time.Second))
	if early, _ := s.Due(now.Add(Patience - time.Second)); len(early) != 0 {
		t.Errorf("judged too early: %d", len(early))
	}
	intruders, settled := s.Due(now.Add(Patience))
	if len(intruders) != 1 || intruders[0].Record.RequestID != "stolen" {
		t.Errorf("intruders %v", intruders)
	}
	if len(settled) != 4 {
		t.Errorf("%d suspects are settled, want all 4", len(settled))
	}
	if again, _ := s.Due(now.Add(2 * Patience)); len(again) != 0 {
		t.Error("an intruder was told twice")
	}
}

func TestFreshIDsAreHandedOverOnceAndTheOldestForgotten(t *testing.T) {
	s := New(self, nil)
	for i := range MaxIDs + 1 {
		s.Own(fmt.Sprint(i), now)
	}
	s.Own("0", now) // was forgotten, so it is new again
	if got := len(s.TakeFresh()); got != MaxIDs+2 {
		t.Errorf("%d fresh ids", got)
	}
	if got := s.TakeFresh(); len(got) != 0 {
		t.Errorf("handed over twice: %d", len(got))
	}
	if len(s.ids) > MaxIDs {
		t.Errorf("%d ids are kept", len(s.ids))
	}
}

func TestSuspectsWaitOnAfterARestart(t *testing.T) {
	s := New(self, []string{"late"})
	for id, until := range map[string]time.Duration{"stolen": time.Second, "late": 2 * time.Second, "of a clock set back": 24 * time.Hour} {
		s.Restore([]Waiter{{Alert: request("our-accessor", "", id, "response"), Until: now.Add(until)}}, now)
	}
	if intruders, settled := s.Due(now.Add(time.Second)); len(intruders) != 1 || intruders[0].Record.RequestID != "stolen" || len(settled) != 1 {
		t.Errorf("after a second: intruders %v, %d settled", intruders, len(settled))
	}
	if intruders, settled := s.Due(now.Add(Patience)); len(intruders) != 1 || intruders[0].Record.RequestID != "of a clock set back" || len(settled) != 2 {
		t.Errorf("after the longest patience: intruders %v, %d settled", intruders, len(settled))
	}
}

func TestWhereTooManyWaitTheFirstAreJudgedEarly(t *testing.T) {
	s := New(self, nil)
	for i := range MaxSuspects + 2 {
		s.Judge(request("our-accessor", "", fmt.Sprint(i), "response"), now)
	}
	intruders, _ := s.Due(now)
	if len(intruders) != 2 || intruders[0].Record.RequestID != "0" || intruders[1].Record.RequestID != "1" {
		t.Errorf("judged early: %v", intruders)
	}
	if n := s.Waiting(); n != MaxSuspects {
		t.Errorf("%d wait", n)
	}
}
