package analysisd

import (
	"strings"

	"custom-vault/lab/osxml"
)

// maxDecoderText is the longest text of a decoder's pattern, in bytes.
const maxDecoderText = 1024

// localDecoders is the one file of decoders that may be empty (XML_LDECODER).
const localDecoders = "etc/decoders/local_decoder.xml"

// loadDecoders reads one file (ReadDecodeXML). An empty file is an error.
func (l *loader) loadDecoders(f file) error {
	roots, err := l.readXML(f)
	if err != nil {
		return err
	}
	if len(f.data) == 0 && f.label == localDecoders {
		return nil
	}
	if len(f.data) == 0 {
		return errRefused
	}
	if len(roots) == 0 && f.label == localDecoders {
		return nil
	}
	if len(roots) == 0 {
		return l.refuse("(1231): Invalid NULL element in the configuration.")
	}
	for _, root := range roots {
		if err := l.loadDecoder(root); err != nil {
			return err
		}
	}
	return nil
}

// decoderDraft is a decoder being read, with the texts of its patterns.
type decoderDraft struct {
	*decoder
	regex, prematch, program             text
	regexLang, prematchLang, programLang language
	parent, comment                      text
}

// join appends a text to another. A first text of 1024 bytes and more is dropped with an error, and
// so is the whole when it would not fit with its NUL (_loadmemory in decode-xml.c).
func (l *loader) join(have text, add string) text {
	if !have.has && len(add) < maxDecoderText || have.has && len(have.s)+len(add) < maxDecoderText {
		return some(have.s + add)
	}
	_ = l.refuse("(1104): Maximum string size reached for: %s.", add)
	return text{}
}

func (l *loader) loadDecoder(root *osxml.Element) error {
	attrs := root.Attributes
	if !strings.EqualFold(root.Name, "decoder") || len(attrs) == 0 || !strings.EqualFold(attrs[0].Name, "name") ||
		len(attrs) > 1 && !strings.EqualFold(attrs[1].Name, "status") || len(attrs) > 2 {
		return l.refuse("(1230): Invalid element in the configuration: '%s'.", root.Name)
	}
	if len(root.Children) == 0 {
		return l.refuse("(1231): Invalid NULL element in the configuration.")
	}
	d := &decoderDraft{decoder: &decoder{name: attrs[0].Value, category: syslog}, programLang: osMatch}
	if l.decoderID[d.name] == 0 {
		l.decoderID[d.name] = len(l.decoderID) + 1
	}
	for _, e := range root.Children {
		if err := l.decoderElement(d, e); err != nil {
			return err
		}
	}
	d.decoder.parent = d.parent.s
	if err := l.checkDecoder(d); err != nil {
		return err
	}
	if err := l.compileDecoder(d); err != nil {
		return err
	}
	if d.plugin && (d.decoder.regex != nil || d.order != nil) {
		return l.refuse("(2111): Additional data to plugin decoder: '%s'.", d.name)
	}
	if !l.addDecoder(d.decoder) {
		return l.refuse("(2106): Error adding decoder plugin.")
	}
	return nil
}

func (l *loader) decoderElement(d *decoderDraft, e *osxml.Element) error {
	switch strings.ToLower(e.Name) {
	case "parent":
		d.parent = l.join(d.parent, e.Content)
	case "regex":
		return l.decoderRegex(d, e)
	case "prematch":
		return l.decoderPrematch(d, e)
	case "program_name":
		d.programLang = l.decoderLanguage(d, e, osMatch, osMatch, osRegex, perl)
		d.program = l.join(d.program, e.Content)
	case "ftscomment":
		d.comment = l.join(d.comment, e.Content)
		d.ftsComment = d.comment.s
	case "use_own_name":
		d.useOwnName = d.useOwnName || e.Content == "true"
	case "plugin_decoder":
		return l.decoderPlugin(d, e)
	case "json_null_field":
		l.decoderNull(d, e)
	case "json_array_structure":
		d.csvArrays = strings.EqualFold(e.Content, "csv")
		if !d.csvArrays && !strings.EqualFold(e.Content, "array") {
			l.warn("(7602): Invalid value '%s' in '%s' option (decoder `%s`). Default value will be used.", e.Content, e.Name, d.name)
		}
	case "type":
		switch e.Content {
		case "firewall", "ids", "web-log", "syslog", "squid", "windows", "host-information", "ossec":
			d.category = category(e.Content)
		default:
			return l.refuse("Invalid decoder type '%s'.", e.Content)
		}
	case "order":
		return l.decoderOrder(d, e)
	case "fts":
		return l.decoderFTS(d, e.Content)
	case "accumulate":
		d.accumulate = true
	default:
		return l.refuse("Invalid element '%s' for decoder '%s'", e.Name, "decoder")
	}
	return nil
}

// decoderLanguage reads the attribute type; what is not allowed falls back with a warning.
func (l *loader) decoderLanguage(d *decoderDraft, e *osxml.Element, fallback language, allowed ...language) language {
	name, ok := e.Attribute("type")
	if !ok {
		return fallback
	}
	if lang, ok := languageNamed(name); ok {
		for _, a := range allowed {
			if a == lang {
				return lang
			}
		}
	}
	l.warn("(7601): Invalid value for attribute 'type' in '%s' option (decoder `%s`). Default value will be used.", strings.ToLower(e.Name), d.name)
	return fallback
}

