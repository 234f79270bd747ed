package analysisd

import (
	"strings"

	"custom-vault/lab/osregex"
	"custom-vault/lab/osxml"
)

// ruleElement reads one element of a rule.
func (l *loader) ruleElement(d *ruleDraft, e *osxml.Element) error {
	name := strings.ToLower(e.Name)
	switch name {
	case "match", "regex", "id", "srcport", "dstport", "status", "hostname", "data", "extra_data", "program_name", "action",
		"system_name", "protocol", "location", "url", "user", "srcgeoip", "dstgeoip":
		l.ruleTest(d, name, e)
	case "srcip", "dstip":
		return l.ruleAddress(d, name, e)
	case "field":
		return l.ruleField(d, e)
	case "list":
		return l.ruleList(d, e)
	case "decoded_as":
		if d.decodedAs = l.decoderID[e.Content]; d.decodedAs == 0 {
			return l.refuse("Invalid decoder name: '%s'.", e.Content)
		}
	case "cve":
		d.cve = l.concat(d.cve, e.Content, maxRuleText)
	case "info":
		l.ruleInfo(e)
		d.info = l.concat(d.info, e.Content, maxRuleText)
	case "group":
		// Newlines would tear groups apart.
		d.group = l.concat(d.group, e.Content, maxRuleText)
		d.group.s = strings.ReplaceAll(d.group.s, "\n", "")
	case "description":
		d.comment = l.concat(d.comment, strings.Replace(e.Content, "\n", " ", 1), maxRuleText)
	case "category":
		switch e.Content {
		case "firewall", "ids", "syslog", "web-log", "squid", "windows", "ossec":
			d.category = category(e.Content)
		default:
			return l.refuseAtOnce("(1273): Invalid category '%s' chosen.", e.Content)
		}
	case "options":
		return l.ruleOption(d, e)
	case "mitre":
		l.ruleMitre(d, e)
	case "ignore", "check_if_ignored":
		// Without effect: analysisd compares the line that it looks for with lines that still
		// have their newline (fts.c:220-275).
		for _, field := range strings.SplitN(e.Content, ",", l.set.maxFields) {
			if firstWord(field) == "" {
				return l.refuse("Wrong %s option: '%s'", name, e.Content)
			}
		}
	case "time", "weekday", "if_fts", "check_diff", "compiled_rule":
		return l.ruleCircumstance(d, name, e)
	default:
		return l.ruleContext(d, name, e)
	}
	return nil
}

// ruleCircumstance reads tests that ask for more than one field of the event.
func (l *loader) ruleCircumstance(d *ruleDraft, name string, e *osxml.Element) error {
	switch name {
	case "time":
		when, ok := parseDayTime(e.Content, func(rest string) { _ = l.refuseAtOnce("(1240): Invalid time format: '%s'.", rest) })
		if !ok {
			return l.invalid(e)
		}
		d.dayTime = &when
	case "weekday":
		var ok bool
		if d.days, ok = parseDays(e.Content); !ok {
			_ = l.refuse("(1241): Invalid day format: '%s'.", e.Content)
			return l.invalid(e)
		}
	case "if_fts":
		d.fts = true
	case "check_diff":
		d.diff, d.context = true, true
	case "compiled_rule":
		var ok bool
		if d.compiled, ok = compiledNamed(e.Content); !ok {
			_ = l.refuse("Compiled rule not found: '%s'", e.Content)
			return l.invalid(e)
		}
	}
	return nil
}

// invalid refuses an element for its content (INVALID_CONFIG).
func (l *loader) invalid(e *osxml.Element) error {
	return l.refuse("(1274): Invalid configuration. Element '%s': %s.", e.Name, e.Content)
}

func (l *loader) ruleTest(d *ruleDraft, name string, e *osxml.Element) {
	p := d.texts[name]
	if p == nil {
		p = &pattern{}
		d.texts[name] = p
	}
	p.text = l.concat(p.text, e.Content, maxRuleText)
	p.negate = l.negated(e, d.id)
	fallback := osMatch
	switch name {
	case "regex":
		fallback = osRegex
	case "action":
		fallback = exact
	}
	p.lang = l.ruleLanguage(e, fallback, d.id)
}

func (l *loader) negated(e *osxml.Element, id int) bool {
	value, has := e.Attribute("negate")
	switch {
	case !has || strings.EqualFold(value, "no"):
		return false
	case strings.EqualFold(value, "yes"):
		return true
	}
	l.warn("(7600): Invalid value '%s' for attribute 'negate' in rule %d.", value, id)
	return false
}

