package publish

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestFrame(t *testing.T) {
	t.Parallel()
	const body = `{"integration":"custom-vault"}`
	for _, tc := range []struct {
		agent   AgentRef
		dialect Dialect
		want    string
	}{
		{AgentRef{ID: "001", Name: "vault-1", IP: "any"}, Escaped, "1:[001] (vault-1) any->custom-vault:"},
		{AgentRef{ID: "001", Name: "vault-1", IP: "10.0.0.7"}, Escaped, "1:[001] (vault-1) 10.0.0.7->custom-vault:"},
		{AgentRef{ID: "001", Name: "vault-1", IP: "10.0.0.7"}, Plain, "1:[001] (vault-1) 10.0.0.7->custom-vault:"},
		{AgentRef{ID: "001", Name: "vault-1", IP: "fe80::1"}, Escaped, "1:[001] (vault-1) fe80|:|:1->custom-vault:"},
		{AgentRef{ID: "001", Name: "vault-1", IP: "fe80::1"}, Plain, "1:[001] (vault-1) any->custom-vault:"},
		{AgentRef{ID: "001", Name: "a:b|c", IP: "any"}, Escaped, "1:[001] (a|:b||c) any->custom-vault:"},
		{AgentRef{ID: "001", Name: "a:b|c", IP: "any"}, Plain, "1:[001] (a_b|c) any->custom-vault:"},
		{AgentRef{ID: "1024", Name: "näme with space"}, Escaped, "1:[1024] (näme with space) any->custom-vault:"},
		{AgentRef{}, Escaped, "1:custom-vault:"},
		{AgentRef{ID: "000", Name: "wazuh-manager", IP: "127.0.0.1"}, Escaped, "1:custom-vault:"},
		{AgentRef{ID: "001"}, Escaped, "1:[001] (_) any->custom-vault:"},
		// Names and addresses that try to become another agent, another location or another event.
		{AgentRef{ID: "001", Name: "x) any->/var/log/auth.log:"}, Escaped, "1:[001] (x_ any-_/var/log/auth.log|:) any->custom-vault:"},
		{AgentRef{ID: "001", Name: "x] (y"}, Escaped, "1:[001] (x_ _y) any->custom-vault:"},
		{AgentRef{ID: "001", Name: "x\n1:[002] (y\x00"}, Escaped, "1:[001] (x_1|:_002_ _y_) any->custom-vault:"},
		{AgentRef{ID: "001", Name: "\xff\u202e"}, Escaped, "1:[001] (__) any->custom-vault:"},
		{AgentRef{ID: "001", Name: strings.Repeat("é", 100)}, Escaped, "1:[001] (" + strings.Repeat("é", 64) + ") any->custom-vault:"},
		{AgentRef{ID: "001", Name: "v", IP: "fe80::1%x->y:"}, Escaped, "1:[001] (v) any->custom-vault:"},
		{AgentRef{ID: "001", Name: "v", IP: "10.0.0.7->x:"}, Escaped, "1:[001] (v) any->custom-vault:"},
	} {
		got, err := Frame(tc.agent, []byte(body), tc.dialect)
		if err != nil || string(got) != tc.want+body {
			t.Errorf("%+v:\n got %q, %v\nwant %q", tc.agent, got, err, tc.want+body)
		}
	}
}

func TestFrameRefuses(t *testing.T) {
	t.Parallel()
	long := func(n int) string { return `{"a":"` + strings.Repeat("x", n-len(`{"a":""}`)) + `"}` }
	head := len("1:[001] (v) any->custom-vault:")
	for name, tc := range map[string]struct {
		id, body string
		want     error
	}{
		"fits exactly":     {"001", long(MaxFrame - head), nil},
		"one too long":     {"001", long(MaxFrame - head + 1), ErrTooLong},
		"body alone":       {"000", long(MaxFrame + 1), ErrTooLong},
		"empty":            {"001", ``, ErrBody},
		"empty object":     {"001", `{}`, ErrBody}, // the json decoder wants a quote behind the brace
		"space before":     {"001", ` {"a":1}`, ErrBody},
		"space in between": {"001", `{ "a":1}`, ErrBody},
		"array":            {"001", `["a"]`, ErrBody},
		"cut":              {"001", `{"a":1`, ErrBody},
		"trailing":         {"001", `{"a":1}{`, ErrBody},
		"bad UTF-8":        {"001", "{\"a\":\"\xff\"}", ErrBody},
		"newline":          {"001", "{\"a\":\n1}", ErrBody},
		"newline behind":   {"001", "{\"a\":1}\n", ErrBody},
		"NUL":              {"001", "{\"a\":1}\x00", ErrBody},
		"id of letters":    {"abc", `{"a":1}`, ErrAgentID},
		"id breaks out":    {"001] (x", `{"a":1}`, ErrAgentID},
		"short id":         {"1", `{"a":1}`, ErrAgentID},
		"long id":          {"1234567890", `{"a":1}`, ErrAgentID},
	} {
		frame, err := Frame(AgentRef{ID: tc.id, Name: "v"}, []byte(tc.body), Escaped)
		if !errors.Is(err, tc.want) || (err == nil) != (frame != nil) || len(frame) > MaxFrame {
			t.Errorf("%s: %d bytes, %v; want %v", name, len(frame), err, tc.want)
		}
	}
}

