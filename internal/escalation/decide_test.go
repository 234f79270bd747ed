package escalation

import (
	"strings"
	"testing"
	"time"

	"custom-vault/internal/alert"
	"custom-vault/internal/identity"
)

var now = time.Date(2026, 11, 24, 14, 0, 0, 0, time.UTC)

// armedInput is bob's tenth read where everything is armed and no guard has a reason to hold.
func armedInput() Input {
	return Input{
		Alert: &alert.Alert{
			Rule: alert.Rule{ID: "100617", Level: 14}, Kind: alert.KindAudit, Timestamp: now.Add(-time.Second),
			Agent:  alert.Agent{ID: "001"},
			Record: &alert.Record{Time: now.Add(-2 * time.Second), Operation: "read", Path: "secret/data/x", Type: "request"},
		},
		Identity: identity.Identity{Rung: identity.RungAccessor, Confidence: identity.Confirmed, Accessor: "abc"},
		State: State{
			Cluster: "prod", Armed: map[Action]struct{}{Seal: {}}, SealBudget: 1, StaleAfter: 15 * time.Minute,
		},
		Now: now,
	}
}

func mustSet(t *testing.T, name string) *RuleSet {
	t.Helper()
	set, err := Embedded(name)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func TestArticleSealsWhenArmedAndNothingHolds(t *testing.T) {
	d := Decide(mustSet(t, ArticleSet), armedInput())
	if d.Action != Seal || d.Wanted != Seal || len(d.Held) != 0 || !d.Alone || d.Rule != "article-exfiltration" {
		t.Errorf("%+v", d)
	}
}

// Each guard must hold the seal back by itself: a row changes one thing about armedInput.
func TestEachGuardHoldsByItself(t *testing.T) {
	for guard, change := range map[string]func(*Input){
		"observe-only":  func(in *Input) { in.State.ObserveOnly = true },
		"mode":          func(in *Input) { in.State.Armed = nil },
		"halt":          func(in *Input) { in.State.Halted = true },
		"foreign-agent": func(in *Input) { in.State.Cluster = "" },
		"stale":         func(in *Input) { in.Alert.Timestamp = now.Add(-16 * time.Minute) },
		"no-actor":      func(in *Input) { in.Identity = identity.Identity{Rung: identity.RungNobody} },
		"our-own":       func(in *Input) { in.State.OurToken = true },
		"plan-running":  func(in *Input) { in.State.PlanRunning = true },
		"budget":        func(in *Input) { in.State.SealBudget = 0 },
	} {
		in := armedInput()
		change(&in)
		d := Decide(mustSet(t, ArticleSet), in)
		if d.Action != Notify || d.Wanted != Seal || len(d.Held) != 1 || d.Held[0].Guard != guard || d.Held[0].Reason == "" {
			t.Errorf("%s: %+v", guard, d)
		}
	}
}

func TestGuardsHoldWhenTheyCannotTell(t *testing.T) {
	for name, change := range map[string]func(*Input){
		"halt file unreadable":   func(in *Input) { in.State.HaltUnknown = "permission denied" },
		"alert without a time":   func(in *Input) { in.Alert.Timestamp = time.Time{} },
		"record without a time":  func(in *Input) { in.Alert.Record.Time = time.Time{} },
		"alert dated tomorrow":   func(in *Input) { in.Alert.Timestamp = now.Add(24 * time.Hour) },
		"replayed record":        func(in *Input) { in.Alert.Record.Time = now.Add(-33 * 24 * time.Hour) },
		"identity was not asked": func(in *Input) { in.Identity = identity.Identity{} },
	} {
		in := armedInput()
		change(&in)
		if d := Decide(mustSet(t, ArticleSet), in); d.Action != Notify || len(d.Held) != 1 {
			t.Errorf("%s: %+v", name, d)
		}
	}
}

func TestAddingAReasonToHoldNeverRaisesAnAction(t *testing.T) {
	free := Decide(mustSet(t, ArticleSet), armedInput())
	in := armedInput()
	in.State.Halted, in.State.ObserveOnly, in.State.SealBudget = true, true, -3
	held := Decide(mustSet(t, ArticleSet), in)
	if held.Action >= free.Action || len(held.Held) != 3 {
		t.Errorf("free %v, held %+v", free.Action, held)
	}
}

func TestDefaultSetNeverAsksForMoreThanNotify(t *testing.T) {
	for level, want := range map[int]Action{3: Record, 7: Record, 8: Watch, 11: Watch, 12: Notify, 15: Notify} {
		in := armedInput()
		in.Alert.Rule.Level = level
		if d := Decide(mustSet(t, DefaultSet), in); d.Wanted != want || d.Action != want {
			t.Errorf("level %d: %+v", level, d)
		}
	}
}

func TestRevokeAndDisableAreHeldAsNotBuilt(t *testing.T) {
	for _, action := range []Action{Revoke, Disable} {
		set, err := Compile("test", []Rule{{Name: "r", When: "true", Action: action}})
		if err != nil {
			t.Fatal(err)
		}
		in := armedInput()
		in.State.Armed[action] = struct{}{}
		d := Decide(set, in)
		if d.Action != Notify || len(d.Held) != 1 || d.Held[0].Guard != "not-built" {
			t.Errorf("%s: %+v", action, d)
		}
	}
}

func TestCompileRefusesARuleThatNamesWhatDoesNotExist(t *testing.T) {
	_, err := Compile("test", []Rule{{Name: "typo", When: `rule.lvl > 3`}})
	if err == nil || !strings.Contains(err.Error(), "lvl") || !strings.Contains(err.Error(), `"typo"`) {
		t.Errorf("error %v", err)
	}
	if _, err := Compile("test", []Rule{{Name: "number", When: `rule.level + 1`}}); err == nil {
		t.Error("a condition that is no condition was taken")
	}
}

// A path may look like an expression: it is data, and never evaluated.
func TestHostileTextIsDataToARule(t *testing.T) {
	set, err := Compile("test", []Rule{{Name: "r", When: `path contains "admin"`, Action: Watch}})
	if err != nil {
		t.Fatal(err)
	}
	in := armedInput()
	in.Alert.Record.Path = `" || true || "`
	if d := Decide(set, in); d.Wanted != Record {
		t.Errorf("%+v", d)
	}
}

func BenchmarkDecide(b *testing.B) {
	set, err := Embedded(ArticleSet)
	if err != nil {
		b.Fatal(err)
	}
	in := armedInput()
	for b.Loop() {
		if d := Decide(set, in); d.Action != Seal {
			b.Fatal(d)
		}
	}
}
