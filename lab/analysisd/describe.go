package analysisd

import "strings"

// maxComment is how much of a description with fields counts, in bytes, and how long it may grow.
const maxComment = 1024

// describe puts the fields of an event into a description's $(name)s. An absent one leaves
// nothing; a text that grows too long stays as it was written (ParseRuleComment).
func (ev *event) describe(comment string) string {
	if !strings.Contains(comment, "$(") {
		return comment
	}
	rest := comment[:min(len(comment), maxComment)]
	var b strings.Builder
	add := func(s string) bool {
		if b.Len()+len(s) >= maxComment {
			return false
		}
		b.WriteString(s)
		return true
	}
	for {
		start := strings.Index(rest, "$(")
		if start < 0 {
			break
		}
		if !add(rest[:start]) {
			return comment
		}
		name, behind, ok := strings.Cut(rest[start+2:], ")")
		if !ok {
			rest = rest[start:]
			break
		}
		rest = behind
		if !add(ev.named(name)) {
			return comment
		}
	}
	if !add(rest) {
		return comment
	}
	return b.String()
}

// named finds a field by the name that a description uses. The case of static ones counts.
func (ev *event) named(name string) string {
	switch name {
	case "dstuser", "srcuser", "srcip", "dstip", "srcport", "dstport", "protocol", "action", "id", "url", "data", "status",
		"extra_data", "system_name", "program_name", "hostname":
		f, _ := staticNamed(name)
		return ev.static[f].s
	}
	value, _ := ev.find(name)
	return value
}
