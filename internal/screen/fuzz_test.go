package screen

import (
	"encoding/json"
	"testing"

	"custom-vault/internal/alert"
)

// FuzzJudge: whatever an alert says, only an id that Vault gave us makes a request ours, only our accessor or our entity
// makes it our token's, and nothing but its kind makes it an event of ours.
func FuzzJudge(f *testing.F) {
	f.Add("our-accessor", "", "r1", "token-wazuh", "custom-vault/1.0", "response", false)
	f.Add("other", "our-entity", "r2", "token-wazuh", "", "request", false)
	f.Add("x", "", "r1", "our-accessor", "our-entity", "response", false)
	f.Add(`["our-accessor"]`, "our-entity\x00", "r1 ", "", "", "", true)
	f.Fuzz(func(t *testing.T, accessor, entity, id, name, agent, kind string, own bool) {
		record := map[string]any{
			"type": kind, "auth": map[string]any{"accessor": accessor, "entity_id": entity, "display_name": name, "policies": []string{"p"}},
			"request": map[string]any{"id": id, "path": name, "headers": map[string]any{"user-agent": []string{agent}}},
		}
		data := map[string]any{"custom_vault": map[string]any{"event_id": id}}
		if own {
			data["integration"] = "custom-vault"
		}
		full, err := json.Marshal(record)
		if err != nil {
			t.Fatal(err)
		}
		line, err := json.Marshal(map[string]any{
			"rule": map[string]any{"groups": []string{"vault"}}, "decoder": map[string]any{"name": "vault-audit"}, "full_log": string(full), "data": data,
		})
		if err != nil {
			t.Fatal(err)
		}
		a, err := alert.Parse(line)
		if err != nil {
			t.Fatal(err)
		}
		s := New(self, []string{"r1"})
		s.Own("r2", now)
		var want Verdict
		switch {
		case own:
			want = Echo
		case a.Record.Actor().Accessor != "our-accessor" && a.Record.Actor().EntityID != "our-entity":
			want = Foreign
		case a.Record.RequestID == "r1" || a.Record.RequestID == "r2":
			want = Lookup
		default:
			want = Suspect
		}
		if got := s.Judge(a, now); got != want || (got == Suspect) != (s.Waiting() == 1) {
			t.Errorf("%s, want %s; %d wait", got, want, s.Waiting())
		}
	})
}
