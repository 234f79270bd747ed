package osxml

import (
	"fmt"
	"strings"
)

// maxVariable is one more than the longest name of a variable, in bytes.
const maxVariable = 256

// ApplyVariables replaces each $NAME by the content of the <var name="NAME">
// that stands earlier in the file, and takes the <var> elements out. Once a file
// has a variable, a $name behind it that is not defined is an error, except
// $(name), which is a field.
func ApplyVariables(roots []*Element) ([]*Element, error) {
	v := variables{}
	return v.walk(roots)
}

type variable struct{ name, value string }

type variables struct{ known []variable }

func (v *variables) walk(elements []*Element) ([]*Element, error) {
	var kept []*Element
	for _, e := range elements {
		if strings.EqualFold(e.Name, "var") {
			if err := v.define(e); err != nil {
				return nil, err
			}
			continue
		}
		var err error
		if e.Content, err = v.expand(e.Content); err != nil {
			return nil, err
		}
		for i := range e.Attributes {
			a := &e.Attributes[i]
			if a.Value, err = v.expand(a.Value); err != nil {
				return nil, err
			}
		}
		if e.Children, err = v.walk(e.Children); err != nil {
			return nil, err
		}
		kept = append(kept, e)
	}
	return kept, nil
}

func (v *variables) define(e *Element) error {
	switch {
	case len(e.Attributes) == 0:
		return &Error{Text: "XMLERR: No value set for variable."}
	case !strings.EqualFold(e.Attributes[0].Name, "name"):
		return &Error{Text: `XMLERR: Only "name" is allowed as an attribute for a variable.`}
	case len(e.Attributes[0].Value) >= maxVariable:
		return &Error{Text: "XMLERR: Invalid variable name size."}
	}
	v.known = append(v.known, variable{e.Attributes[0].Value, e.Content})
	return nil
}

func (v *variables) expand(text string) (string, error) {
	if len(v.known) == 0 || len(text) <= 2 || !strings.Contains(text, "$") {
		return text, nil
	}
	out := text
	// done counts the bytes of out that are settled. It does not count a
	// $(field), a habit of the C code: a variable behind one lands too early.
	done := 0
	for p := 0; p < len(text); {
		if text[p] != '$' {
			p++
			done++
			continue
		}
		p++
		name := text[p:]
		if i := strings.IndexAny(name, "$.|, "); i >= 0 {
			name = name[:i]
		}
		if len(name) >= maxVariable {
			return "", &Error{Text: fmt.Sprintf("XMLERR: Invalid variable name size: '%d'.", maxVariable-1)}
		}
		p += len(name)
		value, ok := v.lookup(name)
		switch {
		case ok:
			settled := out[:min(done, len(out))] + value
			done = len(settled)
			out = settled + text[p:]
		case strings.HasPrefix(name, "("):
		case name != "":
			return "", &Error{Text: "XMLERR: Unknown variable: '" + name + "'."}
		default:
			done++
		}
	}
	return out, nil
}

func (v *variables) lookup(name string) (string, bool) {
	for _, known := range v.known {
		if strings.EqualFold(known.name, name) {
			return known.value, true
		}
	}
	return "", false
}
