package event

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/tidwall/gjson"

	"custom-vault/internal/alert"
	"custom-vault/internal/escalation"
	"custom-vault/internal/identity"
)

// maxLeaves is what the schema promises; analysisd keeps 256 fields, an array being one.
const maxLeaves = 200

// FuzzEncode: whatever stands in an alert and in Vault's answers, the event is in bounds and of the documented shape.
func FuzzEncode(f *testing.F) {
	f.Add("secret/data/x", "bob", "1.2", "agent", true)
	f.Add("[1]", "\x00\xff", strings.Repeat("\\\"", 3000), "\u2028", false)
	f.Add(strings.Repeat("\x01", 5000), strings.Repeat("\x00", 5000), strings.Repeat("\xff", 5000), "[", true)
	f.Fuzz(func(t *testing.T, path, name, id, agent string, many bool) {
		in, decision := bobsAlert()
		a := in.Alert
		a.ID, a.Node, a.Agent, a.Rule = id, name, alert.Agent{ID: agent, Name: name, IP: path}, alert.Rule{ID: id, Level: 14, Description: path}
		r := a.Record
		r.Path, r.Operation, r.RequestID, r.RemoteAddress, r.UserAgent, r.Error = path, name, id, agent, path+name, id
		who := &in.Identity
		who.Accessor, who.AccessorHash = id, agent
		who.Token.DisplayName, who.Token.Path, who.Token.Type = name, path, id
		who.Token.Metadata = map[string]string{name: path, path: name}
		who.Entity = &identity.Entity{ID: id, Name: name, Metadata: map[string]string{agent: path}, Aliases: []identity.Alias{{Name: name, MountType: path}}}
		who.Reach = &identity.Reach{Powers: []string{name, path}}
		if many {
			who.Policies.All = slices.Repeat([]string{name + path}, 70)
			who.Policies.Token, who.Policies.Identity, who.Reach.Powers = who.Policies.All, who.Policies.All, who.Policies.All
			who.Entity.DirectGroups = slices.Repeat([]identity.Group{{ID: id, Name: path + name}}, 70)
		}
		decision.Held = []escalation.Held{{Guard: "foreign-agent", Reason: agent}}
		for _, e := range []Event{Enriched(in, decision, name), Late(in, decision, name), Intruder(a)} {
			checkEvent(t, e)
		}
	})
}

// FuzzOwn does the same for events about gaps, whose file names come from the disk, and about responses.
func FuzzOwn(f *testing.F) {
	f.Add("2026/Nov/ossec-alerts-24.json", "gone", int64(-1))
	f.Add("[\x00\xff", "\x1b[2J", int64(1)<<62)
	f.Fuzz(func(t *testing.T, text, other string, size int64) {
		checkEvent(t, Lost(Gap{Source: "alerts", File: text, Reason: other, Bytes: size}, text))
		checkEvent(t, Event{
			V: Version, Kind: KindResponse, ID: IDOf(KindResponse, text), Sentence: Visible(text),
			Response: &Response{Plan: text, Action: "seal", State: other, Nodes: slices.Repeat([]string{text, other}, 60), Detail: other, TookMS: size, Ordered: text},
		})
	})
}

// checkEvent holds an event to all that its package promises.
func checkEvent(t *testing.T, e Event) {
	t.Helper()
	body, err := e.Encode()
	if err != nil {
		t.Fatal(err)
	}
	switch {
	case len(body) > MaxBody:
		t.Errorf("%d bytes", len(body))
	case !json.Valid(body) || !utf8.Valid(body):
		t.Errorf("not valid: %.200q", body)
	case bytes.ContainsFunc(body, func(r rune) bool { return r < ' ' }) || bytes.Contains(body, []byte(`\u0000`)):
		t.Errorf("ends early: %.200q", body)
	case !bytes.HasPrefix(body, []byte(`{"integration":"custom-vault"`)):
		t.Errorf("another prefix: %.100q", body)
	case strings.IndexFunc(e.Sentence, hidden) >= 0:
		t.Errorf("something in the sentence does not show itself: %q", e.Sentence)
	}
	if n := leaves(gjson.ParseBytes(body)); n > maxLeaves {
		t.Errorf("%d leaves", n)
	}
	var decoded any
	if err := json.Unmarshal(body, &decoded); err != nil {
		t.Fatal(err)
	}
	checkShape(t, "", decoded, reflect.TypeFor[envelope]())
	var again envelope
	if err := json.Unmarshal(body, &again); err != nil {
		t.Fatal(err)
	}
	if same, err := again.Event.Encode(); err != nil || !bytes.Equal(same, body) {
		t.Errorf("read and encoded again, %v:\n%.500s\nwas\n%.500s", err, same, body)
	}
}

// checkShape holds a decoded value to its documented fields: only these, each of its one JSON type.
func checkShape(t *testing.T, name string, value any, want reflect.Type) {
	t.Helper()
	for want.Kind() == reflect.Pointer {
		want = want.Elem()
	}
	ok := false
	switch want.Kind() {
	case reflect.Struct:
		var object map[string]any
		object, ok = value.(map[string]any)
		for key, item := range object {
			field, documented := fieldOf(want, key)
			if !documented {
				t.Errorf("%s.%s is not documented", name, key)
				continue
			}
			checkShape(t, name+"."+key, item, field)
		}
	case reflect.Slice:
		var list []any
		list, ok = value.([]any)
		for _, item := range list {
			checkShape(t, name, item, want.Elem())
		}
	case reflect.String:
		var s string
		s, ok = value.(string)
		// Within an array nothing is decoded once more.
		if strings.HasPrefix(s, "[") || len(s) > maxText {
			t.Errorf("%s would become an array, or is too long: %.100q", name, s)
		}
	case reflect.Bool:
		_, ok = value.(bool)
	case reflect.Int, reflect.Int64:
		_, ok = value.(float64)
	}
	if !ok {
		t.Errorf("%s is %T, documented as %s", name, value, want)
	}
}

func fieldOf(object reflect.Type, key string) (reflect.Type, bool) {
	for i := range object.NumField() {
		if name, _, _ := strings.Cut(object.Field(i).Tag.Get("json"), ","); name == key {
			return object.Field(i).Type, true
		}
	}
	return nil, false
}

func leaves(v gjson.Result) int {
	if !v.IsObject() {
		return 1
	}
	n := 0
	v.ForEach(func(_, item gjson.Result) bool { n += leaves(item); return true })
	return n
}
