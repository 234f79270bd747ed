package pipeline

import (
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/tidwall/gjson"

	"custom-vault/internal/alert"
	"custom-vault/internal/config"
	"custom-vault/internal/escalation"
	"custom-vault/internal/event"
	"custom-vault/internal/screen"
	"custom-vault/internal/store"
)

func TestBobsStoryLeadsToOneSealAndOneIncident(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	result := w.handle(t, bobsLines(t)...)
	var sealing *Decided
	for i, d := range result.Decided {
		if d.Decision.Action == escalation.Seal {
			sealing = &result.Decided[i]
		}
	}
	if len(result.Decided) != 16 || sealing == nil || sealing.Alert.Rule.ID != "100617" || sealing.Incident == nil {
		t.Fatalf("%d decided, sealing %+v", len(result.Decided), sealing)
	}
	body := w.outbox(t)[sealing.Event.ID]
	for path, want := range map[string]string{
		"event": "enriched", "cluster": "prod", "actor.name": "userpass-bob", "decision.action": "seal",
		"decision.rule": "article-exfiltration", "incident": sealing.Incident.ID, "alert_id": sealing.Alert.ID,
	} {
		if got := gjson.Get(body, "custom_vault."+path).String(); got != want {
			t.Errorf("event: %s = %q, want %q", path, got, want)
		}
	}
	intents := w.intents(t)
	if len(intents) != 1 || intents[0].Cluster != "prod" || intents[0].Action != escalation.Seal || intents[0].Severity != sealing.Decision.Severity {
		t.Errorf("intents %+v", intents)
	}
	if w.woken != [2]int{result.Events, 1} {
		t.Errorf("told of %v events and intents", w.woken)
	}
	if mark, _, err := w.store.Bookmark(t.Context(), "alerts"); mark != "b" || err != nil {
		t.Errorf("bookmark %q, %v", mark, err)
	}
}

func TestTheSecondArrivalOfALineIsDropped(t *testing.T) {
	t.Parallel()
	line := lineOf("1", "100617", 14, "bob")
	for name, batches := range map[string][][]string{
		"both ways in one batch": {{line, line}},
		"one after the other":    {{line}, {line}},
		"with a newline":         {{line}, {line + "\n"}},
	} {
		w := newWorld(t)
		decided := 0
		for _, batch := range batches {
			decided += len(w.handle(t, batch...).Decided)
		}
		if decided != 1 || len(w.outbox(t)) != 1 || len(w.intents(t)) != 1 {
			t.Errorf("%s: decided %d times", name, decided)
		}
	}
}

func TestLinesThatAreNoAlertsOfOursChangeNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	result := w.handle(t, ``, `{`, `{"vault":1}`, `{"rule":{"groups":["vaults"]}}`, strings.Repeat("[", 5000), `{"rule":{"groups":["vault"]}}`)
	if len(result.Decided) != 1 || result.Events+result.Intents != 0 {
		t.Errorf("%+v", result)
	}
}

// Two alerts that each ask for a seal are one outage: the second finds the first one's intent under way.
func TestTwoSealingAlertsOfAClusterGiveOneIntent(t *testing.T) {
	t.Parallel()
	first, second := lineOf("1", "100617", 14, "bob"), lineOf("2", "100618", 14, "eve")
	for name, batches := range map[string][][]string{"in one batch": {{first, second}}, "in two": {{first}, {second}}} {
		w := newWorld(t, func(cfg *config.Config) { cfg.Decide.SealsPerDay = 10 })
		var decided []Decided
		for _, batch := range batches {
			decided = append(decided, w.handle(t, batch...).Decided...)
		}
		if len(decided) != 2 || decided[0].Decision.Action != escalation.Seal || decided[1].Decision.Action != escalation.Notify ||
			decided[1].Decision.Held[0].Guard != "plan-running" {
			t.Errorf("%s: %+v", name, decided)
		}
		if got := w.intents(t); len(got) != 1 {
			t.Errorf("%s: intents %v", name, got)
		}
	}
}

