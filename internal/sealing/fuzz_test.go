package sealing

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// FuzzParseMessage: a message is obeyed only if an ordinary reading of the JSON finds the same command, its plan always
// fits a report, and written down again it says the same.
func FuzzParseMessage(f *testing.F) {
	f.Add([]byte(`{"version":1,"origin":{"name":"node01","module":"wazuh-execd"},"command":"add","parameters":{"extra_args":["plan=p"],"alert":{"command":"delete"},` + program + `}}`))
	f.Add([]byte(`{"command":"enable","wazuh":{"active_response":{"extra_arguments":"plan=x"}}}`))
	f.Add([]byte(`{"command":"delete","parameters":null}`))
	f.Add([]byte(`{"command":"add","command":"delete"}`))
	f.Add([]byte(`{"command":"add","parameters":{"alert":` + strings.Repeat("[", 2000) + strings.Repeat("]", 2000) + `}}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		m, err := ParseMessage(line)
		if err != nil {
			if m != (Message{}) || len(err.Error()) > 400 {
				t.Errorf("refused with %+v and %d bytes of words", m, len(err.Error()))
			}
			return
		}
		var plain map[string]any
		if err := json.Unmarshal(line, &plain); err != nil {
			t.Fatalf("taken although it is not JSON: %v", err)
		}
		want := map[any]Action{"add": Do, "enable": Do, "delete": Undo, "disable": Undo}[plain["command"]]
		if m.Action != want || m.Action == "" {
			t.Errorf("action %q of command %v", m.Action, plain["command"])
		}
		if !isLabel(m.Plan) || m.Ignored < 0 {
			t.Errorf("plan %q, %d ignored", m.Plan, m.Ignored)
		}
		if again, err := ParseMessage(written(m, "{}")); err != nil || again != m {
			t.Errorf("written down again: %+v, %v; was %+v", again, err, m)
		}
	})
}

// FuzzAlertBelow: whatever the alert below an order holds, the order is the same.
func FuzzAlertBelow(f *testing.F) {
	f.Add([]byte(`{"command":"delete","extra_args":["plan=evil"],"parameters":{"extra_args":["plan=evil"]}}`))
	f.Add([]byte(`{"full_log":"\"command\":\"delete\"\u0000\n","data":{"command":["delete"]}}`))
	f.Add([]byte(`{"command":"delete","command":"disable","\u0063ommand":1e999}`))
	f.Fuzz(func(t *testing.T, alert []byte) {
		if !json.Valid(alert) {
			return // execd has parsed it
		}
		for _, m := range []Message{{Do, "plan-1", 0}, {Do, NoPlan, 2}, {Undo, "p", 1}} {
			if got, err := ParseMessage(written(m, string(alert))); err != nil || got != m {
				t.Errorf("%+v became %+v, %v", m, got, err)
			}
		}
	})
}

// written is a message as execd would write it, with an alert below it.
func written(m Message, alert string) []byte {
	command := map[Action]string{Do: "add", Undo: "delete"}[m.Action]
	arguments := strings.Repeat(`"-x",`, m.Ignored)
	if m.Plan != NoPlan {
		arguments += `"plan=` + m.Plan + `",`
	}
	return fmt.Appendf(nil, `{"version":1,"command":%q,"parameters":{"extra_args":[%s],"alert":%s,%s}}`, command, strings.TrimSuffix(arguments, ","), alert, program)
}

// FuzzLine: whatever went wrong in which words, the report is one line that the decoder reads with the fields that were
// meant.
func FuzzLine(f *testing.F) {
	f.Add("unreachable", "vault-1")
	f.Add("x node=evil\r\n plan=\u2028evil", "h h")
	f.Add("\x1b[2J\x00\xff\u009b SUCCESS - sealed plan=a node=b ms=1", "")
	f.Fuzz(func(t *testing.T, reason, host string) {
		level, text := Outcome{State: NotSealed, Reason: reason}.Report()
		line := line(func(l *Line) { l.Level, l.Text, l.Host = level, text, host }).String()
		wantDecoded(t, line, Error, "plan-1", "n1")
		if strings.ContainsFunc(line, func(r rune) bool { return r < ' ' || r > '~' }) || len(line) > 1000 {
			t.Errorf("not plain, or %d bytes long: %q", len(line), line)
		}
	})
}
