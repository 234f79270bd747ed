package analysisd

import (
	"strconv"
	"strings"

	"custom-vault/lab/osregex"
	"custom-vault/lab/osxml"
)

const (
	// maxRuleText is the longest text of an element of a rule, in bytes.
	maxRuleText = 2048
	// firstChildID is the least id of a rule that is not at the root.
	firstChildID = 10
)

// loadRules reads one file (Rules_OP_ReadRules). An empty file is none.
func (l *loader) loadRules(f file) error {
	roots, err := l.readXML(f)
	if err != nil || len(f.data) == 0 {
		return err
	}
	if len(roots) == 0 {
		return l.refuse("(1202): Configuration error at '%s'.", f.label)
	}
	for _, root := range roots {
		if !strings.EqualFold(root.Name, "group") {
			return l.refuse("rules_op: Invalid root element \"%s\".Only \"group\" is allowed", root.Name)
		}
		if len(root.Attributes) != 1 || !strings.EqualFold(root.Attributes[0].Name, "name") {
			return l.refuse("rules_op: Invalid root element '%s'.Only the group name is allowed", root.Name)
		}
	}
	for _, root := range roots {
		if len(root.Children) == 0 {
			return l.refuse("Group '%s' without any rule.", root.Name)
		}
		for i, e := range root.Children {
			if err := l.loadRule(root.Attributes[0].Value, e, i); err != nil {
				return err
			}
		}
	}
	return nil
}

// ruleDraft is a rule being read.
type ruleDraft struct {
	*rule
	texts        map[string]*pattern // of the elements that are tests, by name
	group        text
	comment      text
	matchedGroup text
	matchedRegex text
	skip         bool // give the rule up without an error
	withContext  bool // an option was used that only a composite has
	lists        []listCondition
	mitre        mitreDraft
}

// pattern is a test of a rule being read. Texts of repeated elements run together; language and
// negation are those of the last.
type pattern struct {
	text   text
	lang   language
	negate bool
	x      *expression // compiled; of addresses, at once
}

func (l *loader) loadRule(group string, e *osxml.Element, number int) error {
	if !strings.EqualFold(e.Name, "rule") {
		return l.refuse("Invalid configuration. '%s' is not a valid element.", e.Name)
	}
	if len(e.Attributes) == 0 {
		return l.refuse("Invalid rule '%d'. You must specify an ID and a level at least.", number)
	}
	r := &rule{id: -1, level: -1, category: syslog, timeframe: l.src.DefaultTimeframe}
	accurate, err := l.ruleAttributes(r, e)
	if err != nil {
		return l.refuse("Invalid attribute for rule.")
	}
	if r.id == -1 || r.level == -1 {
		return l.refuse("No rule id or level specified for rule '%d'.", number)
	}
	if l.rulesByID[r.id] != nil && !r.overwrite {
		l.warn("(7612): Rule ID '%d' is duplicated. Only the first occurrence will be considered.", r.id)
		return nil
	}
	if l.rulesByID[r.id] == nil && r.overwrite {
		l.warn("(7613): Rule ID '%d' does not exist but 'overwrite' is set to 'yes'. Still, the rule will be loaded.", r.id)
		r.overwrite = false
	}
	r.declared = r.level
	l.set.maxFrequency = max(l.set.maxFrequency, r.frequency)
	if r.level == 0 {
		r.level = levelZero / levelUnit
	}
	if accurate {
		r.level *= levelUnit
	}
	if len(e.Children) == 0 {
		return l.refuse("Rule '%d' without any option. It may lead to false positives and some other problems for the system. Exiting.", r.id)
	}
	d := &ruleDraft{rule: r, texts: map[string]*pattern{}, group: some(group)}
	for _, option := range e.Children {
		if err := l.ruleElement(d, option); err != nil {
			return err
		}
		if d.skip {
			return nil
		}
	}
	return l.finishRule(d)
}