func TestNothingIsOrderedThatAGuardHolds(t *testing.T) {
	t.Parallel()
	for guard, change := range map[string]func(*config.Config){
		"observe-only":  func(cfg *config.Config) { cfg.Decide.ObserveOnly = true },
		"mode":          func(cfg *config.Config) { cfg.Decide.Seal = config.ModeObserve },
		"foreign-agent": func(cfg *config.Config) { cfg.Clusters[0].Nodes[0].Agent = "002" },
		"stale":         func(cfg *config.Config) { cfg.Decide.StaleAfter = time.Second },
		"budget":        func(cfg *config.Config) { cfg.Decide.SealsPerDay = 0 },
		"halt": func(cfg *config.Config) {
			if err := os.WriteFile(cfg.Decide.HaltFile, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		},
	} {
		w := newWorld(t, change)
		d := w.handle(t, lineOf("1", "100617", 14, "bob")).Decided[0].Decision
		held := slices.ContainsFunc(d.Held, func(h escalation.Held) bool { return h.Guard == guard })
		if !held || d.Action != escalation.Notify || d.Wanted != escalation.Seal {
			t.Errorf("%s: %+v", guard, d)
		}
		if got := w.intents(t); len(got) != 0 {
			t.Errorf("%s: intents %v", guard, got)
		}
	}
}

func TestOurOwnEventsAreMarkedAsSeenAndNotEnriched(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.handle(t, lineOf("1", "100611", 7, "bob"))
	var id string
	for id = range w.outbox(t) {
		if err := w.store.MarkSent(t.Context(), []string{id}, w.clock.now(), w.clock.now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	result := w.handle(t, echoOf(id), echoOf(id), echoOf("of another manager"))
	w.clock.pass(time.Hour)
	if due := w.outbox(t); len(result.Decided) != 0 || result.Events != 0 || len(due) != 0 {
		t.Errorf("decided %v, due %v", result.Decided, due)
	}
}

func TestOurOwnLookupsAreKeptAndNotEnriched(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.screen.Own("r-ours", w.clock.now())
	line := lineOf("ours", "100611", 12, "our-accessor")
	if result := w.handle(t, line); len(result.Decided) != 0 || result.Events != 0 {
		t.Errorf("%+v", result)
	}
	if len(w.vault.asked) != 0 {
		t.Error("Vault was asked about our own question")
	}
	if known, err := w.store.Known(t.Context(), []alert.Key{alert.KeyOf([]byte(line))}); len(known) != 1 || err != nil {
		t.Errorf("known %v, %v", known, err)
	}
	// After a restart they are known by what was stored.
	if ids, err := w.store.OwnRequests(t.Context(), w.clock.now().Add(-time.Hour)); err != nil || !slices.Equal(ids, []string{"r-ours"}) {
		t.Errorf("stored %v, %v", ids, err)
	}
}

func TestAnIntruderWithOurTokenIsToldAfterHalfAMinute(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.handle(t, lineOf("stolen", "100617", 14, "our-accessor")).Decided[0]
	if len(w.vault.asked) != 0 {
		t.Error("Vault was asked about a suspect, with the suspect's own token")
	}
	if d.Decision.Action != escalation.Notify || d.Decision.Held[0].Guard != "our-own" {
		t.Errorf("%+v", d.Decision)
	}
	for _, step := range []struct {
		pass time.Duration
		want int
	}{{screen.Patience - time.Second, 0}, {time.Second, 1}, {time.Hour, 0}} {
		w.clock.pass(step.pass)
		result, err := w.Handle(t.Context(), Batch{}) // the tick
		if err != nil || result.Events != step.want {
			t.Errorf("after %s more: %d events, %v", step.pass, result.Events, err)
		}
	}
	told := 0
	for _, body := range w.outbox(t) {
		if gjson.Get(body, "custom_vault.event").String() == "intruder" {
			told++
		}
	}
	if told != 1 {
		t.Errorf("%d intruders told", told)
	}
}

func TestAGapIsToldOnceHoweverOftenItIsRead(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	gap := Gap{Gap: event.Gap{Source: "alerts", File: "2026/Nov/ossec-alerts-23.json", Reason: "gone", Bytes: -1}, Behind: "behind"}
	other := gap
	other.Behind = "behind the next"
	for _, batch := range []Batch{
		{Source: "alerts", Bookmark: "1", Gaps: []Gap{gap}},
		{Source: "alerts", Bookmark: "2", Gaps: []Gap{gap}, Lines: linesOf(lineOf("1", "100611", 3, ""))}, // read again, in another batch
		{Source: "alerts", Bookmark: "3", Gaps: []Gap{other}},
	} {
		if _, err := w.Handle(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
	}
	told := 0
	for _, body := range w.outbox(t) {
		if gjson.Get(body, "custom_vault.gap.reason").String() == "gone" {
			told++
		}
	}
	if told != 2 {
		t.Errorf("%d gaps told, of 2", told)
	}
}

func TestOrdinaryRequestsAreKeptAndOnlyTheFirstOfTheDayIsTold(t *testing.T) {
	t.Parallel()
	for what, want := range map[string]int{"notable": 1, "all": 2} {
		w := newWorld(t, func(cfg *config.Config) { cfg.Publish.What = what })
		if result := w.handle(t, lineOf("1", "100611", 3, "bob"), lineOf("2", "100611", 3, "bob")); len(result.Decided) != 2 || result.Events != want {
			t.Errorf("%s: %d decided, %d events", what, len(result.Decided), result.Events)
		}
	}
}

func TestATrialKeepsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	result, err := w.Try(t.Context(), linesOf(lineOf("1", "100617", 14, "bob")))
	if err != nil || len(result.Decided) != 1 || result.Decided[0].Decision.Action != escalation.Seal {
		t.Fatalf("%+v, %v", result, err)
	}
	if len(w.outbox(t)) != 0 || len(w.intents(t)) != 0 || w.store.tried != 0 {
		t.Error("the trial left something behind")
	}
	if err := (Forgetful{}).Commit(t.Context(), store.Commit{}); err == nil {
		t.Error("the store of a trial took a commit")
	}
}

// A suspect is in the commit that moves the bookmark past its line, and out of it when it was judged.
func TestASuspectIsKeptUntilItIsJudged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	line := lineOf("stolen", "100611", 3, "our-accessor")
	w.handle(t, line, lineOf("other", "100611", 3, "bob"))
	kept, err := w.store.Suspects(t.Context())
	if err != nil || len(kept) != 1 || kept[0].Key != alert.KeyOf([]byte(line)) || !kept[0].Until.Equal(w.clock.now().Add(screen.Patience)) {
		t.Fatalf("%+v, %v", kept, err)
	}
	var again alert.Alert
	if err := json.Unmarshal([]byte(kept[0].Alert), &again); err != nil {
		t.Fatal(err)
	}
	want, err := alert.Parse([]byte(line))
	if diff := cmp.Diff(want, &again); diff != "" || err != nil {
		t.Errorf("what is kept is another alert: %v\n%s", err, diff)
	}
	w.clock.pass(screen.Patience)
	w.handle(t)
	if kept, err := w.store.Suspects(t.Context()); err != nil || len(kept) != 0 {
		t.Errorf("kept after it was judged: %+v, %v", kept, err)
	}
}

// A batch that fails on its way, wherever that is, leaves nothing behind; gone on with, it leads to what it would
// have led to at once.
func TestABatchThatFailsHasNoEffectUntilItSucceeds(t *testing.T) {
	t.Parallel()
	smooth := newWorld(t)
	smooth.screen.Own("r-other", smooth.clock.now())
	lines := append(bobsLines(t), lineOf("stolen", "100611", 3, "our-accessor"))
	smooth.handle(t, lines...)
	smooth.clock.pass(screen.Patience)
	smooth.handle(t)
	want, wantIntents := smooth.outbox(t), smooth.intents(t)

	for _, fault := range []string{"Known", "PlanState", "LastIncident", "Commit", "Commit of an intruder"} {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.screen.Own("r-other", w.clock.now())
			arm := func() {
				if strings.HasPrefix(fault, "Commit") {
					w.store.commits = 2
				} else {
					w.store.reads = fault
				}
			}
			if fault != "Commit of an intruder" {
				arm()
			}
			w.insistOn(t, Batch{Source: "alerts", Bookmark: "b", Lines: linesOf(lines...)})
			w.clock.pass(screen.Patience)
			if fault == "Commit of an intruder" {
				arm()
			}
			w.insistOn(t, Batch{})
			if w.store.reads != "" || w.store.commits > 0 {
				t.Fatal("the fault did not come about")
			}
			got := w.outbox(t)
			for id := range want {
				if _, there := got[id]; !there {
					t.Errorf("missing: %.300s", want[id])
				}
			}
			if len(got) != len(want) {
				t.Errorf("%d events, want %d", len(got), len(want))
			}
			if intents := w.intents(t); len(intents) != 1 || intents[0].ID != wantIntents[0].ID {
				t.Errorf("intents %v", intents)
			}
			if ids, err := w.store.OwnRequests(t.Context(), time.Time{}); err != nil || len(ids) != 1 {
				t.Errorf("own requests %v, %v", ids, err)
			}
		})
	}
}

// insistOn is insist with a look at the store after each failure.
func (w *world) insistOn(t *testing.T, batch Batch) {
	t.Helper()
	before := len(w.outbox(t))
	j := w.newJob(batch)
	for range 5 {
		err := w.work(t.Context(), j)
		if err == nil {
			return
		}
		if !errors.Is(err, errFault) {
			t.Fatal(err)
		}
		if after := len(w.outbox(t)); after != before || w.woken[0] != before {
			t.Errorf("a batch that failed left %d events, told %d", after-before, w.woken[0])
		}
	}
	t.Fatal("the batch never succeeded")
}
