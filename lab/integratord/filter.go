package integratord

import (
	"strconv"
	"strings"

	"custom-vault/lab/cjson"
)

// wants says whether the block's filters let the alert pass; all of them have to (integrator.c:183-275).
func (d *Daemon) wants(b *Integration, alert, rule *cjson.Value) bool {
	if b.EventLocation != "" {
		location := alert.Get("location")
		if location == nil {
			return false
		}
		if !osMatch(b.EventLocation, location.Text()) {
			d.cfg.Log.Debug2("integrator.c:197 at OS_IntegratorD()", "Skipping: Location doesn't match.")
			return false
		}
	}
	if b.Level > 0 {
		level := rule.Get("level")
		if level == nil {
			return false
		}
		if int(level.Number) < b.Level {
			d.cfg.Log.Debug2("integrator.c:209 at OS_IntegratorD()", "Skipping: Alert level is too low.")
			return false
		}
	}
	if b.Group != "" && !hasGroup(b.Group, rule.Get("groups")) {
		d.cfg.Log.Debug2("integrator.c:240 at OS_IntegratorD()", "Skipping: Group doesn't match.")
		return false
	}
	if len(b.RuleIDs) > 0 && !hasRule(b.RuleIDs, rule.Get("id")) {
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
	for _, want := range strings.Split(list, ",") {
		for _, item := range groups.Items {
			if item.Kind == cjson.String && item.String == want {
				return true
			}
		}
	}
	return false
}

func hasRule(ids []int, id *cjson.Value) bool {
	n := leadingNumber(id.Text())
	for _, want := range ids {
		if id != nil && n == want {
			return true
		}
	}
	return false
}

// leadingNumber is atoi.
func leadingNumber(text string) int {
	end := 0
	for end < len(text) && text[end] >= '0' && text[end] <= '9' {
		end++
	}
	n, err := strconv.Atoi(text[:end])
	if err != nil {
		return 0
	}
	return n
}

// osMatch is OSMatch: alternatives with |, each a substring without regard to case, anchored with ^ and $; a leading ! turns the whole around.
func osMatch(pattern, text string) bool {
	negated := strings.HasPrefix(pattern, "!")
	pattern = strings.ToLower(strings.TrimPrefix(pattern, "!"))
	text = strings.ToLower(text)
	for _, alternative := range strings.Split(pattern, "|") {
		begin := strings.HasPrefix(alternative, "^")
		end := strings.HasSuffix(alternative, "$")
		word := strings.TrimSuffix(strings.TrimPrefix(alternative, "^"), "$")
		var hit bool
		switch {
		case begin && end:
			hit = text == word
		case begin:
			hit = strings.HasPrefix(text, word)
		case end:
			hit = strings.HasSuffix(text, word)
		default:
			hit = strings.Contains(text, word)
		}
		if hit {
			return !negated
		}
	}
	return negated
}
