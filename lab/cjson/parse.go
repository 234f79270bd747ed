package cjson

import (
	"bytes"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

type parser struct {
	text []byte
	at   int
}

// space skips what cJSON takes for white space: every byte up to 32.
func (p *parser) space() {
	for p.at < len(p.text) && p.text[p.at] <= 32 {
		p.at++
	}
}

func (p *parser) word(word string) bool {
	if bytes.HasPrefix(p.text[p.at:], []byte(word)) {
		p.at += len(word)
		return true
	}
	return false
}

func (p *parser) value(depth int) (*Value, bool) {
	if p.at >= len(p.text) {
		return nil, false
	}
	switch c := p.text[p.at]; {
	case p.word("null"):
		return &Value{Kind: Null}, true
	case p.word("false"):
		return &Value{Kind: Bool}, true
	case p.word("true"):
		return &Value{Kind: Bool, Bool: true}, true
	case c == '"':
		s, ok := p.str()
		return &Value{Kind: String, String: s}, ok
	case c == '-' || c >= '0' && c <= '9':
		return p.number()
	case c == '[':
		return p.list(depth, ']')
	case c == '{':
		return p.list(depth, '}')
	}
	return nil, false
}

// maxNumber is how many bytes of a number cJSON looks at (number_c_string in parse_number of cJSON 1.7 has 64, one for the NUL).
const maxNumber = 63

// number hands what looks like one to strtod, which stops where the number does ("01" is 1, "1-2" is 1 followed by a mistake). What is behind the
// 63rd byte does not belong to it, so a longer one is a number followed by a mistake.
func (p *parser) number() (*Value, bool) {
	i := p.at
	end := min(len(p.text), p.at+maxNumber)
	digits := func() (n int) {
		for i < end && p.text[i] >= '0' && p.text[i] <= '9' {
			i++
			n++
		}
		return n
	}
	if p.text[i] == '-' {
		i++
	}
	n := digits()
	if i < end && p.text[i] == '.' {
		i++
		n += digits()
	}
	if n == 0 {
		return nil, false
	}
	if i < end && (p.text[i] == 'e' || p.text[i] == 'E') {
		before := i
		i++
		if i < end && (p.text[i] == '+' || p.text[i] == '-') {
			i++
		}
		if digits() == 0 {
			i = before
		}
	}
	// Out of range is ±Inf or 0, as strtod returns, and so does ParseFloat beside its error.
	d, _ := strconv.ParseFloat(string(p.text[p.at:i]), 64)
	p.at = i
	return &Value{Kind: Number, Number: d}, true
}

// list reads an array or an object.
func (p *parser) list(depth int, end byte) (*Value, bool) {
	if depth >= nestingLimit {
		return nil, false
	}
	v := &Value{Kind: Array}
	if end == '}' {
		v.Kind = Object
	}
	p.at++
	p.space()
	if p.at < len(p.text) && p.text[p.at] == end {
		p.at++
		return v, true
	}
	for {
		p.space()
		if !p.element(v, depth) {
			return nil, false
		}
		p.space()
		if p.at >= len(p.text) {
			return nil, false
		}
		c := p.text[p.at]
		p.at++
		if c == end {
			return v, true
		}
		if c != ',' {
			return nil, false
		}
	}
}

func (p *parser) element(v *Value, depth int) bool {
	name := ""
	if v.Kind == Object {
		if p.at >= len(p.text) || p.text[p.at] != '"' {
			return false
		}
		var ok bool
		if name, ok = p.str(); !ok {
			return false
		}
		p.space()
		if !p.word(":") {
			return false
		}
		p.space()
	}
	value, ok := p.value(depth + 1)
	if !ok {
		return false
	}
	if v.Kind == Object {
		v.Add(name, value)
	} else {
		v.Items = append(v.Items, value)
	}
	return true
}

// str reads a string: raw control characters and bytes that are no UTF-8 are taken as they are; \u0000 ends it, as it ends a C string.
func (p *parser) str() (string, bool) {
	p.at++
	end := p.closing()
	if end < 0 {
		return "", false
	}
	var out []byte
	for p.at <= end {
		switch c := p.text[p.at]; c {
		case '"':
			p.at++
			if i := bytes.IndexByte(out, 0); i >= 0 {
				out = out[:i]
			}
			return string(out), true
		case '\\':
			var ok bool
			if out, ok = p.escape(out, end); !ok {
				return "", false
			}
		default:
			out = append(out, c)
			p.at++
		}
	}
	return "", false
}

// closing finds the quote that ends the string at hand, or gives -1.
func (p *parser) closing() int {
	for i := p.at; i < len(p.text); i++ {
		switch p.text[i] {
		case '"':
			return i
		case '\\':
			i++
		}
	}
	return -1
}

// escape reads one escape of a string whose closing quote is at end.
func (p *parser) escape(out []byte, end int) ([]byte, bool) {
	c := p.text[p.at+1]
	p.at += 2
	switch c {
	case 'b':
		return append(out, '\b'), true
	case 'f':
		return append(out, '\f'), true
	case 'n':
		return append(out, '\n'), true
	case 'r':
		return append(out, '\r'), true
	case 't':
		return append(out, '\t'), true
	case '"', '\\', '/':
		return append(out, c), true
	case 'u':
		return p.unicode(out, end)
	}
	return nil, false
}

func (p *parser) unicode(out []byte, end int) ([]byte, bool) {
	first, ok := p.hex4(end)
	if !ok || first >= 0xDC00 && first <= 0xDFFF {
		return nil, false
	}
	if first < 0xD800 || first > 0xDBFF {
		return utf8.AppendRune(out, first), true
	}
	if !p.word(`\u`) {
		return nil, false
	}
	second, ok := p.hex4(end)
	if !ok || second < 0xDC00 || second > 0xDFFF {
		return nil, false
	}
	return utf8.AppendRune(out, utf16.DecodeRune(first, second)), true
}

// hex4 reads four digits. What is no digit makes them 0, and so a NUL that ends the string, instead of a mistake (parse_hex4 of cJSON 1.7).
func (p *parser) hex4(end int) (rune, bool) {
	if p.at+4 > end {
		return 0, false
	}
	n, err := strconv.ParseUint(string(p.text[p.at:p.at+4]), 16, 16)
	if err != nil {
		n = 0
	}
	p.at += 4
	return rune(n), true
}