func (l *loader) ruleLanguage(e *osxml.Element, fallback language, id int) language {
	name, has := e.Attribute("type")
	if !has {
		return fallback
	}
	lang, ok := languageNamed(name)
	if !ok {
		l.warn("(7600): Invalid value '%s' for attribute 'type' in rule %d.", name, id)
		return fallback
	}
	return lang
}

func (l *loader) ruleAddress(d *ruleDraft, name string, e *osxml.Element) error {
	p := d.texts[name]
	if p == nil {
		p = &pattern{x: &expression{language: addresses}}
		d.texts[name] = p
	}
	net, ok := parseNetwork(e.Content)
	if !ok {
		return l.refuse("(1237): Invalid ip address: '%s'.", e.Content)
	}
	p.x.nets = append(p.x.nets, net)
	p.negate = l.negated(e, d.id)
	return nil
}

// ruleField reads a <field>. Names of static fields are refused, some by another spelling only.
func (l *loader) ruleField(d *ruleDraft, e *osxml.Element) error {
	if len(d.conditions) >= l.set.maxFields {
		return l.refuse("Rule %d has exceeded the maximum number of allowed fields", d.id)
	}
	name, has := e.Attribute("name")
	if !has {
		if len(e.Attributes) == 0 {
			return errRefused
		}
		return l.refuse("Failure to read rule %d. No such attribute 'name' for field.", d.id)
	}
	switch strings.ToLower(name) {
	case "srcip", "dstip", "srcgeoip", "dstgeoip", "srcport", "dstport", "user", "srcuser", "dstuser", "url", "id", "data",
		"extra_data", "status", "protocol", "system_name", "action":
		return l.refuse("Failure to read rule %d. Field '%s' is static.", d.id, name)
	}
	x, err := l.compiler.compile(l.ruleLanguage(e, osRegex, d.id), e.Content, false)
	if err != nil {
		return l.refuse("(5107): Syntax error on tag '%s' in rule %d", name, d.id)
	}
	x.negate = l.negated(e, d.id)
	d.conditions = append(d.conditions, condition{from: ofField, field: l.fieldNumber(name), x: x})
	return nil
}

// fieldNumber gives a name of dynamic fields its number.
func (l *loader) fieldNumber(name string) int {
	key := lowerASCII(name)
	n, ok := l.set.fieldNames[key]
	if !ok {
		n = len(l.set.fieldNames)
		l.set.fieldNames[key] = n
	}
	return n
}

func (l *loader) ruleList(d *ruleDraft, e *osxml.Element) error {
	invalid := func() error { return l.invalid(e) }
	if len(e.Attributes) == 0 {
		_ = l.refuse("List must have a correctly formatted field attribute")
		return invalid()
	}
	c := listCondition{}
	asked := false
	for _, a := range e.Attributes {
		switch strings.ToLower(a.Name) {
		case "lookup":
			kind, ok := lookupNamed(a.Value)
			if !ok {
				_ = invalid()
				return l.refuse("List match lookup=\"%s\" is not valid.", a.Value)
			}
			c.lookup = kind
		case "field":
			asked = true
			l.listField(&c, a.Value)
		case "check_value":
			value, err := osregex.CompileMatch(a.Value)
			if err != nil {
				_ = invalid()
				return l.refuse("(1450): Syntax error on regex: '%s': %d.", a.Value, 0)
			}
			c.value = value
		default:
			_ = l.refuse("List field=\"%s\" is not valid", a.Value)
			return invalid()
		}
	}
	if !asked {
		_ = l.refuse("List requires the field=\"\" attribute")
		return invalid()
	}
	entries, declared := l.lists[strings.TrimSuffix(e.Content, ".cdb")]
	if !declared {
		l.warn("(7616): List '%s' could not be loaded. Rule '%d' will be ignored.", e.Content, d.id)
		d.skip = true
		return nil
	}
	c.entries = entries
	d.lists = append(d.lists, c)
	return nil
}

func (l *loader) listField(c *listCondition, name string) {
	switch key := strings.ToLower(name); key {
	case "user":
		c.user = true
		return
	case "srcip", "srcport", "dstip", "dstport", "url", "id", "hostname", "program_name", "status", "action", "protocol",
		"system_name", "data", "extra_data":
		c.static, _ = staticNamed(key)
		return
	}
	c.dynamic, c.field = true, l.fieldNumber(firstWord(name))
}

func lookupNamed(name string) (lookup, bool) {
	switch strings.ToLower(name) {
	case "match_key":
		return matchKey, true
	case "not_match_key":
		return notMatchKey, true
	case "match_key_value":
		return matchKeyValue, true
	case "address_match_key":
		return addressKey, true
	case "not_address_match_key":
		return notAddressKey, true
	case "address_match_key_value":
		return addressKeyValue, true
	}
	return 0, false
}

