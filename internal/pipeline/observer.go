package pipeline

import (
	"time"

	"custom-vault/internal/alert"
	"custom-vault/internal/escalation"
	"custom-vault/internal/event"
	"custom-vault/internal/identity"
	"custom-vault/internal/screen"
)

// Observer is told what the line does, for metrics and for the daemon's own health. Its methods are called from
// several goroutines, for every line, and must not block. Each alert and event is told once, when it is decided on,
// however often its commit must be tried.
type Observer interface {
	// Turn says that the line goes on: it took a batch up, finished an attempt at one, or found nothing to do.
	Turn()
	// Refused is a line that cannot be read as an alert, Passed one that is in none of our groups.
	Refused(source string, reason alert.Refusal)
	Passed(source string)
	// Arrived is an alert of ours; first is false for one that was handled before.
	Arrived(source string, a *alert.Alert, first bool)
	Judged(verdict screen.Verdict)
	Decided(a *alert.Alert, who identity.Identity, d escalation.Decision, at time.Time)
	// Published is an event that is put into the outbox; about is the time of its alert, zero if it has none.
	Published(kind event.Kind, id string, about time.Time)
	// Seen is an event of ours that was met again in alerts.json.
	Seen(id string, at time.Time)
	Lost(gap event.Gap)
	// Dropped is alerts that wait no longer for a better identity, because too many did.
	Dropped(alerts int)
	// Kept is a batch that was kept, and how long its commit took; err says that the attempt failed and is repeated.
	Kept(took time.Duration, err error)
}

// nobody is the Observer of those who want none.
type nobody struct{}

func (nobody) Turn()                                                                   {}
func (nobody) Refused(string, alert.Refusal)                                           {}
func (nobody) Passed(string)                                                           {}
func (nobody) Arrived(string, *alert.Alert, bool)                                      {}
func (nobody) Judged(screen.Verdict)                                                   {}
func (nobody) Decided(*alert.Alert, identity.Identity, escalation.Decision, time.Time) {}
func (nobody) Published(event.Kind, string, time.Time)                                 {}
func (nobody) Dropped(int)                                                             {}
func (nobody) Seen(string, time.Time)                                                  {}
func (nobody) Lost(event.Gap)                                                          {}
func (nobody) Kept(time.Duration, error)                                               {}
