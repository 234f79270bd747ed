package cjson

import (
	"math"
	"strconv"
)

// Append writes a value without blanks, as cJSON_PrintUnformatted does.
func Append(dst []byte, v *Value) []byte {
	w := printer{out: dst}
	w.value(v)
	return w.out
}

// Pretty writes a value over several lines, as cJSON_Print does.
func Pretty(v *Value) string {
	w := printer{format: true}
	w.value(v)
	return string(w.out)
}

type printer struct {
	out    []byte
	format bool
	depth  int
}

func (w *printer) value(v *Value) {
	switch v.Kind {
	case Null:
		w.out = append(w.out, "null"...)
	case False:
		w.out = append(w.out, "false"...)
	case True:
		w.out = append(w.out, "true"...)
	case Number:
		w.out = appendNumber(w.out, v.Float)
	case String:
		w.out = appendString(w.out, v.Text)
	case Array:
		w.array(v)
	case Object:
		w.object(v)
	}
}

func (w *printer) array(v *Value) {
	w.out = append(w.out, '[')
	for i, item := range v.Items {
		if i > 0 {
			w.out = append(w.out, ',')
			if w.format {
				w.out = append(w.out, ' ')
			}
		}
		w.depth++
		w.value(item)
		w.depth--
	}
	w.out = append(w.out, ']')
}

func (w *printer) object(v *Value) {
	w.out = append(w.out, '{')
	w.depth++
	w.newline()
	for i, item := range v.Items {
		w.indent(w.depth)
		w.out = appendString(w.out, item.Key)
		w.out = append(w.out, ':')
		if w.format {
			w.out = append(w.out, '\t')
		}
		w.value(item)
		if i+1 < len(v.Items) {
			w.out = append(w.out, ',')
		}
		w.newline()
	}
	w.indent(w.depth - 1)
	w.out = append(w.out, '}')
	w.depth--
}

func (w *printer) newline() {
	if w.format {
		w.out = append(w.out, '\n')
	}
}

func (w *printer) indent(n int) {
	if !w.format {
		return
	}
	for range n {
		w.out = append(w.out, '\t')
	}
}

// appendNumber prints with 15 digits, or with 17 where 15 do not give the number
// back.
func appendNumber(dst []byte, f float64) []byte {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return append(dst, "null"...)
	}
	text := strconv.FormatFloat(f, 'g', 15, 64)
	back, err := strconv.ParseFloat(text, 64)
	if err != nil || math.Abs(back-f) > max(math.Abs(back), math.Abs(f))*0x1p-52 {
		text = strconv.FormatFloat(f, 'g', 17, 64)
	}
	return append(dst, text...)
}

func appendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	from := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		dst = append(dst, s[from:i]...)
		from = i + 1
		dst = append(dst, '\\')
		switch c {
		case '"', '\\':
			dst = append(dst, c)
		case '\b':
			dst = append(dst, 'b')
		case '\f':
			dst = append(dst, 'f')
		case '\n':
			dst = append(dst, 'n')
		case '\r':
			dst = append(dst, 'r')
		case '\t':
			dst = append(dst, 't')
		default:
			const hex = "0123456789abcdef"
			dst = append(dst, 'u', '0', '0', hex[c>>4], hex[c&15])
		}
	}
	dst = append(dst, s[from:]...)
	return append(dst, '"')
}
