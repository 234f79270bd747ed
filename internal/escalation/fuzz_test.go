package escalation

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"custom-vault/internal/alert"
	"custom-vault/internal/identity"
)

// hostileRules look at every text that an alert or an answer of Vault's can put into Facts.
var hostileRules = []Rule{
	{Name: "path", When: `path contains "admin"`, Action: Watch},
	{Name: "operation", When: `operation == "delete"`, Action: Watch},
	{Name: "name", When: `actor.name startsWith "root"`, Action: Watch},
	{Name: "policy", When: `"root" in actor.policies`, Action: Watch},
	{Name: "id", When: `rule.id == "100617"`, Action: Seal},
}

// FuzzDecide: what an attacker writes is data to a rule, never a part of it. A rule matches exactly when the text says
// so, the shipped rules do not look at text at all, and no text moves a guard.
func FuzzDecide(f *testing.F) {
	f.Add("secret/data/x", "read", "bob", "default", "100617", 14)
	f.Add(`" || true || "`, "delete", "root", "root", "100618", 15)
	f.Add(`admin"; seal()`, "%s%n", "{{env}}", "rule.level = 99", "1 or 1", -1)
	set, err := Compile("hostile", hostileRules)
	if err != nil {
		f.Fatal(err)
	}
	shipped, err := Embedded(ArticleSet)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, path, operation, name, policy, ruleID string, level int) {
		in := armedInput()
		in.Alert.Rule = alert.Rule{ID: ruleID, Level: level, Description: path, Groups: []string{name, policy}}
		plain := in // the same alert, with nothing in it that an attacker has chosen
		plain.Alert = &alert.Alert{Rule: alert.Rule{ID: ruleID, Level: level}, Kind: in.Alert.Kind, Timestamp: in.Alert.Timestamp, Agent: in.Alert.Agent, Record: in.Alert.Record}
		record := *in.Alert.Record
		record.Path, record.Operation, record.Error, record.UserAgent = path, operation, name, policy
		in.Alert.Record = &record
		in.Identity.Token.DisplayName, in.Identity.Token.Metadata = name, map[string]string{name: path}
		in.Identity.Policies = identity.Policies{All: []string{policy}}

		d := Decide(set, in)
		want := map[string]bool{
			"path": strings.Contains(path, "admin"), "operation": operation == "delete",
			"name": strings.HasPrefix(in.Identity.Name(), "root"), "policy": policy == "root", "id": ruleID == "100617",
		}
		for rule, matches := range want {
			if slices.Contains(d.Matched, rule) != matches {
				t.Errorf("rule %s matches: %v, want %v", rule, !matches, matches)
			}
		}
		if (d.Action == Seal) != want["id"] || len(d.Problems) > 0 {
			t.Errorf("%+v", d)
		}
		if got, want := Decide(shipped, in), Decide(shipped, plain); !reflect.DeepEqual(got, want) {
			t.Errorf("text has changed a decision:\n%+v\n%+v", got, want)
		}
		checkHeld(t, set, in)
		checkWritten(t, d)
	})
}

// checkHeld holds that each guard holds whatever the alert says.
func checkHeld(t *testing.T, set *RuleSet, in Input) {
	t.Helper()
	for name, hold := range map[string]func(*Input){
		"observe-only": func(in *Input) { in.State.ObserveOnly = true },
		"mode":         func(in *Input) { in.State.Armed = nil },
		"halt":         func(in *Input) { in.State.Halted = true },
		"foreign":      func(in *Input) { in.State.Cluster = "" },
		"stale":        func(in *Input) { in.Now = in.Now.Add(24 * time.Hour) },
		"budget":       func(in *Input) { in.State.SealBudget = 0 },
	} {
		held := in
		hold(&held)
		if d := Decide(set, held); d.Action > Notify {
			t.Errorf("%s does not hold: %+v", name, d)
		}
	}
}

// checkWritten holds that a decision is the same when it is read back from the store.
func checkWritten(t *testing.T, d Decision) {
	t.Helper()
	text, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	var again Decision
	if err := json.Unmarshal(text, &again); err != nil || !reflect.DeepEqual(d, again) {
		t.Errorf("read back, %v: %+v\nwas %+v", err, again, d)
	}
}