func languageNamed(name string) (language, bool) {
	switch strings.ToLower(name) {
	case "osregex":
		return osRegex, true
	case "osmatch":
		return osMatch, true
	case "pcre2":
		return perl, true
	}
	return 0, false
}

// offsetOf reads the attribute offset; ok is false for an unknown one.
func offsetOf(e *osxml.Element) (o offset, ok bool) {
	name, has := e.Attribute("offset")
	if !has {
		return fromStart, true
	}
	switch strings.ToLower(name) {
	case "after_parent":
		return afterParent, true
	case "after_prematch":
		return afterPrematch, true
	case "after_regex":
		return afterRegex, true
	}
	return fromStart, false
}

func (l *loader) decoderRegex(d *decoderDraft, e *osxml.Element) error {
	o, ok := offsetOf(e)
	if !ok {
		l.warn("(7601): Invalid value for attribute 'offset' in 'regex' option (decoder `%s`). Default value will be used.", d.name)
	}
	if d.regex.has && o != fromStart {
		return l.duplicateOffset(d)
	}
	if o != fromStart {
		d.regexOffset = o
	}
	d.regexLang = l.decoderLanguage(d, e, osRegex, osRegex, perl)
	d.regex = l.join(d.regex, e.Content)
	return nil
}

func (l *loader) decoderPrematch(d *decoderDraft, e *osxml.Element) error {
	o, ok := offsetOf(e)
	if !ok {
		_ = l.refuse("(7601): Invalid value for attribute 'offset' in 'prematch' option (decoder `%s`). Default value will be used.", d.name)
	}
	if d.prematch.has && o != fromStart {
		return l.duplicateOffset(d)
	}
	if o != fromStart {
		d.prematchOffset = o
	}
	d.prematchLang = l.decoderLanguage(d, e, osRegex, osRegex, perl)
	d.prematch = l.join(d.prematch, e.Content)
	return nil
}

func (l *loader) duplicateOffset(d *decoderDraft) error {
	_ = l.refuse("(2109): Duplicated offsets for same regex: '%s'.", d.name)
	return l.badDecoder(d)
}

func (l *loader) badDecoder(d *decoderDraft) error {
	return l.refuse("(2107): Decoder configuration error: '%s'.", d.name)
}

func (l *loader) decoderPlugin(d *decoderDraft, e *osxml.Element) error {
	switch e.Content {
	case "JSON_Decoder":
	case "PF_Decoder", "SymantecWS_Decoder", "SonicWall_Decoder", "OSSECAlert_Decoder":
		return l.lack("the plugin %s of decoder '%s'", e.Content, d.name)
	default:
		return l.refuse("(2110): Invalid decoder argument for %s: '%s'.", e.Name, e.Content)
	}
	o, ok := offsetOf(e)
	if !ok {
		return l.badDecoder(d)
	}
	d.plugin, d.pluginOffset = true, o
	return nil
}

func (l *loader) decoderNull(d *decoderDraft, e *osxml.Element) {
	d.discardNull = false
	switch strings.ToLower(e.Content) {
	case "discard":
		d.discardNull = true
	case "string":
	case "empty":
		l.warn("(7603): Deprecated value '%s' in 'json_null_field' option (decoder `%s`). Default value will be used.", e.Content, d.name)
	default:
		l.warn("(7602): Invalid value '%s' in 'json_null_field' option (decoder `%s`). Default value will be used.", e.Content, d.name)
	}
}

// decoderOrder reads the names behind the groups of a regex. Their case counts.
func (l *loader) decoderOrder(d *decoderDraft, e *osxml.Element) error {
	names := strings.Split(e.Content, ",")
	if len(names) > l.set.maxFields {
		return l.refuse("Order has too many fields.")
	}
	d.order = nil
	for _, raw := range names {
		name := firstWord(raw)
		if name == "" {
			return l.refuse("decode-xml: Wrong field '%s' in the order of decoder '%s'", raw, d.name)
		}
		if f, ok := orderStatic(name); ok {
			d.order = append(d.order, orderField{static: f})
		} else {
			d.order = append(d.order, orderField{name: name, dynamic: true})
		}
	}
	return nil
}

func orderStatic(name string) (static, bool) {
	switch name {
	case "user":
		return dstUser, true
	case "system_name":
		return systemName, true
	case "systemname":
		return 0, false
	}
	return jsonStatic(name)
}