// ruleInfo checks the first attribute of <info>, which changes nothing.
func (l *loader) ruleInfo(e *osxml.Element) {
	if len(e.Attributes) == 0 {
		return
	}
	a := e.Attributes[0]
	if !strings.EqualFold(a.Name, "type") {
		_ = l.refuse("rules_op: Element info has invalid attribute \"%s\"", a.Name)
		return
	}
	switch a.Value {
	case "text", "link", "cve", "osvdb":
	default:
		_ = l.refuse("rules_op: Element info attribute \"%s\" has invalid value \"%s\"", a.Name, a.Value)
	}
}

func (l *loader) ruleOption(d *ruleDraft, e *osxml.Element) error {
	switch e.Content {
	case "alert_by_email":
		d.mailAlert = always
	case "no_email_alert":
		d.takeBack(&d.mailAlert, &d.counterWithMail)
	case "log_alert":
		d.logAlert = always
	case "no_log":
		d.takeBack(&d.logAlert, &d.counterWithLog)
	case "no_ar":
		d.noActiveResponse = true
	case "no_full_log":
		d.noFullLog = true
	case "no_counter":
		d.noCounter, d.counterWithMail, d.counterWithLog = true, false, false
	default:
		_ = l.refuse("(1235): Invalid value for element 'options': %s.", e.Content)
		return l.refuse("Invalid option '%s' for rule '%d'.", e.Name, d.id)
	}
	return nil
}

// takeBack turns off an option that is set, by itself or by the level. The mask of the C code (0xfff
// less its bit) takes no_counter with it, whose bit is above: at once, or where the level has set the
// option.
func (d *ruleDraft) takeBack(option *choice, byLevelToo *bool) {
	switch *option {
	case always:
		d.noCounter = false
	case byLevel:
		*byLevelToo = d.noCounter
	case never:
	}
	*option = never
}

// ruleContext reads what ties a rule to others and to earlier events.
func (l *loader) ruleContext(d *ruleDraft, name string, e *osxml.Element) error {
	switch name {
	case "if_sid":
		d.ifSID = l.concat(d.ifSID, e.Content, maxRuleText)
	case "if_group":
		d.ifGroup = l.concat(d.ifGroup, e.Content, maxRuleText)
	case "if_level":
		if !isNumber(e.Content) {
			l.warn("(7609): Invalid 'if_level' value: '%s'. Rule '%d' will be ignored.", e.Content, d.id)
			d.skip = true
			return nil
		}
		d.ifLevel = l.concat(d.ifLevel, e.Content, maxRuleText)
	case "if_matched_regex":
		d.context = true
		d.matchedRegex = l.concat(d.matchedRegex, e.Content, maxRuleText)
	case "if_matched_group":
		d.context = true
		d.matchedGroup = l.concat(d.matchedGroup, e.Content, maxRuleText)
	case "if_matched_sid":
		d.context = true
		if !isNumber(e.Content) {
			l.warn("(7615): Invalid 'if_matched_sid' value: '%s'. Rule '%d' will be ignored.", e.Content, d.id)
			d.skip = true
			return nil
		}
		d.matchedSID = leadingInt(e.Content)
	case "global_frequency":
		d.global, d.withContext = true, true
	case "same_field":
		d.sameFields = append(d.sameFields, e.Content)
		d.withContext = true
	case "different_field", "not_same_field":
		d.differentKeys = append(d.differentKeys, e.Content)
		d.withContext = true
	case "same_agent", "not_same_agent":
		l.warn("Detected a deprecated field option for rule, %s is not longer available.", name)
	default:
		return l.ruleSame(d, name, e)
	}
	return nil
}

// ruleSame reads same_* and different_* of static fields.
func (l *loader) ruleSame(d *ruleDraft, name string, e *osxml.Element) error {
	set := &d.same
	what, ok := strings.CutPrefix(name, "same_")
	if !ok {
		set = &d.different
		if what, ok = strings.CutPrefix(name, "different_"); !ok {
			what, ok = strings.CutPrefix(name, "not_same_")
		}
	}
	f, known := sameNamed(what)
	if !ok || !known {
		return l.refuse("Invalid option '%s' for rule '%d'.", e.Name, d.id)
	}
	set.add(f)
	d.withContext = true
	return nil
}

func sameNamed(name string) (static, bool) {
	switch name {
	case "source_ip", "srcip":
		return srcIP, true
	case "src_port", "srcport":
		return srcPort, true
	case "dst_port", "dstport":
		return dstPort, true
	case "user":
		return dstUser, true
	case "hostname", "program_name", "systemname", "dstuser":
		return 0, false
	}
	return staticNamed(name)
}
