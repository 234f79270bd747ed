package event

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"custom-vault/internal/alert"
	"custom-vault/internal/escalation"
	"custom-vault/internal/identity"
)

func bobsAlert() (escalation.Input, escalation.Decision) {
	in := escalation.Input{
		Alert: &alert.Alert{
			ID: "1.2", Node: "m1", Rule: alert.Rule{ID: "100617", Level: 14, Description: "ten reads"},
			Agent: alert.Agent{ID: "001", Name: "vault-1"}, Kind: alert.KindAudit,
			Record: &alert.Record{
				Type: "response", RequestID: "r1", Operation: "read", Path: "secret/data/x", RemoteAddress: "10.0.0.7",
				HasAuth: true, Time: time.Date(2026, 11, 24, 14, 0, 0, 0, time.UTC),
			},
		},
		Identity: identity.Identity{
			Rung: identity.RungAccessor, Confidence: identity.Confirmed, Accessor: "abc",
			Token:    identity.Token{State: identity.StateLive, Metadata: map[string]string{"username": "bob"}},
			Entity:   &identity.Entity{ID: "e-1", Name: "bob", Aliases: []identity.Alias{{Name: "bob", MountType: "userpass"}}},
			Policies: identity.Policies{All: []string{"default", "limited-user"}},
		},
		State: escalation.State{Cluster: "prod"},
	}
	return in, escalation.Decision{Action: escalation.Notify, Wanted: escalation.Seal, Rule: "article-exfiltration",
		Held: []escalation.Held{{Guard: "mode", Reason: "seal is not armed"}}}
}

func TestEnrichedEventSaysWhoDidWhatAndWhatFollows(t *testing.T) {
	in, decision := bobsAlert()
	body, err := Enriched(in, decision, "inc-1").Encode()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(body, []byte(`{"integration":"custom-vault","custom_vault":{"v":1,"event":"enriched","event_id":"`)) {
		t.Errorf("begins with %.100s", body)
	}
	for path, want := range map[string]string{
		"alert_id": "1.2", "agent.id": "001", "cluster": "prod", "incident": "inc-1",
		"actor.name": "bob", "actor.entity.id": "e-1", "actor.accessor": "abc", "actor.rung": "accessor",
		"actor.entity.aliases.0": "bob (userpass)", "actor.policies.all.1": "limited-user",
		"actor.token.metadata.0": "username=bob", "request.path": "secret/data/x", "request.outcome": "done",
		"decision.action": "notify", "decision.wanted": "seal", "decision.held.0": "mode: seal is not armed",
		"sentence": "bob read secret/data/x from 10.0.0.7. Would seal by rule article-exfiltration, held back by mode.",
	} {
		if got := gjson.GetBytes(body, "custom_vault."+path).String(); got != want {
			t.Errorf("%s = %q, want %q", path, got, want)
		}
	}
}

func TestTheSentenceOfALoginSaysHowItWent(t *testing.T) {
	for want, record := range map[string]alert.Record{
		"bob asked to log in at auth/userpass/login/bob. Decided: record.":  {Type: "request"},
		"bob logged in at auth/userpass/login/bob. Decided: record.":        {Type: "response"},
		"bob failed to log in at auth/userpass/login/bob. Decided: record.": {Type: "response", Error: "invalid credentials"},
	} {
		in, _ := bobsAlert()
		record.Operation, record.Path = "update", "auth/userpass/login/bob"
		record.MountClass, record.MountType, record.MountPoint = "auth", "userpass", "auth/userpass/"
		in.Alert.Record = &record
		if got := sentenceOf(in, escalation.Decision{Action: escalation.Record}); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestTheSentenceOfAnOperationalLineEndsOnce(t *testing.T) {
	in, _ := bobsAlert()
	in.Alert.Record, in.Alert.Rule.Description = nil, "[Vault operational] Critical: Vault has been sealed."
	want := "[Vault operational] Critical: Vault has been sealed. Decided: notify."
	if got := sentenceOf(in, escalation.Decision{Action: escalation.Notify}); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestTheSameCauseHasTheSameID(t *testing.T) {
	in, decision := bobsAlert()
	if Enriched(in, decision, "").ID != Enriched(in, escalation.Decision{}, "other").ID {
		t.Error("two events about one alert have two ids")
	}
	if IDOf(KindEnriched, "a", "b") == IDOf(KindEnriched, "a\x00b") {
		t.Log("parts are joined by NUL, which no part can hold")
	}
	if IDOf(KindEnriched, "a") == IDOf(KindResponse, "a") {
		t.Error("two kinds have the same id")
	}
}

func TestTooLongAnEventIsShortenedByWholeFieldsAndSaysSo(t *testing.T) {
	in, decision := bobsAlert()
	long := make([]string, 64)
	for i := range long {
		long[i] = fmt.Sprintf("%02d%s", i, strings.Repeat("\x01", 254)) // each byte becomes six in JSON
	}
	in.Identity.Policies = identity.Policies{All: long, Token: long, Identity: long}
	body, err := Enriched(in, decision, "").Encode()
	if err != nil {
		t.Fatal(err)
	}
	if len(body) > MaxBody || !json.Valid(body) {
		t.Fatalf("%d bytes, valid %v", len(body), json.Valid(body))
	}
	if got := gjson.GetBytes(body, "custom_vault.shortened").String(); !strings.Contains(got, "actor.policies.token") {
		t.Errorf("shortened says %s", got)
	}
	if gjson.GetBytes(body, "custom_vault.sentence").String() == "" || gjson.GetBytes(body, "custom_vault.actor.accessor").String() != "abc" {
		t.Error("what matters most was left out")
	}
}

// An event has at most 200 leaves, an array being one; analysisd keeps 256.
func TestAnEventHasFewLeaves(t *testing.T) {
	e := filled()
	body, err := e.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if n := leaves(gjson.ParseBytes(body)); n > 200 {
		t.Errorf("%d leaves", n)
	}
}

// filled has every part of an event.
func filled() Event {
	in, decision := bobsAlert()
	e := Enriched(in, decision, "inc")
	e.Response = &Response{Plan: "p", Action: "seal", State: "sealed", Nodes: []string{"a: sealed"}}
	e.Gap = &Gap{Source: "alerts", Reason: "gone"}
	return e
}

func TestAValueThatWouldBecomeAnArrayKeepsItsType(t *testing.T) {
	in, decision := bobsAlert()
	in.Alert.Record.Path = `["x"]`
	body, err := Enriched(in, decision, "").Encode()
	if err != nil {
		t.Fatal(err)
	}
	if got := gjson.GetBytes(body, "custom_vault.request.path").String(); got != ` ["x"]` {
		t.Errorf("path %q", got)
	}
}

func TestTheSentenceShowsWhatHidesItself(t *testing.T) {
	in, decision := bobsAlert()
	in.Alert.Record.Path = "a\x1b[2Jb\u202ec\nd"
	got := Enriched(in, decision, "").Sentence
	if strings.ContainsAny(got, "\x1b\u202e\n") || !strings.Contains(got, `a\x1b[2Jb\u202ec\nd`) {
		t.Errorf("%q", got)
	}
}
