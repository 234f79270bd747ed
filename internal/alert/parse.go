package alert

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tidwall/gjson"
)

// Reasons why a line is refused. Each is counted under its own text.
var (
	ErrTooLong  = errors.New("alert line is too long")
	ErrTooDeep  = errors.New("alert nests too deep")
	ErrNotJSON  = errors.New("alert line is not a JSON object")
	ErrNoRule   = errors.New("alert has no rule")
	ErrNotVault = errors.New("alert is in none of our groups")
)

// MayConcern is a cheap test that every line of ours passes and nearly every other line fails.
func MayConcern(line []byte) bool { return bytes.Contains(line, []byte(`"vault`)) }

// timeLayout is analysisd's form (format/to_json.c); it writes local time with its offset.
const timeLayout = "2006-01-02T15:04:05.000-0700"

// Parse reads a line of alerts.json, with or without its newline. Its errors wrap one of the reasons above.
func Parse(line []byte) (*Alert, error) {
	line = bytes.TrimSuffix(line, []byte("\n"))
	switch {
	case len(line) > MaxLine:
		return nil, fmt.Errorf("%w: %d bytes, at most %d", ErrTooLong, len(line), MaxLine)
	case tooDeep(line, maxDepth):
		return nil, ErrTooDeep
	case len(line) == 0 || line[0] != '{' || !gjson.ValidBytes(line):
		return nil, ErrNotJSON
	}
	a, err := read(gjson.ParseBytes(line))
	if err != nil {
		return nil, err
	}
	a.Key = KeyOf(line)
	return a, nil
}

func read(doc gjson.Result) (*Alert, error) {
	rule := doc.Get("rule")
	if !rule.IsObject() {
		return nil, ErrNoRule
	}
	a := &Alert{
		ID:       text(doc.Get("id"), maxName),
		Node:     text(doc.Get("cluster.node"), maxName),
		Decoder:  text(doc.Get("decoder.name"), maxName),
		Location: text(doc.Get("location"), maxPath),
		Agent: Agent{
			ID:   text(doc.Get("agent.id"), maxName),
			Name: text(doc.Get("agent.name"), maxName),
			IP:   text(doc.Get("agent.ip"), maxName),
		},
		Rule: Rule{
			ID:          text(rule.Get("id"), maxName),
			Level:       int(rule.Get("level").Int()),
			Description: text(rule.Get("description"), maxText),
			Groups:      list(rule.Get("groups")),
			Frequency:   int(rule.Get("frequency").Int()),
			Firedtimes:  int(rule.Get("firedtimes").Int()),
			Techniques:  list(rule.Get("mitre.id")),
		},
	}
	if a.Node == "" {
		a.Node = text(doc.Get("manager.name"), maxName)
	}
	// A line without a time that can be read keeps the zero time: it is handled, and counts as stale.
	a.Timestamp, _ = time.Parse(timeLayout, doc.Get("timestamp").String())
	if !a.InGroup(GroupVault) && !a.InGroup(GroupEnriched) && !a.InGroup(GroupResponse) {
		return nil, ErrNotVault
	}
	a.classify(doc)
	return a, nil
}

func (a *Alert) classify(doc gjson.Result) {
	data := doc.Get("data")
	switch {
	case data.Get("integration").String() == "custom-vault":
		a.Kind = KindOwn
		own := data.Get("custom_vault")
		a.Own = &Own{Event: text(own.Get("event"), maxName), EventID: text(own.Get("event_id"), maxName)}
	case a.Decoder == "vault-audit":
		a.Kind = KindAudit
		a.Record, a.Cut = recordOf(doc.Get("full_log").String(), data)
	case a.Decoder == "vault-seal":
		a.Kind = KindReport
		a.Report = &Report{
			Level:   text(data.Get("vault_seal_level"), maxName),
			Message: text(data.Get("vault_seal_message"), maxText),
		}
	case strings.HasPrefix(a.Decoder, "vault"):
		a.Kind = KindOperational
		a.Operational = &Operational{
			Level:     text(data.Get("vault_level"), maxName),
			Component: text(data.Get("vault_component"), maxName),
			Message:   text(data.Get("vault_message"), maxText),
		}
	default:
		a.Kind = KindOther
	}
}

// recordOf reads the audit record from the event's own text, which has Vault's types, and where that is missing
// (option no_full_log) or broken from the fields that analysisd decoded, where every leaf is a string.
func recordOf(fullLog string, data gjson.Result) (*Record, bool) {
	if start := strings.IndexByte(fullLog, '{'); start >= 0 {
		body := fullLog[start:]
		if !tooDeep([]byte(body), maxDepth) && gjson.Valid(body) {
			return newRecord(gjson.Parse(body)), false
		}
		return newRecord(data), true
	}
	return newRecord(data), !data.Get("type").Exists()
}

// text takes a string, or the text of another scalar; of arrays and objects it takes nothing. analysisd turns a
// string that begins with "[" and parses as JSON into an array, so the raw text of an array is what stood there.
func text(v gjson.Result, n int) string {
	switch {
	case v.Type == gjson.Null:
		return ""
	case v.IsObject():
		return ""
	case v.IsArray():
		return clip(v.Raw, n)
	}
	return clip(v.String(), n)
}

// list takes an array of scalars; a single scalar is a list of one.
func list(v gjson.Result) []string {
	if !v.IsArray() {
		if s := text(v, maxName); s != "" {
			return []string{s}
		}
		return nil
	}
	var out []string
	v.ForEach(func(_, item gjson.Result) bool {
		if s := text(item, maxName); s != "" {
			out = append(out, s)
		}
		return len(out) < maxList
	})
	return out
}

// pairs takes an object of scalars.
func pairs(v gjson.Result) map[string]string {
	if !v.IsObject() {
		return nil
	}
	out := make(map[string]string)
	v.ForEach(func(key, value gjson.Result) bool {
		out[clip(key.String(), maxName)] = text(value, maxName)
		return len(out) < maxPairs
	})
	if len(out) == 0 {
		return nil
	}
	return out
}
