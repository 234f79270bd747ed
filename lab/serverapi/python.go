package serverapi

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// The API is written in Python: its answers are what json.dumps prints, its complaints about a body what json.loads and jsonschema say, with
// Python's way of writing values. Values here are nil, bool, string, number, []any and object.

// object keeps the order of its members.
type object []member

type member struct {
	name  string
	value any
}

func (o object) get(name string) (any, bool) {
	for _, m := range o {
		if m.name == name {
			return m.value, true
		}
	}
	return nil, false
}

// set replaces a member, or appends it: a Python dict keeps the place of the first and the value of the last.
func (o object) set(name string, value any) object {
	for i, m := range o {
		if m.name == name {
			o[i].value = value
			return o
		}
	}
	return append(o, member{name, value})
}

// number is a number as Python prints it: an integer of any length, or repr of a float.
type number string

func integer(n int) number { return number(strconv.Itoa(n)) }

// texts makes a list of strings.
func texts(items []string) []any {
	list := make([]any, len(items))
	for i, s := range items {
		list[i] = s
	}
	return list
}

// dumps is json.dumps. indent 0 is its default form on one line.
func dumps(v any, indent int) []byte {
	p := printer{indent: indent}
	p.value(v, 0)
	return p.out
}

type printer struct {
	out    []byte
	indent int
}

func (p *printer) value(v any, depth int) {
	switch v := v.(type) {
	case nil:
		p.out = append(p.out, "null"...)
	case bool:
		p.out = strconv.AppendBool(p.out, v)
	case string:
		p.str(v)
	case number:
		p.out = append(p.out, v...)
	case int:
		p.out = strconv.AppendInt(p.out, int64(v), 10)
	case []any:
		p.list(len(v), '[', ']', depth, func(i int) { p.value(v[i], depth+1) })
	case object:
		p.list(len(v), '{', '}', depth, func(i int) {
			p.str(v[i].name)
			p.out = append(p.out, ": "...)
			p.value(v[i].value, depth+1)
		})
	default:
		panic(fmt.Sprintf("no JSON value: %T", v))
	}
}

func (p *printer) list(n int, begin, end byte, depth int, item func(int)) {
	p.out = append(p.out, begin)
	for i := range n {
		switch {
		case i > 0 && p.indent == 0:
			p.out = append(p.out, ", "...)
		case i > 0:
			p.out = append(p.out, ',')
		}
		p.newLine(depth + 1)
		item(i)
	}
	if n > 0 {
		p.newLine(depth)
	}
	p.out = append(p.out, end)
}

func (p *printer) newLine(depth int) {
	if p.indent > 0 {
		p.out = append(append(p.out, '\n'), strings.Repeat(" ", p.indent*depth)...)
	}
}

// str prints with ensure_ascii, the default.
func (p *printer) str(s string) {
	p.out = append(p.out, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			p.out = append(p.out, '\\', byte(r))
		case r == '\n':
			p.out = append(p.out, `\n`...)
		case r == '\r':
			p.out = append(p.out, `\r`...)
		case r == '\t':
			p.out = append(p.out, `\t`...)
		case r == '\b':
			p.out = append(p.out, `\b`...)
		case r == '\f':
			p.out = append(p.out, `\f`...)
		case r >= ' ' && r <= '~':
			p.out = append(p.out, byte(r))
		case r > 0xFFFF:
			high, low := utf16.EncodeRune(r)
			p.out = fmt.Appendf(p.out, `\u%04x\u%04x`, high, low)
		default:
			p.out = fmt.Appendf(p.out, `\u%04x`, r)
		}
	}
	p.out = append(p.out, '"')
}

// repr is Python's repr of a decoded JSON value.
func repr(v any) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case bool:
		if v {
			return "True"
		}
		return "False"
	case number:
		return string(v)
	case int:
		return strconv.Itoa(v)
	case string:
		return reprString(v)
	case []any:
		parts := make([]string, len(v))
		for i, item := range v {
			parts[i] = repr(item)
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case object:
		parts := make([]string, len(v))
		for i, m := range v {
			parts[i] = reprString(m.name) + ": " + repr(m.value)
		}
		return "{" + strings.Join(parts, ", ") + "}"
	}
	return fmt.Sprint(v)
}

func reprString(s string) string {
	quote := '\''
	if strings.ContainsRune(s, '\'') && !strings.ContainsRune(s, '"') {
		quote = '"'
	}
	var b strings.Builder
	b.WriteRune(quote)
	for _, r := range s {
		switch {
		case r == quote || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case r < ' ' || r == 0x7f:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r < 0x7f || unicode.IsPrint(r):
			b.WriteRune(r)
		case r <= 0xff:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r <= 0xffff:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
	}
	b.WriteRune(quote)
	return b.String()
}

// floatRepr is repr of a float.
func floatRepr(f float64) number {
	switch {
	case math.IsInf(f, 1):
		return "Infinity"
	case math.IsInf(f, -1):
		return "-Infinity"
	case math.IsNaN(f):
		return "NaN"
	}
	exponent := 0
	if f != 0 {
		text := strconv.FormatFloat(f, 'e', -1, 64)
		exponent, _ = strconv.Atoi(text[strings.IndexByte(text, 'e')+1:])
	}
	if exponent < -4 || exponent >= 16 {
		return number(strconv.FormatFloat(f, 'e', -1, 64))
	}
	text := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(text, ".") {
		text += ".0"
	}
	return number(text)
}

// syntaxError is json.JSONDecodeError.
type syntaxError struct {
	message  string
	line     int
	column   int
	position int
}

func (e *syntaxError) Error() string {
	return fmt.Sprintf("%s: line %d column %d (char %d)", e.message, e.line, e.column, e.position)
}

// loads is json.loads. The text has to be UTF-8.
func loads(text []byte) (v any, err error) {
	if !utf8.Valid(text) {
		return nil, fmt.Errorf("not UTF-8")
	}
	d := decoder{text: []rune(string(text))}
	defer func() {
		switch e := recover().(type) {
		case nil:
		case *syntaxError:
			v, err = nil, e
		default:
			panic(e)
		}
	}()
	d.space()
	v = d.value()
	d.space()
	if d.at != len(d.text) {
		d.fail("Extra data", d.at)
	}
	return v, nil
}