// ruleAttributes reads what stands in the tag. accurate is false if accuracy="0" puts the rule
// behind all others.
func (l *loader) ruleAttributes(r *rule, e *osxml.Element) (accurate bool, err error) {
	accurate = true
	for _, a := range e.Attributes {
		number := leadingInt(a.Value)
		switch strings.ToLower(a.Name) {
		case "id":
			if !isNumber(a.Value) || len(a.Value) > 6 {
				return false, l.refuse("rules_op: Invalid rule id: %s. Must be integer (max 6 digits)", a.Value)
			}
			if a.Value != "" {
				r.id = number
			}
		case "level":
			if !isNumber(a.Value) {
				continue
			}
			if number < 0 || number > 16 {
				return false, l.refuse("rules_op: Invalid level: %d. Must be an integer between 0 and 16.", number)
			}
			r.level = number
		case "frequency":
			if !isNumber(a.Value) {
				return false, l.refuse("rules_op: Invalid frequency: %s. Must be integer", a.Value)
			}
			if number < 2 || number > 9999 {
				return false, l.refuse("rules_op: Invalid frequency: %d. Must be higher than 1 and lower than 10000.", number)
			}
			r.frequency = number - 2
		case "noalert":
			switch a.Value {
			case "0", "1":
				r.noAlert = a.Value == "1"
			default:
				l.warn("Invalid value for attribute 'noalert'")
			}
		case "overwrite":
			if a.Value != "yes" && a.Value != "no" {
				return false, l.refuse("rules_op: Invalid overwrite: %s. Can only by 'yes' or 'no'.", a.Value)
			}
			r.overwrite = a.Value == "yes"
		case "maxsize", "timeframe", "ignore", "accuracy":
			n, err := l.shortNumber(a)
			if err != nil {
				return false, err
			}
			switch name := strings.ToLower(a.Name); {
			case a.Value == "": // sscanf finds nothing and leaves the default
			case name == "maxsize":
				r.maxSize = n
			case name == "timeframe":
				r.timeframe = n
			case name == "ignore":
				r.ignore = n
			case name == "accuracy":
				accurate = n != 0
			}
		default:
			return false, l.refuse("rules_op: Invalid attribute \"%s\". Only id, level, maxsize, accuracy, noalert, ignore, frequency and timeframe are allowed.", a.Name)
		}
	}
	return accurate, nil
}

// shortNumber reads a number of which only the first digits count.
func (l *loader) shortNumber(a osxml.Attribute) (int, error) {
	name := strings.ToLower(a.Name)
	digits, shown, hint := 4, name, ""
	switch name {
	case "timeframe":
		digits, hint = 5, " (max 5 digits)"
	case "ignore":
		digits, shown, hint = 6, "ignore_time", " (max 6 digits)"
	}
	if !isNumber(a.Value) {
		return 0, l.refuse("rules_op: Invalid %s: %s. Must be integer%s", shown, a.Value, hint)
	}
	return leadingInt(a.Value[:min(len(a.Value), digits)]), nil
}

// isNumber is OS_StrIsNum, for which nothing is a number as well.
func isNumber(s string) bool { return strings.Trim(s, "0123456789") == "" }

// validIDs reports whether a text is of the form ^[\d, ]+$. The dollar lets a newline at the end pass.
func validIDs(s string) bool {
	s = strings.TrimSuffix(s, "\n")
	return s != "" && strings.Trim(s, "0123456789, ") == ""
}

// finishRule compiles the tests and puts the rule into the tree.
func (l *loader) finishRule(d *ruleDraft) error {
	r := d.rule
	if d.ifSID.has && !validIDs(d.ifSID.s) {
		l.warn("(7618): Invalid 'if_sid' value: '%s'. Rule '%d' will be ignored.", d.ifSID.s, r.id)
		return nil
	}
	if !d.comment.has {
		return l.refuse("No such description at rule '%d'.", r.id)
	}
	if (d.withContext || r.frequency != 0) && !r.context {
		return l.refuse("Invalid use of frequency/context options. Missing if_matched on rule '%d'.", r.id)
	}
	if !r.overwrite && !r.ifSID.has && !r.ifGroup.has {
		switch {
		case d.matchedGroup.has:
			r.ifGroup = d.matchedGroup
		case r.matchedSID != 0:
			r.ifSID = some(strconv.Itoa(r.matchedSID))
		}
	}
	r.group, r.comment, r.lists = d.group.s, d.comment.s, d.lists
	r.attack, r.tactics = d.mitre.techniques, d.mitre.pairs
	if err := l.compileRule(d); err != nil {
		return err
	}
	l.addRule(r)
	return nil
}

func (l *loader) addRule(r *rule) {
	switch known := l.rulesByID[r.id]; {
	case r.id < firstChildID:
		l.set.roots = insert(l.set.roots, r)
	case r.overwrite:
		l.replace(known, r)
		return
	case !l.place(r):
		return
	}
	r.index = len(l.set.rules)
	l.set.rules = append(l.set.rules, r)
	l.rulesByID[r.id] = r
	l.linkMemory(r)
}

// linkMemory tells a composite where to search, and the rules it counts to remember. Only rules
// that are loaded already are told.
func (l *loader) linkMemory(r *rule) {
	switch {
	case r.matchedSID != 0:
		r.search = searchSID
		visit(l.set.roots, func(p *rule) {
			if p.id == r.matchedSID {
				p.remembers = true
				r.source = p
			}
		})
	case r.matchedGroup != nil:
		r.search = searchGroup
		visit(l.set.roots, func(p *rule) {
			if r.matchedGroup.MatchString(p.group) {
				p.rememberers = append(p.rememberers, r)
			}
		})
	case r.context && r.diff:
		r.context = false
	case r.context:
		r.search = searchAll
	}
}

