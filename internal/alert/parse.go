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
	case len(line) == 0 || line[0] != '{' || !valid(line):
		return nil, ErrNotJSON
	}
	a, err := read(objectOf(gjson.ParseBytes(line)))
	if err != nil {
		return nil, err
	}
	a.Key = KeyOf(line)
	return a, nil
}

func read(doc object) (*Alert, error) {
	if !doc.get("rule").IsObject() {
		return nil, ErrNoRule
	}
	rule, agent := objectOf(doc.get("rule")), objectOf(doc.get("agent"))
	a := &Alert{
		ID:       text(doc.get("id"), maxName),
		Node:     text(doc.get("cluster").Get("node"), maxName),
		Decoder:  text(doc.get("decoder").Get("name"), maxName),
		Location: text(doc.get("location"), maxPath),
		Agent: Agent{
			ID:   text(agent.get("id"), maxName),
			Name: text(agent.get("name"), maxName),
			IP:   text(agent.get("ip"), maxName),
		},
		Rule: Rule{
			ID:          text(rule.get("id"), maxName),
			Level:       int(bounded(rule.get("level").Int(), maxLevel)),
			Description: text(rule.get("description"), maxText),
			Groups:      list(rule.get("groups")),
			Frequency:   int(bounded(rule.get("frequency").Int(), maxCount)),
			Firedtimes:  int(bounded(rule.get("firedtimes").Int(), maxCount)),
			Techniques:  list(rule.get("mitre").Get("id")),
		},
	}
	if a.Node == "" {
		a.Node = text(doc.get("manager").Get("name"), maxName)
	}
	// A line without a time that can be read keeps the zero time: it is handled, and counts as stale.
	a.Timestamp, _ = time.Parse(timeLayout, doc.get("timestamp").String())
	if !a.InGroup(GroupVault) && !a.InGroup(GroupEnriched) && !a.InGroup(GroupResponse) {
		return nil, ErrNotVault
	}
	a.classify(doc)
	return a, nil
}

func (a *Alert) classify(doc object) {
	data := doc.get("data")
	switch {
	case data.Get("integration").String() == "custom-vault":
		a.Kind = KindOwn
		own := data.Get("custom_vault")
		a.Own = &Own{Event: text(own.Get("event"), maxName), EventID: text(own.Get("event_id"), maxName)}
	case a.Decoder == "vault-audit":
		a.Kind = KindAudit
		a.Record, a.Cut = recordOf(doc.get("full_log").String(), data)
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
		if valid(body) {
			return newRecord(objectOf(gjson.Parse(body))), false
		}
		return newRecord(objectOf(data)), true
	}
	return newRecord(objectOf(data)), !data.Get("type").Exists()
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
		if name := clip(key.String(), maxName); !has(out, name) { // of equal names the first, as for gjson
			out[name] = text(value, maxName)
		}
		return len(out) < maxPairs
	})
	if len(out) == 0 {
		return nil
	}
	return out
}

func has(m map[string]string, key string) bool {
	_, ok := m[key]
	return ok
}

// object is the members of a JSON object, found in one pass: gjson's Get goes through the text once for each.
type object struct {
	members []member
	whole   gjson.Result // instead, where there are too many
}

type member struct {
	name  string
	value gjson.Result
}

// objectOf finds the members; what is no object has none.
func objectOf(v gjson.Result) object {
	if !v.IsObject() {
		return object{}
	}
	members := make([]member, 0, 16)
	v.ForEach(func(key, value gjson.Result) bool {
		members = append(members, member{key.Str, value})
		return len(members) <= maxMembers
	})
	if len(members) > maxMembers {
		return object{whole: v}
	}
	return object{members: members}
}

// get returns a member's value, of equal names the first one's; of a missing one the zero Result.
func (o object) get(name string) gjson.Result {
	for i := range o.members {
		if o.members[i].name == name {
			return o.members[i].value
		}
	}
	return o.whole.Get(name)
}
