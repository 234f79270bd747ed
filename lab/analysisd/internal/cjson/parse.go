package cjson

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// nestingLimit is how deep arrays and objects may lie within each other.
const nestingLimit = 1000

// Parse reads one value at the beginning of text, and tells where it ended. What
// follows is not looked at. It fails where cJSON_ParseWithOpts does.
func Parse(text string) (v *Value, end int, ok bool) {
	if text == "" {
		return nil, 0, false
	}
	p := &parser{s: text}
	if strings.HasPrefix(text, "\ufeff") {
		p.pos = 3
	}
	p.space()
	v = &Value{}
	if !p.value(v) {
		return nil, 0, false
	}
	return v, p.pos, true
}

type parser struct {
	s     string
	pos   int
	depth int
}

func (p *parser) peek() byte {
	if p.pos < len(p.s) {
		return p.s[p.pos]
	}
	return 0
}

func (p *parser) space() {
	for p.pos < len(p.s) && p.s[p.pos] <= ' ' {
		p.pos++
	}
}

func (p *parser) take(word string) bool {
	if strings.HasPrefix(p.s[p.pos:], word) {
		p.pos += len(word)
		return true
	}
	return false
}

func (p *parser) value(v *Value) bool {
	if p.pos >= len(p.s) {
		return false
	}
	switch c := p.s[p.pos]; {
	case p.take("null"):
		v.Kind = Null
	case p.take("false"):
		v.Kind = False
	case p.take("true"):
		v.Kind = True
	case c == '"':
		text, ok := p.text()
		v.Kind, v.Text = String, text
		return ok
	case c == '-' || '0' <= c && c <= '9':
		return p.number(v)
	case c == '[':
		return p.array(v)
	case c == '{':
		return p.object(v)
	default:
		return false
	}
	return true
}

// number takes up to 63 characters that may belong to a number and lets strtod
// have them.
func (p *parser) number(v *Value) bool {
	n := p.pos
	for n < len(p.s) && n-p.pos < 63 && strings.IndexByte("0123456789+-eE.", p.s[n]) >= 0 {
		n++
	}
	text := p.s[p.pos:n]
	length := numberLength(text)
	if length == 0 {
		return false
	}
	// Out of range gives an infinity or zero, as strtod does.
	f, err := strconv.ParseFloat(text[:length], 64)
	if err != nil && f == 0 {
		f = 0
	}
	v.Kind, v.Float = Number, f
	p.pos += length
	return true
}

// numberLength is how much of a text strtod reads.
func numberLength(s string) int {
	i := 0
	if i < len(s) && (s[i] == '-' || s[i] == '+') {
		i++
	}
	digits := 0
	for i < len(s) && isDigit(s[i]) {
		i++
		digits++
	}
	if i < len(s) && s[i] == '.' {
		j := i + 1
		for j < len(s) && isDigit(s[j]) {
			j++
			digits++
		}
		if digits > 0 {
			i = j
		}
	}
	if digits == 0 {
		return 0
	}
	if i < len(s) && (s[i] == 'e' || s[i] == 'E') {
		j := i + 1
		if j < len(s) && (s[j] == '-' || s[j] == '+') {
			j++
		}
		if j < len(s) && isDigit(s[j]) {
			for j < len(s) && isDigit(s[j]) {
				j++
			}
			i = j
		}
	}
	return i
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// text reads a string. A \u0000 ends its value, as C strings end.
func (p *parser) text() (string, bool) {
	if p.peek() != '"' {
		return "", false
	}
	start := p.pos + 1
	end, escapes := start, false
	for end < len(p.s) && p.s[end] != '"' {
		if p.s[end] == '\\' {
			escapes = true
			if end+1 >= len(p.s) {
				return "", false
			}
			end++
		}
		end++
	}
	if end >= len(p.s) {
		return "", false
	}
	p.pos = end + 1
	raw := p.s[start:end]
	if !escapes {
		return raw, true
	}
	return unescape(raw)
}

func unescape(raw string) (string, bool) {
	out := make([]byte, 0, len(raw))
	for i := 0; i < len(raw); {
		if raw[i] != '\\' {
			out = append(out, raw[i])
			i++
			continue
		}
		switch c := raw[i+1]; c {
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case '"', '\\', '/':
			out = append(out, c)
		case 'u':
			r, n := codePoint(raw[i:])
			if n == 0 {
				return "", false
			}
			out = utf8.AppendRune(out, r)
			i += n
			continue
		default:
			return "", false
		}
		i += 2
	}
	s := string(out)
	if i := strings.IndexByte(s, 0); i >= 0 {
		s = s[:i]
	}
	return s, true
}

// codePoint reads \uXXXX, or a pair of surrogates. A lone surrogate is an error.
func codePoint(s string) (r rune, length int) {
	first, ok := hex4(s)
	if !ok || 0xdc00 <= first && first <= 0xdfff {
		return 0, 0
	}
	if first < 0xd800 || first > 0xdbff {
		return first, 6
	}
	if len(s) < 12 || s[6] != '\\' || s[7] != 'u' {
		return 0, 0
	}
	second, ok := hex4(s[6:])
	if !ok || second < 0xdc00 || second > 0xdfff {
		return 0, 0
	}
	return 0x10000 + (first&0x3ff)<<10 | second&0x3ff, 12
}

// hex4 reads the four digits of \uXXXX. cJSON takes what is no hexadecimal digit
// for U+0000 instead of failing.
func hex4(s string) (rune, bool) {
	if len(s) < 6 {
		return 0, false
	}
	n, err := strconv.ParseUint(s[2:6], 16, 32)
	if err != nil {
		return 0, true
	}
	return rune(n), true
}

func (p *parser) array(v *Value) bool {
	v.Kind = Array
	return p.items(v, ']', func(item *Value) bool { return p.value(item) })
}

func (p *parser) object(v *Value) bool {
	v.Kind = Object
	return p.items(v, '}', func(item *Value) bool {
		key, ok := p.text()
		if !ok {
			return false
		}
		p.space()
		if p.peek() != ':' {
			return false
		}
		p.pos++
		p.space()
		item.Key = key
		return p.value(item)
	})
}

func (p *parser) items(v *Value, closing byte, read func(*Value) bool) bool {
	if p.depth >= nestingLimit {
		return false
	}
	p.depth++
	defer func() { p.depth-- }()
	p.pos++
	p.space()
	if p.peek() == closing {
		p.pos++
		return true
	}
	for {
		item := &Value{}
		if !read(item) {
			return false
		}
		v.Items = append(v.Items, item)
		p.space()
		if p.peek() != ',' {
			break
		}
		p.pos++
		p.space()
	}
	if p.peek() != closing {
		return false
	}
	p.pos++
	return true
}
