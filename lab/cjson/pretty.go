package cjson

import "strings"

// Pretty returns the value over several lines, as cJSON_Print: objects a member a line, indented by tabs, arrays on one line.
func (v *Value) Pretty() string {
	var b strings.Builder
	v.pretty(&b, 0)
	return b.String()
}

func (v *Value) pretty(b *strings.Builder, depth int) {
	switch v.Kind {
	case Array:
		b.WriteByte('[')
		for i, item := range v.Items {
			if i > 0 {
				b.WriteString(", ")
			}
			item.pretty(b, depth+1)
		}
		b.WriteByte(']')
	case Object:
		b.WriteString("{\n")
		for i, m := range v.Members {
			indent(b, depth+1)
			b.Write(appendQuoted(nil, m.Name))
			b.WriteString(":\t")
			m.Value.pretty(b, depth+1)
			if i+1 < len(v.Members) {
				b.WriteByte(',')
			}
			b.WriteByte('\n')
		}
		indent(b, depth)
		b.WriteByte('}')
	case Null, Bool, Number, String:
		b.Write(v.print(nil))
	}
}

func indent(b *strings.Builder, depth int) {
	for range depth {
		b.WriteByte('\t')
	}
}
