// Package screen tells what is our own from what is not: our events that come back, our lookups in Vault's audit
// log, and the intruder who uses our token. It may import the standard library and package alert, and must never
// decide by what an attacker can choose: display names, user agents and paths do not count.
package screen

import (
	"slices"
	"strings"
	"sync"
	"time"

	"custom-vault/internal/alert"
)

// Verdict is what an alert is to us.
type Verdict string

// The verdicts.
const (
	Foreign Verdict = "foreign" // not ours: it goes on
	Echo    Verdict = "echo"    // an event of ours, published
	Lookup  Verdict = "lookup"  // a request of ours to Vault, proved by the id that its answer carried
	Suspect Verdict = "suspect" // our token, but no answer of ours has carried that request's id: not yet, or never
)

// Patience is how long a suspect may wait for its answer's id. A request is in the audit log before its answer is
// here, and its alert is usually a second behind both.
const Patience = 30 * time.Second

// MaxIDs bounds the remembered request ids; the oldest are forgotten first. At ten lookups a second that is an hour.
const MaxIDs = 40_000

// MaxLosses bounds the lost answers that are remembered, the newest; a record of one may come hours late.
const (
	MaxLosses  = 1_000
	maxLossAge = 24 * time.Hour
)

// MaxSuspects bounds the suspects that wait. Where there are more, those that have waited longest are judged before
// their time.
const MaxSuspects = 10_000

// Self is how our own token shows in an audit record.
type Self struct {
	Accessors []string // raw, and hashed for each device that hashes
	EntityIDs []string
}

// Screen remembers our requests. It is safe for concurrent use.
type Screen struct {
	self func() Self

	mu       sync.Mutex
	ids      map[string]struct{}
	order    []string // ids, oldest first
	fresh    []string // ids that were not handed over yet
	suspects []Waiter
	losses   []loss
	crash    time.Time // of the process before; zero where it ended in order
}

// loss is a request of ours whose answer never came: Vault may have served it, under an id that we cannot know.
type loss struct {
	path   string
	at     time.Time
	before bool // of the process before this one: its record is known by its own time alone
}

// Waiter is a suspect's alert, and until when it waits.
type Waiter struct {
	Alert *alert.Alert
	Until time.Time
}

// New returns a screen that knows the ids of earlier requests. self is asked anew each time: tokens are renewed.
func New(self func() Self, known []string) *Screen {
	s := &Screen{self: self, ids: make(map[string]struct{})}
	for _, id := range known {
		s.remember(id)
	}
	return s
}

// Own notes the request id of an answer that Vault gave us.
func (s *Screen) Own(requestID string, _ time.Time) {
	if requestID == "" {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.remember(requestID) {
		s.fresh = append(s.fresh, requestID)
	}
}

// Lost notes that the answer to a request of ours was lost on the way: a timeout, a connection that broke. It excuses
// one record of that path.
func (s *Screen) Lost(path string, at time.Time) {
	s.lose(loss{path: strings.Trim(path, "/"), at: at})
}

// LostBefore notes the same of a request of the process before this one. Its record may be read late, since nobody
// read while there was none; it is known by its own time.
func (s *Screen) LostBefore(path string, at time.Time) {
	s.lose(loss{path: strings.Trim(path, "/"), at: at, before: true})
}

func (s *Screen) lose(l loss) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.losses) >= MaxLosses {
		s.losses = s.losses[1:]
	}
	s.losses = append(s.losses, l)
}

// AroundCrash is how long before and after the last write of a process that was killed its requests may have been
// served under ids that it did not keep: it asks, for 30 s at the most, and keeps ids every 10 s or sooner.
const AroundCrash = 45 * time.Second

// Crashed says that the process before this one did not end in order and left nothing that says what it asked, as
// where the machine failed, and when it last kept anything. What our token did around then proves nothing: the answers
// may have been lost with the process.
func (s *Screen) Crashed(at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.crash = at
}