func TestABodyWithinTheBoundAlwaysFits(t *testing.T) {
	t.Parallel()
	body := []byte(`{"a":"` + strings.Repeat("x", MaxFrame-MaxHeader-len(`{"a":""}`)) + `"}`)
	for _, ip := range []string{"1111:2222:3333:4444:5555:6666:7777:8888", "::ffff:255.255.255.255"} {
		frame, err := Frame(AgentRef{ID: "999999999", Name: strings.Repeat(":", 200), IP: ip}, body, Escaped)
		if err != nil {
			t.Errorf("%s: %v", ip, err)
		}
		if len(frame)-len(body) > MaxHeader {
			t.Errorf("%s: a header of %d bytes", ip, len(frame)-len(body))
		}
	}
}

func TestDialectOf(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]Dialect{
		"4.3.0": Plain, "v4.3.11": Plain, "Wazuh v4.3.11": Plain, "4.2.7": Plain,
		"4.4.0": Escaped, "Wazuh v4.14.4": Escaped, "4.10": Escaped, "4.30.0": Escaped, "5.0.0": Escaped,
		"": Escaped, "unknown": Escaped, "4": Escaped, "a.b": Escaped,
	} {
		if got := DialectOf(version); got != want {
			t.Errorf("DialectOf(%q) = %v, want %v", version, got, want)
		}
	}
}

// FuzzFrame: whatever an agent is called, analysisd hears the agent, the location and the event that were meant.
func FuzzFrame(f *testing.F) {
	f.Add("001", "vault-1", "any", `{"a":1}`)
	f.Add("001", "x) any->/x:", "fe80::1%:->", `{"a":"\u0000|:"}`)
	f.Add("000", "[002] (y)", "", `{"}`)
	f.Add("1024", "|", "::1", "")
	f.Add("001\n", "\x00", "10.0.0.1:", `{"a":1} `)
	f.Fuzz(func(t *testing.T, id, name, ip, text string) {
		quoted, err := json.Marshal(map[string]string{"k": text})
		if err != nil {
			t.Fatal(err)
		}
		for _, body := range [][]byte{quoted, []byte(text)} {
			for _, dialect := range []Dialect{Escaped, Plain} {
				checkFrame(t, AgentRef{ID: id, Name: name, IP: ip}, body, dialect)
			}
		}
	})
}

func checkFrame(t *testing.T, agent AgentRef, body []byte, dialect Dialect) {
	frame, err := Frame(agent, body, dialect)
	if err != nil {
		if frame != nil || !errors.Is(err, ErrTooLong) && !errors.Is(err, ErrBody) && !errors.Is(err, ErrAgentID) {
			t.Fatalf("frame %q with error %v", frame, err)
		}
		return
	}
	if len(frame) > MaxFrame || !utf8.Valid(frame) || bytes.ContainsAny(frame, "\x00\n\r") {
		t.Fatalf("frame of %d bytes: %q", len(frame), frame)
	}
	h, ok := hear(string(frame), dialect)
	if !ok || h.location != Location || h.log != string(body) || !json.Valid([]byte(h.log)) {
		t.Fatalf("%q is heard as %+v, %v", frame, h, ok)
	}
	wantID := agent.ID
	if wantID == "" {
		wantID = "000"
	}
	if h.id != wantID {
		t.Fatalf("%q is heard from agent %q", frame, h.id)
	}
	if wantID == "000" {
		return
	}
	if plainName(agent.Name) && h.name != agent.Name {
		t.Fatalf("agent %q is heard as %q", agent.Name, h.name)
	}
	if h.name == "" || strings.ContainsAny(h.name, "()[]<>") {
		t.Fatalf("%q is heard from the name %q", frame, h.name)
	}
}

// plainName says whether a name is one that authd gives.
func plainName(name string) bool {
	return name != "" && len(name) <= maxNameBytes && strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") == ""
}