// checkDecoder checks what must stand together, and settles the offsets.
func (l *loader) checkDecoder(d *decoderDraft) error {
	child := d.parent.has
	switch {
	case !d.prematch.has && !child && !d.program.has:
		_ = l.refuse("(2108): No 'prematch' found in decoder: '%s'.", d.name)
		return l.badDecoder(d)
	case !d.regex.has && (d.fts.set || d.order != nil), d.regex.has && d.order == nil:
		return l.badDecoder(d)
	case d.regexOffset == afterParent && !child:
		return l.badOffset(d, "after_parent")
	}
	if d.regexOffset == afterPrematch {
		if !child {
			d.regexOffset = afterParent
		} else if !d.prematch.has {
			return l.badOffset(d, "after_prematch")
		}
	}
	switch {
	case d.regexOffset == afterRegex && (!child || !d.regex.has):
		return l.badOffset(d, "after_regex")
	case d.prematchOffset == afterParent && !child:
		return l.badOffset(d, "after_parent")
	case d.prematchOffset != fromStart && d.prematchOffset != afterParent:
		return l.badDecoder(d)
	case d.pluginOffset == afterParent && !child:
		return l.badOffset(d, "after_parent")
	case d.pluginOffset == afterPrematch && !d.prematch.has:
		return l.badOffset(d, "after_prematch")
	}
	return nil
}

func (l *loader) badOffset(d *decoderDraft, value string) error {
	_ = l.refuse("(2120): Invalid offset value: '%s'", value)
	return l.badDecoder(d)
}

func (l *loader) compileDecoder(d *decoderDraft) error {
	for _, x := range []struct {
		to       **expression
		lang     language
		text     text
		captures bool
	}{
		{&d.decoder.prematch, d.prematchLang, d.prematch, false},
		{&d.decoder.program, d.programLang, d.program, false},
		{&d.decoder.regex, d.regexLang, d.regex, true},
	} {
		if !x.text.has {
			continue
		}
		compiled, err := l.compiler.compile(x.lang, x.text.s, x.captures)
		if err != nil {
			_ = l.refuse("(1452): Syntax error on regex: '%s'", x.text.s)
			return l.badDecoder(d)
		}
		*x.to = compiled
	}
	return nil
}

// addDecoder puts a decoder into its list, or under every decoder at the top that has its
// parent's name.
func (l *loader) addDecoder(d *decoder) bool {
	if d.parent == "" {
		list := &l.set.plainDecoders
		if d.program != nil {
			list = &l.set.programDecoders
		}
		if d.regexOffset == afterRegex {
			_ = l.refuse("(2120): Invalid offset value: '%s'", d.name)
			_ = l.refuse("(2105): Error loading decoder options.")
			return false
		}
		*list = append(*list, d)
		return true
	}
	added := false
	for _, list := range [][]*decoder{l.set.programDecoders, l.set.plainDecoders} {
		for _, parent := range list {
			if parent.name != d.parent {
				continue
			}
			if !l.addChild(parent, d) {
				_ = l.refuse("(2105): Error loading decoder options.")
				return false
			}
			added = true
		}
	}
	if !added {
		_ = l.refuse("(2101): Parent decoder name invalid: '%s'.", d.parent)
	}
	return added
}

func (l *loader) addChild(parent, d *decoder) bool {
	follows := false
	for _, sibling := range parent.children {
		if sibling.name != d.name {
			continue
		}
		if (sibling.prematch != nil || sibling.regex != nil) && d.regexOffset != fromStart {
			follows = true
		}
		switch {
		case d.prematch != nil:
			_ = l.refuse("(2102): Duplicated decoder with prematch: '%s'.", d.name)
			return false
		case d.fts.set:
			_ = l.refuse("(2103): Duplicated decoder with fts set: '%s'.", d.name)
			return false
		case (sibling.regex == nil && !sibling.plugin) || (d.regex == nil && !d.plugin):
			_ = l.refuse("(2104): Invalid duplicated decoder: '%s'.", d.name)
			return false
		}
		sibling.another = true
	}
	if !follows && d.regexOffset == afterRegex {
		_ = l.refuse("(2120): Invalid offset value: '%s'", d.name)
		return false
	}
	parent.children = append(parent.children, d)
	return true
}

// ownDecoders are the names of decoders that are built into analysisd. Rules may ask for them, and
// no event of the lab's comes from them (SetDecodeXML).
var ownDecoders = [...]string{"rootcheck", "syscheck_integrity_changed", "syscheck_new_entry", "syscheck_deleted",
	"syscheck_registry_key_modified", "syscheck_registry_key_added", "syscheck_registry_key_deleted",
	"syscheck_registry_value_modified", "syscheck_registry_value_added", "syscheck_registry_value_deleted",
	"hostinfo_new", "hostinfo_modified", "syscollector", "ciscat", "windows_eventchannel", "sca"}

// numberDecoders gives children their parent's number and name. Both lists need a decoder: with
// one of them empty analysisd does not start.
func (l *loader) numberDecoders() bool {
	for _, name := range ownDecoders {
		if l.decoderID[name] == 0 {
			l.decoderID[name] = len(l.decoderID) + 1
		}
	}
	for _, list := range [][]*decoder{l.set.plainDecoders, l.set.programDecoders} {
		if len(list) == 0 {
			return false
		}
		for _, d := range list {
			d.id = l.decoderID[d.name]
			for _, child := range d.children {
				if child.useOwnName {
					child.id = l.decoderID[child.name]
				} else {
					child.id, child.name = d.id, d.name
				}
			}
		}
	}
	return true
}
