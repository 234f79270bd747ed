package analysisd

import (
	"slices"
	"strconv"
	"strings"

	"custom-vault/lab/cjson"
)

const (
	// maxGroups is how much of a rule's groups an alert takes, in bytes.
	maxGroups = 1023
	// maxPlace is how much of a location an alert takes if an agent's name stands before it.
	maxPlace = 1023
)

// line makes the line of alerts.json or, if archive is set, of archives.json, which has full_log
// in any case.
func (e *Engine) line(ev *event, id string, archive bool) []byte {
	root := newObject()
	root.Add("timestamp", cjson.Text(ev.at.Format("2006-01-02T15:04:05.000-0700")))
	var ruleItem *cjson.Value
	if ev.rule != nil {
		ruleItem = newObject()
		root.Add("rule", ruleItem)
	}
	agent, manager := newObject(), newObject()
	root.Add("agent", agent)
	root.Add("manager", manager)
	root.Add("id", cjson.Text(id))
	manager.Add("name", cjson.Text(e.opt.ManagerName))
	if ev.rule != nil {
		e.ruleInto(root, ruleItem, ev)
	}

	data := newObject()
	for _, s := range [...]struct {
		key string
		f   static
	}{{"protocol", protocol}, {"action", action}, {"srcip", srcIP}, {"srcport", srcPort}, {"srcuser", srcUser},
		{"dstip", dstIP}, {"dstport", dstPort}, {"dstuser", dstUser}} {
		ev.into(data, s.key, s.f)
	}
	if archive || ev.rule == nil || !ev.rule.noFullLog {
		root.Add("full_log", cjson.Text(ev.fullLog))
	}
	agent.Add("id", cjson.Text(ev.agentID))
	var head *cjson.Value
	if ev.static[programName].has || ev.timestamp.has {
		head = newObject()
		root.Add("predecoder", head)
		ev.into(head, "program_name", programName)
		if ev.timestamp.has {
			head.Add("timestamp", cjson.Text(ev.timestamp.s))
		}
	}
	for _, s := range [...]struct {
		key string
		f   static
	}{{"id", eventID}, {"status", status}, {"url", eventURL}, {"data", eventData}, {"extra_data", extraData},
		{"system_name", systemName}} {
		ev.into(data, s.key, s.f)
	}
	ev.decoderInto(root, data)
	if ev.previousLog.has {
		root.Add("previous_log", cjson.Text(ev.previousLog.s))
	}
	if len(data.Members) > 0 {
		root.Add("data", data)
	}
	e.originInto(root, agent, head, ev)
	if ev.rule != nil {
		groupsInto(ruleItem, ev.rule.group)
	}
	return root.Print()
}

func (ev *event) into(v *cjson.Value, key string, f static) {
	if ev.static[f].has {
		v.Add(key, cjson.Text(ev.static[f].s))
	}
}

// ruleInto writes what an alert says of its rule, and previous_output behind it.
func (e *Engine) ruleInto(root, v *cjson.Value, ev *event) {
	r := ev.rule
	if r.level != 0 {
		v.Add("level", integer(r.level))
	}
	v.Add("description", cjson.Text(ev.comment))
	if r.id != 0 {
		v.Add("id", cjson.Text(strconv.Itoa(r.id)))
	}
	if m := e.mitre(r); m != nil {
		v.Add("mitre", m)
	}
	if r.cve.has {
		v.Add("cve", cjson.Text(r.cve.s))
	}
	if r.info.has {
		v.Add("info", cjson.Text(r.info.s))
	}
	if r.search != noSearch {
		v.Add("frequency", integer(r.frequency+2))
	}
	if e.counts(r) {
		v.Add("firedtimes", integer(ev.firedTimes))
	}
	v.Add("mail", boolean(chosen(r.mailAlert, r.declared, e.opt.EmailAlertLevel)))
	if len(ev.lastEvents) > 1 && ev.lastEvents[1] != "" {
		root.Add("previous_output", cjson.Text(strings.Join(ev.lastEvents, "\n")))
	}
}

// counts reports whether an alert of the rule shows firedtimes.
func (e *Engine) counts(r *rule) bool {
	return !r.noCounter || r.counterWithMail && r.declared >= e.opt.EmailAlertLevel || r.counterWithLog && r.declared >= e.opt.LogAlertLevel
}

func newObject() *cjson.Value     { return &cjson.Value{Kind: cjson.Object} }
func integer(n int) *cjson.Value  { return &cjson.Value{Kind: cjson.Number, Number: float64(n)} }
func boolean(b bool) *cjson.Value { return &cjson.Value{Kind: cjson.Bool, Bool: b} }

// member finds the first member of that name, in any case (ASCII), as cJSON_GetObjectItem does.
func member(v *cjson.Value, name string) *cjson.Value {
	for _, m := range v.Members {
		if equalFold(m.Name, name) {
			return m.Value
		}
	}
	return nil
}

func chosen(c choice, level, threshold int) bool {
	switch c {
	case always:
		return true
	case never:
		return false
	case byLevel:
	}
	return level >= threshold
}

