package analysisd

import (
	"strconv"
	"strings"

	"custom-vault/lab/osregex"
)

// While a ruleset loads, levels are multiplied by a hundred, and level 0 counts as 99, so that
// it is tried first. Only then comes the rule of higher level, then the one loaded earlier.
const (
	levelUnit = 100
	levelZero = 99 * levelUnit
)

// insert puts a rule among its siblings.
func insert(siblings []*node, r *rule) []*node {
	at := len(siblings)
	for i, n := range siblings {
		if r.level > n.rule.level {
			at = i
			break
		}
	}
	siblings = append(siblings, nil)
	copy(siblings[at+1:], siblings[at:])
	siblings[at] = &node{rule: r}
	return siblings
}

// attach puts a rule under every rule of nodes and below that wanted chooses. If only is set,
// the search among siblings ends at the first (_AddtoRule with a rule id).
func attach(nodes []*node, r *rule, only bool, wanted func(*rule) bool) bool {
	found := false
	for _, n := range nodes {
		if wanted(n.rule) {
			n.children = insert(n.children, r)
			found = true
			if only {
				return true
			}
		}
		if attach(n.children, r, only, wanted) {
			found = true
		}
	}
	return found
}

// place puts a rule into the tree. It is false if the rule is given up, with a warning.
func (l *loader) place(r *rule) bool {
	roots := l.set.roots
	switch {
	case r.ifSID.has:
		return l.placeUnder(r)
	case r.ifLevel.has:
		level := leadingInt(r.ifLevel.s)
		if level == 0 {
			l.warn("(7609): Invalid 'if_level' value: '%s'. Rule '%d' will be ignored.", r.ifLevel.s, r.id)
			return false
		}
		level *= levelUnit
		if !attach(roots, r, false, func(p *rule) bool { return p.level >= level && p.id != r.id }) {
			l.warn("(7608): Level ID '%d' was not found. Invalid 'if_level'. Rule '%d' will be ignored.", level, r.id)
			return false
		}
	case r.ifGroup.has:
		if !attach(roots, r, false, func(p *rule) bool { return osregex.Word(r.ifGroup.s, p.group) && p.id != r.id }) {
			l.warn("(7610): Group '%s' was not found. Invalid 'if_group'. Rule '%d' will be ignored.", r.ifGroup.s, r.id)
			return false
		}
	default:
		if !l.placeByCategory(r) {
			l.warn("(7611): Category was not found. Invalid 'category'. Rule '%d' will be ignored.", r.id)
			return false
		}
	}
	return true
}

// placeByCategory puts a rule under the first rule at the top of its category.
func (l *loader) placeByCategory(r *rule) bool {
	for _, n := range l.set.roots {
		if n.rule.category == r.category {
			n.children = insert(n.children, r)
			return true
		}
	}
	return false
}

// placeUnderID puts a rule under the one of an id. The number 0, which is also what stands behind a
// comma or blank at the end of <if_sid>, means the rule at the top of the category (_AddtoRule).
func (l *loader) placeUnderID(r *rule, sid int) bool {
	if sid == 0 {
		return l.placeByCategory(r)
	}
	return attach(l.set.roots, r, true, func(p *rule) bool {
		if p.id != sid {
			return false
		}
		r.category = p.category
		return true
	})
}

func (l *loader) placeUnder(r *rule) bool {
	placed := false
	numbers, newline := strings.CutSuffix(r.ifSID.s, "\n")
	ids := strings.FieldsFunc(numbers, func(c rune) bool { return c == ',' || c == ' ' })
	if strings.HasSuffix(numbers, ",") || strings.HasSuffix(numbers, " ") {
		if !newline {
			ids = append(ids, "")
		}
	}
	for _, id := range ids {
		sid := leadingInt(id)
		switch {
		case l.placeUnderID(r, sid):
			placed = true
		case r.matchedSID != 0:
			l.warn("(7620): Signature ID '%d' was not found. Invalid 'if_matched_sid'.Rule '%d' will be ignored.", sid, r.id)
			return false
		default:
			l.warn("(7617): Signature ID '%d' was not found and will be ignored in the 'if_sid' option of rule '%d'.", sid, r.id)
		}
	}
	if newline {
		option := "if_sid"
		if r.matchedSID != 0 {
			option = "if_matched_sid"
		}
		l.warn("(7607): Invalid '%s'. Signature ID must be an integer. Rule '%d' will be ignored.", option, r.id)
		return placed
	}
	if !placed {
		l.warn("(7619): Empty 'if_sid' value. Rule '%d' will be ignored.", r.id)
	}
	return placed
}

// leadingInt is atoi of digits: what 64 bits cannot hold is -1, what 32 cannot is cut to them.
func leadingInt(s string) int {
	end := 0
	for end < len(s) && isDigit(s[end]) {
		end++
	}
	if end == 0 {
		return 0
	}
	n, err := strconv.ParseInt(s[:end], 10, 64)
	if err != nil {
		return -1
	}
	return int(int32(n)) //nolint:gosec // it is cut as C cuts it
}

// visit calls f for each node below, parents first.
func visit(nodes []*node, f func(*rule)) {
	for _, n := range nodes {
		f(n.rule)
		visit(n.children, f)
	}
}

// settle turns the levels back, and counts the nodes: analysisd's "total rules".
func settle(roots []*node) int {
	count := 0
	visit(roots, func(r *rule) {
		count++
		if r.level == levelZero {
			r.level = 0
		}
		if r.level >= levelUnit {
			r.level /= levelUnit
		}
	})
	return count
}
