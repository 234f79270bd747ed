package pipeline

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"custom-vault/internal/alert"
	"custom-vault/internal/escalation"
	"custom-vault/internal/event"
	"custom-vault/internal/identity"
	"custom-vault/internal/screen"
)

// witness counts what it is told.
type witness struct {
	mu    sync.Mutex
	times map[string]int
}

func (w *witness) note(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.times == nil {
		w.times = make(map[string]int)
	}
	w.times[fmt.Sprintf(format, args...)]++
}

func (w *witness) Turn()                             { w.note("turn") }
func (w *witness) Refused(s string, r alert.Refusal) { w.note("%s refused %s", s, r) }
func (w *witness) Passed(s string)                   { w.note("%s passed", s) }
func (w *witness) Judged(v screen.Verdict)           { w.note("judged %s", v) }
func (w *witness) Seen(string, time.Time)            { w.note("seen") }
func (w *witness) Lost(g event.Gap)                  { w.note("lost %s", g.Reason) }
func (w *witness) Dropped(n int)                     { w.note("dropped %d", n) }
func (w *witness) Arrived(s string, _ *alert.Alert, first bool) {
	w.note("%s arrived first=%t", s, first)
}
func (w *witness) Decided(_ *alert.Alert, who identity.Identity, d escalation.Decision, _ time.Time) {
	w.note("decided %s %s", who.Rung, d.Action)
}
func (w *witness) Published(kind event.Kind, _ string, about time.Time) {
	w.note("published %s about=%t", kind, !about.IsZero())
}
func (w *witness) Kept(_ time.Duration, err error) { w.note("kept err=%t", err != nil) }

// A batch whose commit fails twice is told once.
func TestTheObserverIsToldOnceOfEachLine(t *testing.T) {
	t.Parallel()
	world := newWorld(t)
	told := new(witness)
	world.seen = told
	world.store.commits = 2
	lines := append(linesOf(lineOf("a", "100605", 12, "acc"), lineOf("a", "100605", 12, "acc"), `{`, `{"rule":{"groups":["web"]}}`),
		Line{Source: "journal", Text: []byte(lineOf("b", "100605", 3, "acc"))}, Line{Source: "alerts", Text: []byte(echoOf("e"))})
	j := world.newJob(Batch{Source: "alerts", Bookmark: "m", Lines: lines, Gaps: []Gap{{Gap: event.Gap{Source: "alerts", Reason: "gone"}}}})
	for err := errors.New("not tried"); err != nil; {
		err = world.work(t.Context(), j)
	}
	want := map[string]int{
		"alerts arrived first=true": 2, "alerts arrived first=false": 1, "journal arrived first=true": 1,
		"alerts refused not-json": 1, "alerts passed": 1, "judged foreign": 2, "judged echo": 1, "seen": 1, "lost gone": 1,
		"decided accessor notify": 1, "decided accessor record": 1,
		"published enriched about=true": 1, "published gap about=false": 1, "kept err=true": 2, "kept err=false": 1,
	}
	if diff := cmp.Diff(want, told.times); diff != "" {
		t.Error(diff)
	}
}
