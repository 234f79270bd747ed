package screen

import (
	"testing"
	"time"
)

func TestALostAnswerExcusesOneRequest(t *testing.T) {
	s := New(self, nil)
	s.Lost("p/", now)
	s.Lost("another", now)
	s.Judge(request("our-accessor", "", "timed-out", "response"), now)
	s.Judge(request("our-accessor", "", "timed-out", "response"), now) // of a second audit device
	s.Judge(request("our-accessor", "", "stolen", "response"), now)
	intruders, _ := s.Due(now.Add(Patience))
	if len(intruders) != 1 || intruders[0].Record.RequestID != "stolen" {
		t.Errorf("intruders %v", intruders)
	}
}

func TestAnOldLossExcusesNothing(t *testing.T) {
	s := New(self, nil)
	s.Lost("p", now)
	later := now.Add(2 * Patience)
	s.Judge(request("our-accessor", "", "stolen", "response"), later)
	if intruders, _ := s.Due(later.Add(Patience)); len(intruders) != 1 {
		t.Errorf("intruders %v", intruders)
	}
}

func TestLossesAreBounded(t *testing.T) {
	s := New(self, nil)
	for range 2 * MaxLosses {
		s.Lost("p", now)
	}
	if len(s.losses) != MaxLosses {
		t.Errorf("%d losses are remembered", len(s.losses))
	}
}

// What the process before asked, and died over, is read whenever this one gets to it.
func TestALossOfTheProcessBeforeIsKnownByTheRecordsTime(t *testing.T) {
	s := New(self, nil)
	died := now.Add(-time.Hour)
	s.LostBefore("p/", died)
	for id, at := range map[string]time.Time{"of then": died.Add(time.Second), "of now": now} {
		a := request("our-accessor", "", id, "response")
		a.Record.Time = at
		s.Judge(a, now)
	}
	intruders, _ := s.Due(now.Add(Patience))
	if len(intruders) != 1 || intruders[0].Record.RequestID != "of now" {
		t.Errorf("intruders %v", intruders)
	}
}

// Each record is explained by the loss next to it, in whatever order both are told.
func TestEachRecordUsesUpTheLossNextToIt(t *testing.T) {
	s := New(self, nil)
	for _, seconds := range []time.Duration{100, 50, 0} {
		s.LostBefore("p", now.Add(seconds*time.Second))
	}
	for _, seconds := range []time.Duration{50, 0, 100} {
		a := request("our-accessor", "", seconds.String(), "response")
		a.Record.Time = now.Add(seconds * time.Second)
		s.Judge(a, now.Add(100*time.Second))
	}
	if intruders, _ := s.Due(now.Add(100*time.Second + Patience)); len(intruders) != 0 {
		t.Errorf("intruders %v", intruders)
	}
}

func TestARecordOfALossMayComeLate(t *testing.T) {
	s := New(self, nil)
	s.Lost("p", now)
	a := request("our-accessor", "", "timed-out", "response")
	a.Record.Time = now.Add(-time.Second)
	later := now.Add(time.Hour) // alerts waited while analysisd was down
	s.Judge(a, later)
	if intruders, _ := s.Due(later.Add(Patience)); len(intruders) != 0 {
		t.Errorf("intruders %v", intruders)
	}
}
