package response

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"custom-vault/internal/store"
)

// errCrash is where a process ended.
var errCrash = errors.New("the process ends here")

// mortal is a ledger whose process ends at a call: before it was done, or after.
type mortal struct {
	Ledger
	dies  int // at which call
	after bool

	mu    sync.Mutex
	calls int
}

func (m *mortal) call(f func() error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls++
	switch {
	case m.calls > m.dies, m.calls == m.dies && !m.after:
		return errCrash
	}
	err := f()
	if m.calls == m.dies {
		return errCrash
	}
	return err
}

func (m *mortal) recover() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.dies = 1 << 30
}

func (m *mortal) NextIntent(ctx context.Context) (n store.Intent, ok bool, err error) {
	err = m.call(func() (err error) { n, ok, err = m.Ledger.NextIntent(ctx); return })
	return
}

func (m *mortal) DropIntent(ctx context.Context, id, reason string, at time.Time, events ...store.Event) error {
	return m.call(func() error { return m.Ledger.DropIntent(ctx, id, reason, at, events...) })
}

func (m *mortal) BeginPlan(ctx context.Context, plan store.Plan, budget store.Budget, events ...store.Event) (refusal string, err error) {
	err = m.call(func() (err error) { refusal, err = m.Ledger.BeginPlan(ctx, plan, budget, events...); return })
	return
}

func (m *mortal) SavePlan(ctx context.Context, plan store.Plan, at time.Time, events ...store.Event) error {
	return m.call(func() error { return m.Ledger.SavePlan(ctx, plan, at, events...) })
}

func (m *mortal) RunningPlans(ctx context.Context) (plans []store.Plan, err error) {
	err = m.call(func() (err error) { plans, err = m.Ledger.RunningPlans(ctx); return })
	return
}

// crash runs a responder that dies right after the call of the ledger behind so many.
func (w *world) crash(t *testing.T, calls int) {
	t.Helper()
	w.die(t, calls+1, true)
}

// die reports whether the responder lived long enough to die.
func (w *world) die(t *testing.T, dies int, after bool) bool {
	t.Helper()
	cfg := w.config
	cfg.Ledger = &mortal{Ledger: w.store, dies: dies, after: after}
	r := New(cfg)
	for {
		worked, err := r.Step(t.Context())
		switch {
		case errors.Is(err, errCrash):
			return true
		case err != nil:
			t.Fatal(err)
		case !worked:
			return false
		}
	}
}

// Wherever the process ends, before or after any call of the ledger, its successor carries the intents through: none
// gets a second plan, none is lost, and each outcome is told once.
func TestACrashAtAnyPointNeitherDoublesNorLosesAPlan(t *testing.T) {
	t.Parallel()
	for _, after := range []bool{false, true} {
		died := true
		for dies := 1; died; dies++ {
			name := fmt.Sprintf("call %d, done %t", dies, after)
			in(t, []*agent{obeys(), {delivery: "sent", obeys: true, from: 2}}, func(t *testing.T, w *world) {
				w.config.SealsPerDay = 1
				w.want(t, "int-1", decision())
				w.want(t, "int-2", decision()) // finds the budget used up
				died = w.die(t, dies, after)
				w.respond(t)
				if got := w.states(t); got != "dispatched sealed held" {
					t.Errorf("%s: told %s", name, got)
				}
				if orders := w.sent(); len(orders) < 2 || len(orders) > 4 {
					t.Errorf("%s: orders %q", name, orders)
				}
				for _, n := range w.nodes {
					if !n.sealed {
						t.Errorf("%s: a node serves", name)
					}
				}
			})
			if dies > 50 {
				t.Fatal("it never lives to the end")
			}
		}
	}
}

// The ledger may fail for a while; what was begun is gone on with when it is back.
func TestAFaultOfTheLedgerIsWaitedFor(t *testing.T) {
	t.Parallel()
	in(t, []*agent{obeys()}, func(t *testing.T, w *world) {
		w.want(t, "int-1", decision())
		ctx, cancel := context.WithCancel(t.Context())
		cfg := w.config
		failing := &mortal{Ledger: w.store, dies: 3, after: true} // BeginPlan is done, and reported as failed
		cfg.Ledger = failing
		ended := make(chan error)
		go func() { ended <- New(cfg).Run(ctx) }()
		time.Sleep(idleLook / 2)
		failing.recover()
		time.Sleep(idleLook)
		cancel()
		<-ended
		if got := w.states(t); got != "dispatched sealed" {
			t.Errorf("told %s", got)
		}
	})
}
