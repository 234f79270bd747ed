package analysisd

import (
	"strconv"

	"custom-vault/lab/osregex"
)

// rule is one <rule>. After loading it is not changed; what an engine remembers of it stands in
// ruleState, at its index.
type rule struct {
	index    int
	id       int
	level    int
	declared int // the level as in the file, which options go by
	category category

	maxSize   int
	noAlert   bool
	frequency int // as in the file, less 2; the alert shows it again with 2 added
	timeframe int // s
	ignore    int // s
	overwrite bool

	decodedAs  int // number of a decoder, 0 for any
	conditions []condition
	lists      []listCondition
	dayTime    *dayTime
	days       days // 0 for any
	compiled   compiledRule
	fts        bool // only for events that are seen for the first time
	diff       bool // only if the log is another than the last one of its host here

	comment string
	group   string
	info    text
	cve     text
	attack  []technique
	tactics []tacticPair

	noFullLog, noCounter, noActiveResponse bool
	logAlert, mailAlert                    choice
	// no_counter does not count if the level reaches that of mails or of the log.
	counterWithMail, counterWithLog bool

	ifSID, ifGroup, ifLevel text
	matchedSID              int
	matchedGroup            *osregex.Match
	matchedGroupText        string
	matchedRegex            *osregex.Regexp

	// What makes a rule a composite: it searches the memory.
	context                   bool
	same, different           fieldSet
	sameFields, differentKeys []string
	global                    bool // counts over all agents
	search                    searchKind
	source                    *rule // whose events searchSID looks through

	remembers   bool    // events that end here are kept for a composite
	rememberers []*rule // composites with if_matched_group that keep them
}

// choice is an option that may be left to the level.
type choice int

const (
	byLevel choice = iota
	always
	never
)

// searchKind says which memory a composite looks through.
type searchKind int

const (
	noSearch searchKind = iota
	searchSID
	searchGroup
	searchAll
)

// fieldSet is a set of static fields.
type fieldSet uint32

func (s fieldSet) has(f static) bool { return s&(1<<f) != 0 }
func (s *fieldSet) add(f static)     { *s |= 1 << f }

// source says what a condition looks at.
type source int

const (
	ofStatic source = iota
	ofLog
	ofUser
	ofField
)

// condition is one test of a rule.
type condition struct {
	from   source
	static static
	field  int // number of a dynamic field's name
	x      *expression
}

// holds reports whether a condition holds. What is absent fails it, negated or not.
func (c *condition) holds(ev *event) bool {
	var t text
	switch c.from {
	case ofLog:
		t = some(ev.logText())
	case ofStatic:
		t = ev.static[c.static]
	case ofUser:
		t = ev.static[dstUser]
		if !t.has {
			t = ev.static[srcUser]
		}
	case ofField:
		t.s, t.has = ev.lookup(c.field)
	}
	return t.has && c.x.accepts(t.s)
}

// node is the place of a rule in the tree. A rule with several parents has several.
type node struct {
	rule     *rule
	children []*node
}

// accepts checks all of a rule but its memory (OS_CheckIfRuleMatch). What is noted by a check,
// by fts and diff, stays noted if a later one fails.
func (e *Engine) accepts(ev *event, r *rule) bool {
	if r.decodedAs != 0 && r.decodedAs != ev.decoder.id {
		return false
	}
	for i := range r.conditions {
		if !r.conditions[i].holds(ev) {
			return false
		}
	}
	switch {
	case r.maxSize > 0 && len(ev.logText()) < r.maxSize,
		r.dayTime != nil && !r.dayTime.holds(ev.at),
		r.days != 0 && !r.days.holds(ev.at),
		r.compiled != nil && !r.compiled(ev),
		r.diff && !e.differs(ev, r),
		r.fts && !e.firstTime(ev):
		return false
	}
	for i := range r.lists {
		if !r.lists[i].holds(ev) {
			return false
		}
	}
	return true
}

// differs compares the log with the last one of the same host at this rule, and keeps it
// (doDiff in dodiff.c). The first log of a host is not said to differ.
func (e *Engine) differs(ev *event, r *rule) bool {
	key := ev.static[hostname].s + "/" + strconv.Itoa(r.id)
	last, known := e.previous[key]
	log := ev.logText()
	e.previous[key] = log
	if !known || last == log {
		return false
	}
	ev.lastEvents = []string{"Previous output:", last}
	ev.previousLog = some(last)
	return true
}

// walk tries a rule and, if it holds, its children. It gives the rule that the event ends at.
func (e *Engine) walk(ev *event, n *node) *rule {
	r := n.rule
	if !e.accepts(ev, r) {
		return nil
	}
	if r.context && !r.diff && r.search != noSearch && !e.search(ev, r) {
		ev.lastEvents = nil
		return nil
	}
	for _, child := range n.children {
		if found := e.walk(ev, child); found != nil {
			if ev.prevRule == nil {
				ev.prevRule = r
			}
			return found
		}
	}
	if r.noAlert {
		return nil
	}
	state := &e.states[r.index]
	state.fired++
	ev.firedTimes = state.fired
	return r
}
