package analysisd

import "strings"

// compiledRule is a test that is built into analysisd, for <compiled_rule>
// (compiled_rules/generic_samples.c).
type compiledRule func(ev *event) bool

func compiledNamed(name string) (compiledRule, bool) {
	switch name {
	case "check_id_size":
		return func(ev *event) bool { return len(ev.static[eventID].s) >= 10 }, true
	case "comp_srcuser_dstuser":
		return func(ev *event) bool {
			src, dst := ev.static[srcUser], ev.static[dstUser]
			return !src.has || !dst.has || src.s == dst.s
		}, true
	case "comp_mswin_targetuser_calleruser_diff":
		return callerIsAnother, true
	case "is_simple_http_request":
		return func(ev *event) bool {
			url := ev.static[eventURL]
			return url.has && !strings.Contains(url.s, "?")
		}, true
	case "is_valid_crawler":
		return func(ev *event) bool {
			for _, net := range [...]string{"66.249.", "72.14.", "209.85.", "65.55.", "207.46.", "74.6.", "72.30.", "67.195."} {
				if strings.HasPrefix(ev.logText(), net) {
					return true
				}
			}
			return false
		}, true
	}
	return nil, false
}

// callerIsAnother compares the names of target and caller in an event of Windows, each up to a
// tab or two blanks.
func callerIsAnother(ev *event) bool {
	log := ev.logText()
	behind := func(label string) int {
		i := strings.Index(log, label)
		if i < 0 {
			return -1
		}
		colon := strings.IndexByte(log[i:], ':')
		if colon < 0 {
			return -1
		}
		return i + colon + 1
	}
	target, caller := behind("Target Account Name"), behind("Caller User Name")
	if target < 0 || caller < 0 {
		return false
	}
	for ; target < len(log); target, caller = target+1, caller+1 {
		if log[target] != at(log, caller) {
			return true
		}
		if log[target] == '\t' || log[target] == ' ' && at(log, target+1) == ' ' {
			return false
		}
	}
	return false
}