// replace gives a loaded rule the contents of one with overwrite="yes". Its place in the tree
// and what it counts stay (OS_AddRuleInfo).
func (l *loader) replace(known, r *rule) {
	keep := func(option string, differs bool) {
		if differs {
			l.warn("(7605): It is not possible to overwrite '%s' value in rule '%d'. The original value is retained.", option, r.id)
		}
	}
	keep("if_sid", r.ifSID.has && r.matchedSID == 0 && r.ifSID != known.ifSID)
	// The loaded rule's <if_group> has been freed by then (rules.c, behind OS_AddChild), so that any
	// is said to differ, the same one too.
	keep("if_group", r.ifGroup.has && r.matchedGroup == nil)
	keep("if_level", r.ifLevel.has && r.ifLevel != known.ifLevel)
	keep("if_matched_group", r.matchedGroup != nil && r.matchedGroupText != known.matchedGroupText)
	keep("if_matched_sid", r.matchedSID != 0 && r.matchedSID != known.matchedSID)

	r.index = known.index
	r.ifSID, r.ifGroup, r.ifLevel = known.ifSID, known.ifGroup, known.ifLevel
	r.matchedSID, r.matchedGroup, r.matchedGroupText = known.matchedSID, known.matchedGroup, known.matchedGroupText
	r.search, r.source, r.remembers, r.rememberers = known.search, known.source, known.remembers, known.rememberers
	*known = *r
}

// testOrder is the order in which analysisd tries the tests of a rule.
var testOrder = [...]string{
	"program_name", "id", "system_name", "protocol", "match", "regex", "action", "url", "location", "field",
	"srcip", "dstip", "srcport", "dstport", "user", "srcgeoip", "dstgeoip", "data", "extra_data", "hostname", "status",
}

func (l *loader) compileRule(d *ruleDraft) error {
	for _, name := range compileOrder[:firstBehindMatched] {
		if err := l.compileTest(d, name); err != nil {
			return err
		}
	}
	if err := l.compileMatched(d); err != nil {
		return err
	}
	for _, name := range compileOrder[firstBehindMatched:] {
		if err := l.compileTest(d, name); err != nil {
			return err
		}
	}
	fields := d.conditions
	d.conditions = nil
	for _, name := range testOrder {
		if name == "field" {
			d.conditions = append(d.conditions, fields...)
			continue
		}
		p := d.texts[name]
		if p == nil || p.x == nil {
			continue
		}
		c := testSource(name)
		c.x = p.x
		c.x.negate = p.negate
		d.conditions = append(d.conditions, c)
	}
	return nil
}

// compileOrder is the order in which analysisd compiles the tests of a rule: of several faulty ones
// it names the first. <if_matched_group> and <if_matched_regex> come before the last two.
var compileOrder = [...]string{
	"regex", "match", "id", "srcport", "dstport", "status", "hostname", "data", "extra_data", "program_name", "user",
	"srcgeoip", "dstgeoip", "url", "location", "action", "srcip", "dstip", "protocol", "system_name",
}

const firstBehindMatched = len(compileOrder) - 2

func (l *loader) compileTest(d *ruleDraft, name string) error {
	p := d.texts[name]
	if p == nil || p.x != nil || !p.text.has {
		return nil
	}
	x, err := l.compiler.compile(p.lang, p.text.s, false)
	if err != nil {
		tag := name
		if name == "protocol" {
			tag = p.text.s
		}
		return l.refuse("(5107): Syntax error on tag '%s' in rule %d", tag, d.id)
	}
	p.x = x
	return nil
}

// compileMatched compiles what a composite looks for in earlier events.
func (l *loader) compileMatched(d *ruleDraft) error {
	var err error
	if d.matchedGroup.has {
		d.matchedGroupText = d.matchedGroup.s
		if d.rule.matchedGroup, err = osregex.CompileMatch(d.matchedGroup.s); err != nil {
			return l.refuse("(1450): Syntax error on regex: '%s': %d.", d.matchedGroup.s, 0)
		}
	}
	if d.matchedRegex.has {
		if d.rule.matchedRegex, err = osregex.Compile(d.matchedRegex.s, false); err != nil {
			return l.refuse("(1450): Syntax error on regex: '%s': %d.", d.matchedRegex.s, 0)
		}
	}
	return nil
}

// testSource says what a test looks at.
func testSource(name string) condition {
	switch name {
	case "match", "regex":
		return condition{from: ofLog}
	case "user":
		return condition{from: ofUser}
	}
	f, _ := staticNamed(name)
	return condition{from: ofStatic, static: f}
}

// staticNamed finds a static field by the name that rules use.
func staticNamed(name string) (static, bool) {
	switch name {
	case "id":
		return eventID, true
	case "system_name":
		return systemName, true
	case "location":
		return location, true
	case "program_name":
		return programName, true
	case "hostname":
		return hostname, true
	case "srcgeoip":
		return srcGeoIP, true
	case "dstgeoip":
		return dstGeoIP, true
	case "systemname":
		return 0, false
	}
	return jsonStatic(name)
}
