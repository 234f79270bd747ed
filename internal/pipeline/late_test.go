package pipeline

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"custom-vault/internal/alert"
	"custom-vault/internal/config"
	"custom-vault/internal/event"
	"custom-vault/internal/identity"
)

// remote is a Vault that can be away; identities then stand on the record alone.
type remote struct {
	vault
	away atomic.Bool
}

func (r *remote) Resolve(ctx context.Context, cluster string, a *alert.Alert, ask bool) identity.Identity {
	if r.away.Load() {
		id := r.vault.Resolve(ctx, cluster, a, false)
		id.Confidence, id.Why = identity.Unconfirmed, identity.ReasonUnreachable
		return id
	}
	return r.vault.Resolve(ctx, cluster, a, ask)
}

func awayWorld(t *testing.T) (*world, *remote) {
	t.Helper()
	w, r := newWorld(t), new(remote)
	r.away.Store(true)
	w.deps.Resolver = r
	return w, r
}

func TestAnAlertIsIdentifiedLaterOnce(t *testing.T) {
	t.Parallel()
	w, r := awayWorld(t)
	line := lineOf("1", "100617", 14, "bob")
	first := w.handle(t, line).Decided[0]
	if first.Identity.Rung != identity.RungRecord || first.Event == nil {
		t.Fatalf("%+v", first.Identity)
	}
	w.insistLate(t.Context(), true) // still away
	if n := len(w.outbox(t)); n != 1 {
		t.Fatalf("%d events while nothing is known better", n)
	}
	seen, intents := w.windows.Add(first.Seen.Subject, first.Alert.Record), w.intents(t)
	r.away.Store(false)
	for range 3 {
		w.insistLate(t.Context(), true)
	}
	events := w.outbox(t)
	id := event.IDOf(event.KindEnriched, first.Alert.Key.String(), "late")
	if len(events) != 2 || events[id] == "" {
		t.Fatalf("%d events: %v", len(events), events)
	}
	for path, want := range map[string]string{
		"event": "enriched", "late": "true", "alert_id": first.Alert.ID, "actor.rung": "accessor", "actor.confidence": "confirmed", "actor.name": "userpass-bob",
		"incident": first.incidentID(), "seen.requests": fmt.Sprint(first.Seen.Requests),
	} {
		if got := gjson.Get(events[id], "custom_vault."+path).String(); got != want {
			t.Errorf("%s = %q, want %q", path, got, want)
		}
	}
	if again := w.windows.Add(first.Seen.Subject, first.Alert.Record); again.Requests != seen.Requests {
		t.Errorf("the act was counted again: %d, %d", seen.Requests, again.Requests)
	}
	if n := len(intents) + len(w.intents(t)); n != 1 {
		t.Errorf("%d intents for one alert", n)
	}
	if known, err := w.store.Known(t.Context(), []alert.Key{first.Alert.Key}); err != nil || !known[first.Alert.Key] {
		t.Errorf("%v, %v", known, err)
	}
	if len(w.late.waiting) != 0 {
		t.Errorf("%d alerts still wait", len(w.late.waiting))
	}
}

func TestALateDecisionIsKeptThoughTheStoreFailed(t *testing.T) {
	t.Parallel()
	w, r := awayWorld(t)
	first := w.handle(t, lineOf("1", "100617", 14, "bob")).Decided[0]
	r.away.Store(false)
	w.store.mu.Lock()
	w.store.commits = 1
	w.store.mu.Unlock()
	w.insistLate(t.Context(), true)
	if w.outbox(t)[event.IDOf(event.KindEnriched, first.Alert.Key.String(), "late")] == "" {
		t.Error("the late event is lost")
	}
}

func TestWaitingForABetterAnswerIsBounded(t *testing.T) {
	t.Parallel()
	w, _ := awayWorld(t)
	told := new(witness)
	w.seen = told
	var lines []string
	for i := range maxLate + 10 {
		lines = append(lines, lineOf(fmt.Sprint(i), "100601", 3, "bob"))
	}
	w.handle(t, lines...)
	if n := len(w.late.waiting); n != maxLate || w.late.waiting[0].decided.Alert.ID != "1.10" || w.late.waiting[0].decided.Text != nil {
		t.Errorf("%d wait, the oldest is %s", n, w.late.waiting[0].decided.Alert.ID)
	}
	// What the bound drops is counted, and becomes an event.
	id := event.IDOf(event.KindFault, "late", alert.KeyOf([]byte(lines[0])).String())
	w.handle(t)
	w.handle(t)
	if body := w.outbox(t)[id]; told.times["dropped 10"] != 1 || !strings.Contains(body, "10 of them") || told.times["published fault about=false"] != 1 {
		t.Errorf("told %v; the event: %s", told.times, body)
	}
	w.clock.pass(lateTime - time.Second)
	w.insistLate(t.Context(), true)
	if n := len(w.late.waiting); n != maxLate {
		t.Errorf("%d wait before their time is over", n)
	}
	w.clock.pass(time.Second)
	w.insistLate(t.Context(), true)
	if n := len(w.late.waiting); n != 0 {
		t.Errorf("%d still wait after %v", n, lateTime)
	}
}

func TestWhatWasKnownWellDoesNotWait(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.handle(t, lineOf("1", "100617", 14, "bob"), echoOf("e"))
	if n := len(w.late.waiting); n != 0 {
		t.Errorf("%d alerts wait", n)
	}
}

// Only the index can make a hashed accessor better, and it signals: asking at each tick would be a read of Vault a
// minute for as long as the alert waits, and each such read another alert.
func TestAHashedAccessorIsAskedAboutOnlyOnASignal(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(cfg *config.Config) { cfg.Clusters[0].HashIndex.Enabled = true })
	asked := &hashedOnly{}
	w.deps.Resolver = asked
	w.handle(t, lineOf("1", "100611", 3, "bob"))
	first := asked.times.Load()
	w.insistLate(t.Context(), false)
	if n := asked.times.Load(); n != first {
		t.Errorf("asked %d times more at a tick", n-first)
	}
	if n := len(w.late.waiting); n != 1 {
		t.Errorf("%d alerts wait", n)
	}
	w.insistLate(t.Context(), true)
	if n := asked.times.Load(); n != first+1 {
		t.Errorf("asked %d times more on a signal, want 1", n-first)
	}
}

func TestAHashedAccessorWaitsForNothingWhereThereIsNoIndex(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.deps.Resolver = &hashedOnly{}
	w.handle(t, lineOf("1", "100611", 3, "bob"))
	if n := len(w.late.waiting); n != 0 {
		t.Errorf("%d alerts wait", n)
	}
}

// hashedOnly has no index: the entity answers, and the accessor stays a hash.
type hashedOnly struct{ times atomic.Int64 }

func (h *hashedOnly) Resolve(context.Context, string, *alert.Alert, bool) identity.Identity {
	h.times.Add(1)
	return identity.Identity{Rung: identity.RungEntity, Confidence: identity.Confirmed, Why: identity.ReasonHashed, Entity: &identity.Entity{ID: "e"}}
}
