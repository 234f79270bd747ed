package analysisd

import (
	"strings"
	"time"
)

// static numbers the fields that Eventinfo has members for. The first seventeen stand in the
// order of its field_offset table, which same_* and different_* walk through.
type static int

const (
	srcIP static = iota
	eventID
	dstIP
	srcPort
	dstPort
	srcUser
	dstUser
	protocol
	action
	eventURL
	eventData
	extraData
	status
	systemName
	srcGeoIP
	dstGeoIP
	location
	programName
	hostname
	statics
)

// text is a string that may be absent.
type text struct {
	s   string
	has bool
}

func some(s string) text { return text{s, true} }

// field is a dynamic field.
type field struct{ key, value string }

// event is what Eventinfo is: one event with all that is known of it.
type event struct {
	at time.Time
	// buf holds the log twice, as the C buffer does: whole, and behind its NUL once more, cut
	// into pieces by further NULs. log is where the text for decoders and rules begins.
	buf string
	log int

	fullLog   string
	agentID   string
	timestamp text // of the syslog header
	static    [statics]text
	fields    []field
	byName    []int // place in fields by the ruleset's number of a name, plus one

	decoder      *decoder
	afterParent  text
	afterMatch   text
	rule         *rule
	prevRule     *rule
	comment      string
	firedTimes   int
	previousLog  text // what check_diff has compared the log with
	lastEvents   []string
	matched      int // the level of the composite that has used this event up
	logTextCache text
}

// cString is the text from an offset of buf to the next NUL.
func cString(buf string, from int) string {
	if from < 0 || from >= len(buf) {
		return ""
	}
	s := buf[from:]
	if i := strings.IndexByte(s, 0); i >= 0 {
		s = s[:i]
	}
	return s
}

// logText is the text that decoders and rules see.
func (ev *event) logText() string {
	if !ev.logTextCache.has {
		ev.logTextCache = some(cString(ev.buf, ev.log))
	}
	return ev.logTextCache.s
}

// at reads a byte of the buffer; beyond its ends there are NULs.
func at(buf string, i int) byte {
	if i < 0 || i >= len(buf) {
		return 0
	}
	return buf[i]
}

func (ev *event) set(f static, value string) { ev.static[f] = some(value) }

// find looks up a dynamic field by name, in any case; the first of a name counts (FindField).
func (ev *event) find(name string) (string, bool) {
	for i := range ev.fields {
		if equalFold(ev.fields[i].key, name) {
			return ev.fields[i].value, true
		}
	}
	return "", false
}

// lookup finds a dynamic field by the ruleset's number of its name.
func (ev *event) lookup(number int) (string, bool) {
	if i := ev.byName[number]; i > 0 {
		return ev.fields[i-1].value, true
	}
	return "", false
}

// index prepares lookup, once the event is decoded.
func (ev *event) index(names map[string]int) {
	ev.byName = make([]int, len(names))
	for i := range ev.fields {
		if n, ok := names[lowerASCII(ev.fields[i].key)]; ok && ev.byName[n] == 0 {
			ev.byName[n] = i + 1
		}
	}
}

// equalFold compares in any case, ASCII only, as strcasecmp does in the C locale.
func equalFold(a, b string) bool {
	return len(a) == len(b) && lowerASCII(a) == lowerASCII(b)
}

func lowerASCII(s string) string {
	for i := 0; i < len(s); i++ {
		if 'A' <= s[i] && s[i] <= 'Z' {
			b := []byte(s)
			for ; i < len(b); i++ {
				if 'A' <= b[i] && b[i] <= 'Z' {
					b[i] += 'a' - 'A'
				}
			}
			return string(b)
		}
	}
	return s
}
