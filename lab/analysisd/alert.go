package analysisd

import (
	"regexp"
	"strconv"
	"strings"

	"custom-vault/lab/analysisd/internal/cjson"
)

const (
	// maxGroups is how much of a rule's groups an alert takes, in bytes.
	maxGroups = 1023
	// maxPlace is how much of a location an alert takes if an agent's name stands before it.
	maxPlace = 1023
)

// syslogHost finds the host of a syslog header in the whole line (json_extended.c).
var syslogHost = regexp.MustCompile(`^[A-Z][a-z][a-z] [ 0123][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9] ([^ ]+)`)

// line makes the line of alerts.json or, if archive is set, of archives.json, which has full_log
// in any case.
func (e *Engine) line(ev *event, id string, archive bool) []byte {
	root := cjson.NewObject()
	root.SetString("timestamp", ev.at.Format("2006-01-02T15:04:05.000-0700"))
	var ruleItem *cjson.Value
	if ev.rule != nil {
		ruleItem = cjson.NewObject()
		root.Set("rule", ruleItem)
	}
	agent, manager := cjson.NewObject(), cjson.NewObject()
	root.Set("agent", agent)
	root.Set("manager", manager)
	root.SetString("id", id)
	manager.SetString("name", e.opt.ManagerName)
	if ev.rule != nil {
		e.ruleInto(root, ruleItem, ev)
	}

	data := cjson.NewObject()
	for _, s := range [...]struct {
		key string
		f   static
	}{{"protocol", protocol}, {"action", action}, {"srcip", srcIP}, {"srcport", srcPort}, {"srcuser", srcUser},
		{"dstip", dstIP}, {"dstport", dstPort}, {"dstuser", dstUser}} {
		ev.into(data, s.key, s.f)
	}
	if archive || ev.rule == nil || !ev.rule.noFullLog {
		root.SetString("full_log", ev.fullLog)
	}
	agent.SetString("id", ev.agentID)
	var head *cjson.Value
	if ev.static[programName].has || ev.timestamp.has {
		head = cjson.NewObject()
		root.Set("predecoder", head)
		ev.into(head, "program_name", programName)
		if ev.timestamp.has {
			head.SetString("timestamp", ev.timestamp.s)
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
	if len(data.Items) > 0 {
		root.Set("data", data)
	}
	e.originInto(root, agent, head, ev)
	if ev.rule != nil {
		groupsInto(ruleItem, ev.rule.group)
	}
	// The log stands there twice, as text and as data, with escapes.
	return cjson.Append(make([]byte, 0, 3*len(ev.fullLog)+1024), root)
}

func (ev *event) into(v *cjson.Value, key string, f static) {
	if ev.static[f].has {
		v.SetString(key, ev.static[f].s)
	}
}

// ruleInto writes what an alert says of its rule, and previous_output behind it.
func (e *Engine) ruleInto(root, v *cjson.Value, ev *event) {
	r := ev.rule
	if r.level != 0 {
		v.Set("level", cjson.NewInt(r.level))
	}
	v.SetString("description", ev.comment)
	if r.id != 0 {
		v.SetString("id", strconv.Itoa(r.id))
	}
	if m := e.mitre(r); m != nil {
		v.Set("mitre", m)
	}
	if r.cve.has {
		v.SetString("cve", r.cve.s)
	}
	if r.info.has {
		v.SetString("info", r.info.s)
	}
	if r.search != noSearch {
		v.Set("frequency", cjson.NewInt(r.frequency+2))
	}
	if !r.noCounter {
		v.Set("firedtimes", cjson.NewInt(ev.firedTimes))
	}
	v.Set("mail", cjson.NewBool(chosen(r.mailAlert, r.level, e.opt.EmailAlertLevel)))
	if len(ev.lastEvents) > 1 && ev.lastEvents[1] != "" {
		root.SetString("previous_output", strings.Join(ev.lastEvents, "\n"))
	}
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
	v := cjson.NewObject()
	root.Set("decoder", v)
	if d.parent != "" {
		v.SetString("parent", d.parent)
	}
	if d.name != "" {
		v.SetString("name", d.name)
	}
	if d.ftsComment != "" {
		v.SetString("ftscomment", d.ftsComment)
	}
}

// addField nests a field by the dots of its name. What is there already stays, in any case of
// the name; a text that is an array becomes one (W_JSON_AddField).
func addField(v *cjson.Value, key, value string) {
	if head, rest, nested := strings.Cut(key, "."); nested {
		inner := v.Get(head)
		if inner == nil {
			inner = cjson.NewObject()
			v.Set(head, inner)
		}
		if inner.Kind == cjson.Object {
			addField(inner, rest, value)
		}
		return
	}
	if v.Get(key) != nil {
		return
	}
	if strings.HasPrefix(value, "[") {
		if array, end, ok := cjson.Parse(value); ok && end == len(value) {
			v.Set(key, array)
			return
		}
	}
	v.SetString(key, value)
}

// originInto writes who sent the event, and from which place (W_ParseJSON).
func (e *Engine) originInto(root, agent, head *cjson.Value, ev *event) {
	loc := ev.static[location].s
	fromAgent := strings.HasPrefix(loc, "(")
	switch {
	case fromAgent:
		agent.SetString("name", ev.static[hostname].s)
	case ev.agentID == "000":
		agent.SetString("name", e.opt.ManagerName)
	}
	if m := syslogHost.FindStringSubmatch(ev.fullLog); m != nil {
		if head == nil {
			head = cjson.NewObject()
			root.Set("predecoder", head)
		}
		head.SetString("hostname", m[1])
	}
	if ip, ok := agentAddress(loc); ok && ip != "any" {
		agent.SetString("ip", ip)
	}
	if !fromAgent {
		root.SetString("location", loc)
		return
	}
	if _, place, ok := strings.Cut(loc[:min(len(loc), maxPlace)], ">"); ok {
		root.SetString("location", place)
	}
	agentless(root, ev.agentID, loc)
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
	v := cjson.NewObject()
	v.SetString("script", script)
	v.SetString("user", user)
	v.SetString("host", host)
	root.Set("agentless", v)
	root.Remove("agent")
}

// compliance lists the prefixes of groups that an alert shows under a name of their own.
var compliance = [...]struct{ prefix, key string }{
	{"pci_dss_", "pci_dss"}, {"cis_", "cis"}, {"gdpr_", "gdpr"}, {"gpg13_", "gpg13"}, {"hipaa_", "hipaa"},
	{"nist_800_53_", "nist_800_53"}, {"tsc_", "tsc"},
}

func groupsInto(v *cjson.Value, group string) {
	groups := cjson.NewArray()
	v.Set("groups", groups)
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
			list := v.Get(c.key)
			if list == nil {
				list = cjson.NewArray()
				v.Set(c.key, list)
			}
			list.Items = append(list.Items, cjson.NewString(requirement))
			continue next
		}
		groups.Items = append(groups.Items, cjson.NewString(name))
	}
}
