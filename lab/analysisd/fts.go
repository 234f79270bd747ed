package analysisd

import "strings"

// ftsKey says which fields of an event make up what is seen for the first time: the <fts> of a
// decoder. The zero value stands for no <fts>.
type ftsKey struct {
	set      bool
	statics  fieldSet
	dynamics []string // in the order of the decoder's <order>
}

const (
	// maxSeen is the length of a line of fts-queue, in bytes (OS_FLSIZE).
	maxSeen = 256
	// seenIDS is how many lines are kept to compare events of type ids with
	// (analysisd.fts_list_size as shipped).
	seenIDS = 32
	// similar is the least common beginning that makes two lines alike, in bytes
	// (analysisd.fts_min_size_for_str as shipped).
	similar = 14
)

// ftsStatic finds a field by the name that <fts> uses. The decoder's own name and the location
// have no place among the others.
func ftsStatic(name string) (static, bool) {
	switch name {
	case "dstuser", "user":
		return dstUser, true
	case "srcuser", "srcip", "dstip", "id", "data", "system_name", "location":
		return staticNamed(name)
	case "extra_data":
		return eventData, true
	}
	return 0, false
}

// decoderFTS reads <fts>. Other names than those of static fields must stand in an <order> before.
func (l *loader) decoderFTS(d *decoderDraft, content string) error {
	wrong := func(raw string) error {
		return l.refuse("decode-xml: Wrong field '%s' in the fts decoder '%s'", raw, d.name)
	}
	chosen := map[string]bool{}
	for _, raw := range strings.SplitN(content, ",", l.set.maxFields) {
		name := firstWord(raw)
		f, known := ftsStatic(name)
		switch {
		case name == "":
			return wrong(raw)
		case known:
			d.fts.statics.add(f)
			d.fts.set = true
		case name == "name":
			d.fts.set = true
		case d.order != nil:
			field, ok := d.leadingDynamic(name)
			if !ok {
				return wrong(raw)
			}
			chosen[field] = true
			d.fts.set = true
		}
	}
	for _, o := range d.order {
		if o.dynamic && chosen[o.name] {
			d.fts.dynamics = append(d.fts.dynamics, o.name)
		}
	}
	return nil
}

// leadingDynamic looks for a dynamic field among those at the beginning of the order: the search
// of the C code ends at the first static one.
func (d *decoderDraft) leadingDynamic(name string) (string, bool) {
	for _, o := range d.order {
		if !o.dynamic {
			break
		}
		if equalFold(o.name, name) {
			return o.name, true
		}
	}
	return "", false
}

// firstWord leaves out the blanks before a name and all behind it.
func firstWord(raw string) string {
	name := strings.TrimLeft(raw, " ")
	if i := strings.IndexByte(name, ' '); i >= 0 {
		name = name[:i]
	}
	return name
}

// firstTime reports whether an event is seen for the first time, and notes it (FTS in fts.c).
func (e *Engine) firstTime(ev *event) bool {
	if !ev.decoder.fts.set {
		return false
	}
	line := ev.ftsLine()
	if e.seen[line] {
		return false
	}
	if ev.decoder.category == "ids" {
		alike := 0
		for i := len(e.seenIDS) - 1; i >= 0; i-- {
			if commonPrefix(e.seenIDS[i], line) > similar {
				alike++
			}
			if alike > 2 {
				line = line[:similar]
				break
			}
		}
		if e.seen[line] {
			return false
		}
		e.seenIDS = append(e.seenIDS, line)
		if len(e.seenIDS) > seenIDS {
			e.seenIDS = e.seenIDS[1:]
		}
	}
	e.seen[line] = true
	return true
}

func commonPrefix(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

func (ev *event) ftsLine() string {
	d := ev.decoder
	parts := []string{d.name}
	for _, f := range [...]static{eventID, dstUser, srcUser, srcIP, dstIP, eventData, systemName, location} {
		part := ""
		if d.fts.statics.has(f) {
			part = ev.static[f].s
		}
		parts = append(parts, part)
	}
	line := strings.Join(parts, " ")
	line = line[:min(len(line), maxSeen-1)]
	for _, name := range d.fts.dynamics {
		if value, ok := ev.find(name); ok {
			line += " " + value
		}
	}
	return line[:min(len(line), maxSeen)]
}
