// Package cjson reads and prints JSON as the cJSON 1.7 library does, which Wazuh's daemons use for every message and alert: lenient where it is
// lenient, keeping the order of members, strings as raw bytes, numbers as doubles.
//
// It imports the standard library only and must never "repair" what cJSON would not.
package cjson

import (
	"bytes"
	"errors"
	"math"
	"strconv"
	"strings"
)

// Kind says what a Value is.
type Kind int

// The kinds of JSON values.
const (
	Null Kind = iota
	Bool
	Number
	String
	Array
	Object
)

// Value is one JSON value. A string is raw bytes up to the first NUL, as a C string; it need not be UTF-8.
type Value struct {
	Kind    Kind
	Bool    bool
	Number  float64
	String  string
	Items   []*Value
	Members []Member
}

// Member is one member of an object. Names may repeat; readers see the first.
type Member struct {
	Name  string
	Value *Value
}

// ErrSyntax is returned for text that cJSON does not parse.
var ErrSyntax = errors.New("not JSON")

// nestingLimit is CJSON_NESTING_LIMIT.
const nestingLimit = 1000

// Parse reads one value at the start of text and says how many bytes it took. What follows the value is the caller's business: most of Wazuh's
// readers ignore it.
func Parse(text []byte) (*Value, int, error) {
	if i := bytes.IndexByte(text, 0); i >= 0 {
		text = text[:i]
	}
	p := parser{text: text}
	if bytes.HasPrefix(text, []byte("\xef\xbb\xbf")) {
		p.at = 3
	}
	p.space()
	v, ok := p.value(0)
	if !ok {
		return nil, p.at, ErrSyntax
	}
	return v, p.at, nil
}

// Get returns the first member of that name, upper and lower case alike (cJSON_GetObjectItem), or nil.
func (v *Value) Get(name string) *Value {
	if v == nil || v.Kind != Object {
		return nil
	}
	for _, m := range v.Members {
		if strings.EqualFold(m.Name, name) {
			return m.Value
		}
	}
	return nil
}

// Text returns the string of a string value, and "" of any other.
func (v *Value) Text() string {
	if v == nil || v.Kind != String {
		return ""
	}
	return v.String
}

// Replace puts value in the place of the first member of that name and does nothing when there is none (cJSON_ReplaceItemInObject).
func (v *Value) Replace(name string, value *Value) {
	for i, m := range v.Members {
		if strings.EqualFold(m.Name, name) {
			v.Members[i] = Member{Name: name, Value: value}
			return
		}
	}
}

// Add appends a member.
func (v *Value) Add(name string, value *Value) {
	v.Members = append(v.Members, Member{Name: name, Value: value})
}

// Text makes a string value.
func Text(s string) *Value { return &Value{Kind: String, String: s} }

// Print returns the value without white space, as cJSON_PrintUnformatted.
func (v *Value) Print() []byte { return v.print(nil) }

func (v *Value) print(out []byte) []byte {
	switch v.Kind {
	case Bool:
		return strconv.AppendBool(out, v.Bool)
	case Number:
		return append(out, formatNumber(v.Number)...)
	case String:
		return appendQuoted(out, v.String)
	case Array:
		out = append(out, '[')
		for i, item := range v.Items {
			if i > 0 {
				out = append(out, ',')
			}
			out = item.print(out)
		}
		return append(out, ']')
	case Object:
		out = append(out, '{')
		for i, m := range v.Members {
			if i > 0 {
				out = append(out, ',')
			}
			out = appendQuoted(out, m.Name)
			out = append(out, ':')
			out = m.Value.print(out)
		}
		return append(out, '}')
	}
	return append(out, "null"...)
}

// formatNumber is print_number of cJSON 1.7.15: 15 significant digits if they read back as (nearly) the same double, else 17.
func formatNumber(d float64) string {
	if math.IsNaN(d) || math.IsInf(d, 0) {
		return "null"
	}
	short := strconv.FormatFloat(d, 'g', 15, 64)
	back, err := strconv.ParseFloat(short, 64)
	largest := math.Max(math.Abs(back), math.Abs(d))
	if err != nil || math.Abs(back-d) > largest*epsilon {
		return strconv.FormatFloat(d, 'g', 17, 64)
	}
	return short
}

// epsilon is DBL_EPSILON.
const epsilon = 2.220446049250313e-16

func appendQuoted(out []byte, s string) []byte {
	const hex = "0123456789abcdef"
	out = append(out, '"')
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			out = append(out, '\\', c)
		case c == '\b':
			out = append(out, '\\', 'b')
		case c == '\f':
			out = append(out, '\\', 'f')
		case c == '\n':
			out = append(out, '\\', 'n')
		case c == '\r':
			out = append(out, '\\', 'r')
		case c == '\t':
			out = append(out, '\\', 't')
		case c < 32:
			out = append(out, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			out = append(out, c)
		}
	}
	return append(out, '"')
}
