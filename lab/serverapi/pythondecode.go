package serverapi

import (
	"strconv"
	"strings"
	"unicode/utf16"
)

// decoder is Python's JSON scanner; it gives up with a panic of *syntaxError, which loads catches.
type decoder struct {
	text []rune
	at   int
}

func (d *decoder) fail(message string, at int) {
	line, column := 1, at+1
	for i, r := range d.text[:min(at, len(d.text))] {
		if r == '\n' {
			line++
			column = at - i
		}
	}
	panic(&syntaxError{message, line, column, at})
}

func (d *decoder) peek() rune {
	if d.at < len(d.text) {
		return d.text[d.at]
	}
	return -1
}

func (d *decoder) space() {
	for {
		switch d.peek() {
		case ' ', '\t', '\n', '\r':
			d.at++
		default:
			return
		}
	}
}

func (d *decoder) word(word string) bool {
	if end := d.at + len(word); end <= len(d.text) && string(d.text[d.at:end]) == word {
		d.at = end
		return true
	}
	return false
}

func (d *decoder) value() any {
	switch r := d.peek(); {
	case r == '"':
		return d.str()
	case r == '{':
		return d.object()
	case r == '[':
		return d.array()
	case d.word("null"):
		return nil
	case d.word("true"):
		return true
	case d.word("false"):
		return false
	case d.word("NaN"):
		return number("NaN")
	case d.word("Infinity"):
		return number("Infinity")
	case d.word("-Infinity"):
		return number("-Infinity")
	}
	if n, ok := d.number(); ok {
		return n
	}
	d.fail("Expecting value", d.at)
	return nil
}

func (d *decoder) object() any {
	o := object{}
	d.at++
	d.space()
	if d.peek() == '}' {
		d.at++
		return o
	}
	for {
		if d.peek() != '"' {
			d.fail("Expecting property name enclosed in double quotes", d.at)
		}
		name := d.str()
		d.space()
		if d.peek() != ':' {
			d.fail("Expecting ':' delimiter", d.at)
		}
		d.at++
		d.space()
		o = o.set(name, d.value())
		d.space()
		switch d.peek() {
		case '}':
			d.at++
			return o
		case ',':
			d.at++
			d.space()
		default:
			d.fail("Expecting ',' delimiter", d.at)
		}
	}
}

func (d *decoder) array() any {
	list := []any{}
	d.at++
	d.space()
	if d.peek() == ']' {
		d.at++
		return list
	}
	for {
		list = append(list, d.value())
		d.space()
		switch d.peek() {
		case ']':
			d.at++
			return list
		case ',':
			d.at++
			d.space()
		default:
			d.fail("Expecting ',' delimiter", d.at)
		}
	}
}

func (d *decoder) number() (number, bool) {
	start := d.at
	digits := func(i int) int {
		for i < len(d.text) && d.text[i] >= '0' && d.text[i] <= '9' {
			i++
		}
		return i
	}
	i := start
	if d.peek() == '-' {
		i++
	}
	first := i
	if i = digits(i); i == first {
		return "", false
	}
	if d.text[first] == '0' {
		i = first + 1
	}
	end, isFloat := i, false
	if i < len(d.text) && d.text[i] == '.' {
		if j := digits(i + 1); j > i+1 {
			end, i, isFloat = j, j, true
		}
	}
	if i < len(d.text) && (d.text[i] == 'e' || d.text[i] == 'E') && i == end {
		j := i + 1
		if j < len(d.text) && (d.text[j] == '+' || d.text[j] == '-') {
			j++
		}
		if k := digits(j); k > j {
			end, isFloat = k, true
		}
	}
	d.at = end
	text := string(d.text[start:end])
	if !isFloat {
		if text == "-0" {
			text = "0"
		}
		return number(text), true
	}
	f, _ := strconv.ParseFloat(text, 64) // out of range is infinite, as in Python
	return floatRepr(f), true
}

func (d *decoder) str() string {
	begin := d.at
	d.at++
	var b strings.Builder
	for {
		switch r := d.peek(); {
		case r == -1:
			d.fail("Unterminated string starting at", begin)
		case r == '"':
			d.at++
			return b.String()
		case r == '\\':
			b.WriteRune(d.escape(begin))
		case r < ' ':
			d.fail("Invalid control character at", d.at)
		default:
			b.WriteRune(r)
			d.at++
		}
	}
}

func (d *decoder) escape(begin int) rune {
	d.at++
	r := d.peek()
	d.at++
	switch r {
	case '"', '\\', '/':
		return r
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	case 'u':
		first := d.hex4()
		if utf16.IsSurrogate(first) && d.at+1 < len(d.text) && d.text[d.at] == '\\' && d.text[d.at+1] == 'u' {
			back := d.at
			d.at += 2
			if whole := utf16.DecodeRune(first, d.hex4()); whole != '\uFFFD' {
				return whole
			}
			d.at = back
		}
		return first
	case -1:
		d.fail("Unterminated string starting at", begin)
	}
	d.fail(`Invalid \escape`, d.at-2)
	return 0
}

func (d *decoder) hex4() rune {
	if d.at+4 <= len(d.text) {
		if n, err := strconv.ParseUint(string(d.text[d.at:d.at+4]), 16, 32); err == nil {
			d.at += 4
			return rune(n)
		}
	}
	d.fail(`Invalid \uXXXX escape`, d.at-1)
	return 0
}
