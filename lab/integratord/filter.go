package integratord

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"custom-vault/lab/cjson"
	"custom-vault/lab/osregex"
)

// wants says whether the block's filters let the alert pass; all of them have to (integrator.c:183-275).
func (d *Daemon) wants(b *Integration, alert, rule *cjson.Value) bool {
	if b.has("event_location", b.EventLocation) {
		location := alert.Get("location")
		if location == nil {
			return false
		}
		if match, err := osregex.CompileMatch(b.EventLocation); err != nil || !match.MatchString(location.Text()) {
			d.cfg.Log.Debug2("integrator.c:194 at OS_IntegratorD()", "Skipping: Location doesn't match")
			return false
		}
	}
	if b.Level > 0 {
		level := rule.Get("level")
		if level == nil {
			return false
		}
		if int(level.Number) < b.Level {
			d.cfg.Log.Debug2("integrator.c:208 at OS_IntegratorD()", "Skipping: Alert level is too low")
			return false
		}
	}
	if b.has("group", b.Group) && !hasGroup(b.Group, rule.Get("groups")) {
		d.cfg.Log.Debug2("integrator.c:240 at OS_IntegratorD()", "Skipping: Group doesn't match.")
		return false
	}
	if !b.present["rule_id"] && len(b.RuleIDs) == 0 {
		return true
	}
	id := rule.Get("id")
	if id == nil {
		d.cfg.Log.Debug2("integrator.c:253 at OS_IntegratorD()", "Skipping: Alert does not containg rule id.") //nolint:misspell // the daemon's own words
		return false
	}
	if !slices.Contains(b.RuleIDs, leadingNumber(id.Text())) {
		d.cfg.Log.Debug2("integrator.c:272 at OS_IntegratorD()", "Skipping: Rule doesn't match.")
		return false
	}
	return true
}

// hasGroup compares exactly, without trimming: "vault, x" asks for a group " x" that no rule has.
func hasGroup(list string, groups *cjson.Value) bool {
	if groups == nil {
		return false
	}
	for list != "" {
		var want string
		want, list, _ = strings.Cut(list, ",")
		for _, item := range groups.Items {
			if item.Kind == cjson.String && item.String == want {
				return true
			}
		}
	}
	return false
}

// leadingNumber is atoi: blanks, a sign, digits; what exceeds an int wraps around.
func leadingNumber(text string) int {
	text = strings.TrimLeft(text, " \t\n\v\f\r")
	end := 0
	if text != "" && (text[0] == '-' || text[0] == '+') {
		end = 1
	}
	for end < len(text) && text[end] >= '0' && text[end] <= '9' {
		end++
	}
	n, err := strconv.ParseInt(text[:end], 10, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0
	}
	return int(int32(n))
}
