package pipeline

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"custom-vault/internal/alert"
	"custom-vault/internal/config"
	"custom-vault/internal/escalation"
	"custom-vault/internal/event"
	"custom-vault/internal/publish"
)

// FuzzLine: whatever line a source gives, it is told of under exactly one outcome, and an alert that goes through all
// stages leads to an event that the socket takes whole, to a row that can be kept, and to a response only where the
// alert is what the armed rules and the guards say.
func FuzzLine(f *testing.F) {
	f.Add([]byte(lineOf("1", "100617", 14, "acc")))
	f.Add([]byte(echoOf("e")))
	f.Add([]byte(strings.Replace(lineOf("2", "100618", 14, "acc"), `"id":"001"`, `"id":["001"]`, 1)))
	f.Add([]byte(strings.Replace(lineOf("3", "100605", 12, "acc"), `"name":"vault-1"`, `"name":"x) any->y:\u0000"`, 1)))
	f.Add([]byte(`{"rule":{"groups":["vault"]}}`))
	world := newWorld(f, func(cfg *config.Config) { cfg.Publish.What = "all" })
	f.Fuzz(func(t *testing.T, text []byte) {
		told := new(witness)
		world.seen = told
		result, err := world.Try(t.Context(), []Line{{Source: "alerts", Text: text}})
		if err != nil {
			t.Fatal(err)
		}
		outcomes := told.times["alerts passed"] + told.times["alerts arrived first=true"]
		for _, reason := range alert.Refusals() {
			outcomes += told.times["alerts refused "+string(reason)]
		}
		if outcomes != 1 || told.times["alerts refused other"] != 0 {
			t.Errorf("told %v", told.times)
		}
		for _, d := range result.Decided {
			checkDecided(t, d)
		}
		if len(result.Decided)+told.times["judged echo"]+told.times["judged lookup"] != told.times["alerts arrived first=true"] {
			t.Errorf("%d decided; told %v", len(result.Decided), told.times)
		}
	})
}

func checkDecided(t *testing.T, d Decided) {
	t.Helper()
	if d.Event == nil {
		t.Fatalf("nothing is told of %+v", d.Alert)
	}
	body, err := d.Event.Encode()
	if err != nil || len(body) > event.MaxBody || !json.Valid(body) {
		t.Fatalf("an event of %d bytes: %v", len(body), err)
	}
	agent := publish.AgentRef{ID: d.Event.Agent.ID, Name: d.Event.Agent.Name, IP: d.Event.Agent.IP}
	if frame, err := publish.Frame(agent, body, publish.Escaped); err != nil && !errors.Is(err, publish.ErrAgentID) || len(frame) > publish.MaxFrame {
		t.Errorf("a frame of %d bytes: %v", len(frame), err)
	}
	if _, err := d.row(); err != nil {
		t.Errorf("no row: %v", err)
	}
	if sealed := d.Decision.Action > escalation.Notify; sealed && (d.Alert.Agent.ID != "001" || d.Alert.Rule.ID != "100617" && d.Alert.Rule.ID != "100618" || d.Verdict != "foreign") {
		t.Errorf("sealed for %+v of %+v", d.Decision, d.Alert)
	}
	if _, acts, err := d.intent(recordedAt); err != nil || acts != (d.Decision.Action > escalation.Notify) {
		t.Errorf("the intent: %t, %v", acts, err)
	}
}