func (ev *event) decoderInto(root, data *cjson.Value) {
	d := ev.decoder
	if d.name != "" {
		for _, f := range ev.fields {
			if f.value != "" {
				addField(data, f.key, f.value)
			}
		}
	}
	v := newObject()
	root.Add("decoder", v)
	if d.accumulate {
		v.Add("accumulate", integer(1))
	}
	if d.parent != "" {
		v.Add("parent", cjson.Text(d.parent))
	}
	if d.name != "" {
		v.Add("name", cjson.Text(d.name))
	}
	if d.ftsComment != "" {
		v.Add("ftscomment", cjson.Text(d.ftsComment))
	}
}

// addField nests a field by the dots of its name. What is there already stays, in any case of
// the name; a text that is an array becomes one (W_JSON_AddField).
func addField(v *cjson.Value, key, value string) {
	if head, rest, nested := strings.Cut(key, "."); nested {
		inner := member(v, head)
		if inner == nil {
			inner = newObject()
			v.Add(head, inner)
		}
		if inner.Kind == cjson.Object {
			addField(inner, rest, value)
		}
		return
	}
	if member(v, key) != nil {
		return
	}
	if strings.HasPrefix(value, "[") {
		if array, end, err := cjson.Parse([]byte(value)); err == nil && end == len(value) {
			v.Add(key, array)
			return
		}
	}
	v.Add(key, cjson.Text(value))
}

// originInto writes who sent the event, and from which place (W_ParseJSON).
func (e *Engine) originInto(root, agent, head *cjson.Value, ev *event) {
	loc := ev.static[location].s
	fromAgent := strings.HasPrefix(loc, "(")
	switch {
	case fromAgent:
		agent.Add("name", cjson.Text(ev.static[hostname].s))
	case ev.agentID == "000":
		agent.Add("name", cjson.Text(e.opt.ManagerName))
	}
	if host := syslogHost(ev.fullLog); host != "" {
		if head == nil {
			head = newObject()
			root.Add("predecoder", head)
		}
		head.Add("hostname", cjson.Text(host))
	}
	if ip, ok := agentAddress(loc); ok && ip != "any" {
		agent.Add("ip", cjson.Text(ip))
	}
	if !fromAgent {
		root.Add("location", cjson.Text(loc))
		return
	}
	if _, place, ok := strings.Cut(loc[:min(len(loc), maxPlace)], ">"); ok {
		root.Add("location", cjson.Text(place))
	}
	agentless(root, ev.agentID, loc)
}

// syslogHost finds the host behind a date of the form "Jan 02 15:04:05 " at the head of the whole
// line. It is looked for anew, apart from what pre-decoding found (W_JSON_ParseHostname).
func syslogHost(line string) string {
	const form = "Aaa 00 00:00:00 "
	if len(line) <= len(form) {
		return ""
	}
	for i := range len(form) {
		c := line[i]
		ok := c == form[i]
		switch form[i] {
		case 'A':
			ok = 'A' <= c && c <= 'Z'
		case 'a':
			ok = 'a' <= c && c <= 'z'
		case '0':
			ok = isDigit(c)
			if i == len("Aaa ") {
				ok = c == ' ' || '0' <= c && c <= '3'
			}
		}
		if !ok {
			return ""
		}
	}
	host, _, _ := strings.Cut(line[len(form):], " ")
	return host
}

// agentAddress is what stands two bytes behind the first closing parenthesis, up to a hyphen.
func agentAddress(loc string) (string, bool) {
	if !strings.HasPrefix(loc, "(") {
		return "", false
	}
	i := strings.IndexByte(loc, ')')
	if i < 0 {
		return "", false
	}
	ip, _, _ := strings.Cut(loc[min(i+2, len(loc)):], "-")
	return ip, true
}

// agentless writes "(script) user@host->place" of the manager as such, without an agent.
func agentless(root *cjson.Value, agentID, loc string) {
	if agentID != "000" {
		return
	}
	script, rest, ok := strings.Cut(loc[1:], ") ")
	if !ok {
		return
	}
	user, rest, ok := strings.Cut(rest, "@")
	if !ok {
		return
	}
	host, _, ok := strings.Cut(rest, "->")
	if !ok {
		return
	}
	v := newObject()
	v.Add("script", cjson.Text(script))
	v.Add("user", cjson.Text(user))
	v.Add("host", cjson.Text(host))
	root.Add("agentless", v)
	root.Members = slices.DeleteFunc(root.Members, func(m cjson.Member) bool { return m.Name == "agent" })
}

// compliance lists the prefixes of groups that an alert shows under a name of their own.
var compliance = [...]struct{ prefix, key string }{
	{"pci_dss_", "pci_dss"}, {"cis_", "cis"}, {"gdpr_", "gdpr"}, {"gpg13_", "gpg13"}, {"hipaa_", "hipaa"},
	{"nist_800_53_", "nist_800_53"}, {"tsc_", "tsc"},
}

func groupsInto(v *cjson.Value, group string) {
	groups := &cjson.Value{Kind: cjson.Array}
	v.Add("groups", groups)
next:
	for _, name := range strings.Split(group[:min(len(group), maxGroups)], ",") {
		if name == "" {
			continue
		}
		for _, c := range compliance {
			requirement, ok := strings.CutPrefix(name, c.prefix)
			if !ok {
				continue
			}
			list := member(v, c.key)
			if list == nil {
				list = &cjson.Value{Kind: cjson.Array}
				v.Add(c.key, list)
			}
			list.Items = append(list.Items, cjson.Text(requirement))
			continue next
		}
		groups.Items = append(groups.Items, cjson.Text(name))
	}
}
