package screen

import (
	"testing"
	"time"
)

func TestWhatOurTokenDidAroundACrashProvesNothing(t *testing.T) {
	s := New(self, nil)
	s.Crashed(now)
	for id, at := range map[string]time.Duration{
		"just before": -AroundCrash, "just after": AroundCrash, "long before": -AroundCrash - time.Second, "later": AroundCrash + time.Second,
	} {
		a := request("our-accessor", "", id, "response")
		a.Record.Time = now.Add(at)
		s.Judge(a, now)
	}
	told := make(map[string]bool)
	intruders, _ := s.Due(now.Add(Patience))
	for _, intruder := range intruders {
		told[intruder.Record.RequestID] = true
	}
	if len(told) != 2 || !told["long before"] || !told["later"] {
		t.Errorf("intruders %v", told)
	}
}

func TestAfterAnEndInOrderNothingIsExcused(t *testing.T) {
	s := New(self, nil)
	s.Crashed(time.Time{})
	s.Judge(request("our-accessor", "", "stolen", "response"), now) // its record has no time either
	if intruders, _ := s.Due(now.Add(Patience)); len(intruders) != 1 {
		t.Errorf("intruders %v", intruders)
	}
}
