package analysisd

import (
	"errors"
	"io/fs"
	"strings"

	"custom-vault/lab/osregex"
)

// lookup is how a list is asked.
type lookup int

const (
	matchKey lookup = iota
	notMatchKey
	matchKeyValue
	addressKey
	notAddressKey
	addressKeyValue
)

// listCondition is one <list> of a rule.
type listCondition struct {
	lookup  lookup
	entries map[string]string
	value   *osregex.Match
	user    bool   // asks srcuser, else dstuser
	static  static // asked if neither user nor dynamic
	dynamic bool
	field   int
}

// loadLists reads the declared lists. One that cannot be read is left out with a warning.
func (l *loader) loadLists() {
	for _, name := range l.src.Lists {
		name, _, _ = strings.Cut(name, ".cdb") // it may be that of the compiled list (Lists_OP_LoadList)
		data, err := fs.ReadFile(l.src.Files, name)
		if err != nil {
			number, reason := 5, "Input/output error"
			if errors.Is(err, fs.ErrNotExist) {
				number, reason = 2, "No such file or directory"
			}
			l.warn("(1103): Could not open file '%s' due to [(%d)-(%s)].", name, number, reason)
			continue
		}
		l.lists[name] = parseList(string(data))
	}
}

// parseList reads "key:value" lines. Keys and values may be quoted, keys with a colon must be.
// Lines without a colon are passed over; of a repeated key the first counts.
func parseList(data string) map[string]string {
	entries := map[string]string{}
	for line := range strings.Lines(data) {
		if i := strings.IndexAny(line, "\r\n"); i >= 0 {
			line = line[:i]
		}
		key, value, ok := listLine(line)
		if !ok {
			continue
		}
		if _, known := entries[key]; !known {
			entries[key] = value
		}
	}
	return entries
}

func listLine(line string) (key, value string, ok bool) {
	quote, colon := strings.IndexByte(line, '"'), strings.IndexByte(line, ':')
	rest := line
	quoted := quote >= 0 && colon > quote
	if quoted {
		if key, rest, ok = strings.Cut(line[quote+1:], `"`); !ok {
			return "", "", false
		}
	}
	before, value, ok := strings.Cut(rest, ":")
	if !ok {
		return "", "", false
	}
	if !quoted {
		key = before
	}
	if i := strings.IndexByte(value, '"'); i >= 0 {
		if value, _, ok = strings.Cut(value[i+1:], `"`); !ok {
			return "", "", false
		}
	}
	return key, value, true
}

// holds reports whether the list answers as the rule wants. An absent field fails every lookup.
func (c *listCondition) holds(ev *event) bool {
	var t text
	switch {
	case c.user:
		t = ev.static[srcUser]
		if !t.has {
			t = ev.static[dstUser]
		}
	case c.dynamic:
		t.s, t.has = ev.lookup(c.field)
	default:
		t = ev.static[c.static]
	}
	return t.has && c.answer(t.s)
}

func (c *listCondition) answer(key string) bool {
	switch c.lookup {
	case matchKey:
		_, ok := c.entries[key]
		return ok
	case notMatchKey:
		_, ok := c.entries[key]
		return !ok
	case matchKeyValue:
		value, ok := c.entries[key]
		return ok && c.value != nil && c.value.MatchString(value)
	case addressKey:
		_, ok := c.address(key)
		return ok
	case notAddressKey:
		_, ok := c.address(key)
		return !ok
	case addressKeyValue:
		// Inverted in 4.14: it holds when the value does not match (lists_list.c:308).
		value, ok := c.address(key)
		return !ok || c.value == nil || !c.value.MatchString(value)
	}
	return false
}

// address finds an address or the longest beginning of it that ends with a dot.
func (c *listCondition) address(key string) (string, bool) {
	if value, ok := c.entries[key]; ok {
		return value, true
	}
	for i := len(key) - 1; i >= 0; i-- {
		if key[i] == '.' {
			if value, ok := c.entries[key[:i+1]]; ok {
				return value, true
			}
		}
	}
	return "", false
}
