package wazuhapi

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

func TestAgentIDsRefusesWhatWouldReachTheWrongAgents(t *testing.T) {
	t.Parallel()
	many := make([]string, MaxAgents+1)
	for i := range many {
		many[i] = "1" + strings.Repeat("0", 3)
	}
	for name, ids := range map[string][]string{
		"none":             {},
		"manager":          {"000"},
		"manager too":      {"001", "000"},
		"longer manager":   {"0000"},
		"all":              {"all"},
		"empty id":         {""},
		"two in one":       {"001,002"},
		"short":            {"1"},
		"padded":           {"0001"},
		"letters":          {"00a"},
		"other digits":     {"٠٠١"},
		"injected":         {"001&pretty=true"},
		"newline":          {"001\n"},
		"twice":            {"001", "002", "001"},
		"absurdly long":    {"1234567890"},
		"more than enough": many,
	} {
		if got, err := NewAgentIDs(ids...); err == nil || got.Len() != 0 {
			t.Errorf("%s: NewAgentIDs(%.3q) = %v, %v; want an error", name, ids, got, err)
		}
	}
	if _, err := NewAgentIDs(); !errors.Is(err, ErrNoAgents) {
		t.Errorf("an empty list: %v, want ErrNoAgents", err)
	}
	a := agents(t, "001", "1024")
	if a.String() != "001,1024" || a.Len() != 2 {
		t.Errorf("got %q of %d", a.String(), a.Len())
	}
	a.All()[0] = "002"
	if a.String() != "001,1024" {
		t.Error("All gives away the list itself")
	}
}

func TestOrderIsCheckedBeforeItLeaves(t *testing.T) {
	t.Parallel()
	deep := json.RawMessage(`{"a":` + strings.Repeat("[", MaxAlertDepth) + strings.Repeat("]", MaxAlertDepth) + `}`)
	for name, tc := range map[string]struct {
		order Order
		want  string
	}{
		"empty command":    {Order{}, "empty"},
		"only the mark":    {Order{Command: "!"}, "empty"},
		"space":            {Order{Command: "!vault seal"}, "character"},
		"second mark":      {Order{Command: "!!vault-seal"}, "character"},
		"other letters":    {Order{Command: "!sceau-é"}, "character"},
		"parent folder":    {Order{Command: "!../../bin/sh"}, ".."},
		"newline":          {Order{Command: "!vault-seal\n"}, "character"},
		"long command":     {Order{Command: "!" + strings.Repeat("a", MaxCommandBytes)}, "bytes"},
		"newline argument": {Order{Command: "!x", Arguments: []string{"a\nb"}}, "control"},
		"NUL argument":     {Order{Command: "!x", Arguments: []string{"a\x00"}}, "control"},
		"bad UTF-8":        {Order{Command: "!x", Arguments: []string{"\xff"}}, "UTF-8"},
		"many arguments":   {Order{Command: "!x", Arguments: make([]string, MaxArguments+1)}, "arguments"},
		"long argument":    {Order{Command: "!x", Arguments: []string{strings.Repeat("a", MaxMessageBytes)}}, "bytes"},
		"alert not JSON":   {Order{Command: "!x", Alert: json.RawMessage(`{`)}, "JSON"},
		"alert no object":  {Order{Command: "!x", Alert: json.RawMessage(`[1]`)}, "object"},
		"alert not UTF-8":  {Order{Command: "!x", Alert: json.RawMessage("{\"a\":\"\xff\"}")}, "UTF-8"},
		"alert too deep":   {Order{Command: "!x", Alert: deep}, "nested"},
		"alert too large":  {Order{Command: "!x", Alert: json.RawMessage(`{"a":"` + strings.Repeat("a", MaxMessageBytes) + `"}`)}, "bytes"},
		// 15,000 characters of two bytes each: 30 kB here, 90 kB once Python has escaped them.
		"grows on the way": {Order{Command: "!x", Arguments: []string{strings.Repeat("é", 15_000)}}, "bytes"},
	} {
		body, err := tc.order.body()
		if err == nil || !errors.Is(err, ErrOrder) || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: body %.60q, error %v; want ErrOrder about %q", name, body, err, tc.want)
		}
	}
}

func TestOrderBody(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		order Order
		want  string
	}{
		{Order{Command: "!vault-seal"}, `{"command":"!vault-seal"}`},
		{Order{Command: "vault-seal0", Alert: json.RawMessage(` { "data" : {} } `)}, `{"command":"vault-seal0","alert":{"data":{}}}`},
		{Order{Command: `!sub\dir/x.y:z_1`, Arguments: []string{"<a>&", "é", ""}}, `{"command":"!sub\\dir/x.y:z_1","arguments":["<a>&","é",""]}`},
	} {
		body, err := tc.order.body()
		if err != nil || string(body) != tc.want {
			t.Errorf("body of %+v: %s, %v; want %s", tc.order, body, err, tc.want)
		}
	}
}

func TestAgentBytesIsWhatPythonWrites(t *testing.T) {
	t.Parallel()
	// Python 3.11: len(json.dumps({"a": ["é", "😀", "x"], "b": 1})), counted by hand below.
	in, python := `{"a":["é","😀","x"],"b":1}`, `{"a": ["\u00e9", "\ud83d\ude00", "x"], "b": 1}`
	if got := agentBytes([]byte(in)); got != len(python) {
		t.Errorf("agentBytes = %d, Python writes %d", got, len(python))
	}
}