// lostInCrash tells by Vault's clock. s.mu is held.
func (s *Screen) lostInCrash(record *alert.Record) bool {
	return !s.crash.IsZero() && record.Time.Sub(s.crash).Abs() <= AroundCrash
}

// excused uses up the loss that explains a record: of those of its path the nearest in time, since a farther one may be
// all that explains another record. s.mu is held.
func (s *Screen) excused(record *alert.Record, now time.Time) bool {
	s.losses = slices.DeleteFunc(s.losses, func(l loss) bool { return now.Sub(l.at) > maxLossAge })
	path, nearest, distance := strings.Trim(record.Path, "/"), -1, time.Duration(0)
	for i, l := range s.losses {
		apart := record.Time.Sub(l.at).Abs()
		explains := apart <= 2*Patience || !l.before && now.Sub(l.at) <= 2*Patience
		if l.path == path && explains && (nearest < 0 || apart < distance) {
			nearest, distance = i, apart
		}
	}
	if nearest < 0 {
		return false
	}
	s.losses = slices.Delete(s.losses, nearest, nearest+1)
	if s.remember(record.RequestID) { // the same request may come from a second audit device
		s.fresh = append(s.fresh, record.RequestID)
	}
	return true
}

func (s *Screen) remember(id string) bool {
	if _, known := s.ids[id]; known {
		return false
	}
	if len(s.order) >= MaxIDs {
		delete(s.ids, s.order[0])
		s.order = s.order[1:]
	}
	s.ids[id] = struct{}{}
	s.order = append(s.order, id)
	return true
}

// TakeFresh hands over the ids that were noted since it was last called, for the store.
func (s *Screen) TakeFresh() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	fresh := s.fresh
	s.fresh = nil
	return fresh
}

// Judge says what an alert is. A suspect is kept, and judged again by Due.
func (s *Screen) Judge(a *alert.Alert, now time.Time) Verdict {
	if a.Kind == alert.KindOwn {
		return Echo
	}
	if a.Record == nil || !s.byOurToken(a.Record) {
		return Foreign
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ours := s.ids[a.Record.RequestID]; ours {
		return Lookup
	}
	s.suspects = append(s.suspects, Waiter{Alert: a, Until: now.Add(Patience)})
	return Suspect
}

// Restore takes up suspects that were waiting when the process before this one ended. However its clock stood, none
// waits for longer than a new one.
func (s *Screen) Restore(waiting []Waiter, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range waiting {
		if most := now.Add(Patience); w.Until.After(most) {
			w.Until = most
		}
		s.suspects = append(s.suspects, w)
	}
}

func (s *Screen) byOurToken(record *alert.Record) bool {
	actor, self := record.Actor(), s.self()
	if actor.Accessor != "" && slices.Contains(self.Accessors, actor.Accessor) {
		return true
	}
	return actor.EntityID != "" && slices.Contains(self.EntityIDs, actor.EntityID)
}

// Due judges the suspects whose patience is over, and returns the keys of all of them, and the alerts of those that
// succeeded under an id that we never got: each is an intruder with our token. Answers that are errors carry no id, so
// failed requests prove nothing.
func (s *Screen) Due(now time.Time) (intruders []*alert.Alert, settled []alert.Key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	early := len(s.suspects) - MaxSuspects
	waiting := s.suspects[:0]
	for i, w := range s.suspects {
		if w.Until.After(now) && i >= early {
			waiting = append(waiting, w)
			continue
		}
		settled = append(settled, w.Alert.Key)
		_, ours := s.ids[w.Alert.Record.RequestID]
		if !ours && w.Alert.Record.Outcome() == alert.Done && !s.lostInCrash(w.Alert.Record) && !s.excused(w.Alert.Record, now) {
			intruders = append(intruders, w.Alert)
		}
	}
	clear(s.suspects[len(waiting):])
	s.suspects = waiting
	return intruders, settled
}
