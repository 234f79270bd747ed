package analysisd

// offset says where in the log a regex or plugin begins to read.
type offset int

const (
	fromStart offset = iota
	afterParent
	afterPrematch
	afterRegex
)

// category is the type of a decoder and the category of a rule, which must agree at the root of
// the tree.
type category string

const syslog category = "syslog"

// decoder is one <decoder>. After loading it is not changed.
type decoder struct {
	name, parent string
	id           int // its number in the ruleset; children share their parent's
	category     category

	program, prematch, regex *expression
	prematchOffset           offset
	regexOffset              offset
	order                    []orderField

	plugin       bool // JSON_Decoder
	pluginOffset offset
	discardNull  bool
	csvArrays    bool

	useOwnName bool
	fts        ftsKey
	ftsComment string
	accumulate bool

	// another says that a child of the same name follows, whose regex is tried as well.
	another  bool
	children []*decoder
}

// orderField is where a group of a regex goes.
type orderField struct {
	name    string
	static  static
	dynamic bool
}

// decode finds the decoder of an event and has it fill the fields (DecodeEvent). It returns
// what analysisd logs.
func (e *Engine) decode(ev *event) {
	list := e.rules.plainDecoders
	if ev.static[programName].has {
		list = e.rules.programDecoders
	}
	for _, d := range list {
		end, ok := d.takes(ev)
		if !ok {
			continue
		}
		ev.decoder = d
		ev.afterMatch = some(cString(ev.buf, end))
		e.decodeWith(ev, d, end)
		return
	}
}

// takes reports whether a decoder at the top takes the event, and where its prematch ended.
func (d *decoder) takes(ev *event) (end int, ok bool) {
	if ev.static[programName].has {
		if !d.program.matches(ev.static[programName].s) {
			return 0, false
		}
		end = ev.log
	}
	if d.prematch != nil {
		return ev.matchFrom(d.prematch, ev.log, end)
	}
	return end, true
}

// matchFrom matches the text that begins at an offset of the buffer, and tells the offset behind
// the match. An osMatch does not tell: the offset before counts on.
func (ev *event) matchFrom(x *expression, from, before int) (end int, ok bool) {
	last, has, _, ok := x.find(cString(ev.buf, from))
	if !ok {
		return 0, false
	}
	if !has {
		return before, true
	}
	return ev.behind(from + last), true
}

// behind steps over the last byte of a match, unless it is a NUL. It may be the one before the
// text, where a match that took nothing ends.
func (ev *event) behind(last int) int {
	if at(ev.buf, last) != 0 {
		return last + 1
	}
	return last
}

// decodeWith runs the children of a decoder, or the decoder itself if it has none.
func (e *Engine) decodeWith(ev *event, parent *decoder, parentEnd int) {
	group := []*decoder{parent}
	childEnd := parentEnd
	if len(parent.children) > 0 {
		var first int
		first, childEnd = ev.firstChild(parent, parentEnd)
		if first < 0 {
			return
		}
		group = parent.children[first:]
	}
	regexEnd, matched := 0, false
	for i, d := range group {
		switch {
		case d.plugin:
			e.decodeJSON(ev)
		case d.regex != nil:
			from := ev.log
			switch d.regexOffset {
			case afterParent:
				from = parentEnd
			case afterPrematch:
				from = childEnd
			case afterRegex:
				from = childEnd
				if matched {
					from = regexEnd
				}
			case fromStart:
			}
			last, _, groups, ok := d.regex.find(cString(ev.buf, from))
			if !ok {
				if d.another && i+1 < len(group) {
					continue
				}
				return
			}
			regexEnd, matched = ev.behind(from+last), true
			if len(ev.fields) >= e.rules.maxFields {
				e.log("ERROR: Regex has too many groups.")
				return
			}
			ev.fill(d, groups, e.rules.maxFields)
		default:
			return
		}
		if !d.another {
			return
		}
	}
}

// firstChild finds the child to begin with: the first without prematch, or whose prematch
// matches. Of several regexes under one name, those behind the first are passed over together.
func (ev *event) firstChild(parent *decoder, parentEnd int) (index, end int) {
	for i := 0; i < len(parent.children); i++ {
		d := parent.children[i]
		if d.prematch == nil {
			return i, parentEnd
		}
		from := ev.log
		if d.prematchOffset == afterParent {
			from = parentEnd
		}
		if end, ok := ev.matchFrom(d.prematch, from, parentEnd); ok {
			ev.decoder = d
			ev.afterParent = some(cString(ev.buf, parentEnd))
			ev.afterMatch = some(cString(ev.buf, end))
			return i, end
		}
		for parent.children[i].another {
			i++
			if i == len(parent.children) {
				return -1, 0
			}
		}
	}
	return -1, 0
}

// fill puts the groups of a regex where the order says.
func (ev *event) fill(d *decoder, groups []string, maxFields int) {
	for i, value := range groups {
		if i >= len(d.order) {
			return
		}
		switch o := d.order[i]; {
		case !o.dynamic:
			ev.set(o.static, value)
		case len(ev.fields) < maxFields:
			ev.fields = append(ev.fields, field{o.name, value})
		}
	}
}
