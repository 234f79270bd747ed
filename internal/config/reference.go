package config

import (
	"fmt"
	"io"
	"reflect"
	"strings"
	"time"
)

// Key is one documented key of the configuration.
type Key struct {
	Path     string // clusters[].nodes[].agent
	Type     string
	Default  string
	Required bool
	Doc      string
}

// Reference lists every key, from the declarations themselves.
func Reference() []Key {
	return keysOf("", reflect.TypeOf(Config{}), reflect.ValueOf(Default()))
}

func keysOf(prefix string, t reflect.Type, defaults reflect.Value) []Key {
	var keys []Key
	for i := range t.NumField() {
		field := t.Field(i)
		key := Key{
			Path:     prefix + field.Tag.Get("yaml"),
			Type:     typeName(field.Type),
			Required: field.Tag.Get("required") == "true",
			Doc:      field.Tag.Get("doc"),
		}
		value := reflect.Value{}
		if defaults.IsValid() {
			value = defaults.Field(i)
			key.Default = defaultText(value)
		}
		keys = append(keys, key)
		switch {
		case field.Type.Kind() == reflect.Struct:
			keys = append(keys, keysOf(key.Path+".", field.Type, value)...)
		case field.Type.Kind() == reflect.Slice && field.Type.Elem().Kind() == reflect.Struct:
			keys = append(keys, keysOf(key.Path+"[].", field.Type.Elem(), reflect.Value{})...)
		}
	}
	return keys
}

func typeName(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[time.Duration]():
		return "duration"
	case t.Kind() == reflect.Struct:
		return "section"
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct:
		return "list"
	case t.Kind() == reflect.Slice:
		return "list of " + typeName(t.Elem()) + "s"
	case t.Kind() == reflect.Bool:
		return "true or false"
	case t.Kind() == reflect.Int:
		return "number"
	}
	return "text"
}

func defaultText(v reflect.Value) string {
	if v.Kind() == reflect.Struct || v.Kind() == reflect.Slice || v.IsZero() && v.Kind() == reflect.String {
		return ""
	}
	return fmt.Sprint(v.Interface())
}

// WriteReference prints the reference as Markdown.
func WriteReference(w io.Writer) error {
	var out strings.Builder
	out.WriteString("| key | type | default | meaning |\n|---|---|---|---|\n")
	for _, key := range Reference() {
		value := key.Default
		if key.Required {
			value = "(required)"
		}
		fmt.Fprintf(&out, "| `%s` | %s | %s | %s |\n", key.Path, key.Type, value, key.Doc)
	}
	_, err := io.WriteString(w, out.String())
	return err
}

// nearest says what somebody who typed an unknown key may have meant, or nothing if no key is close.
func nearest(typed string) string {
	best, bestDistance := "", min(3, len(typed)/2+1)
	var places []string
	for _, key := range Reference() {
		section, name := "", key.Path
		if i := strings.LastIndexByte(key.Path, '.'); i >= 0 {
			section, name = key.Path[:i], key.Path[i+1:]
		}
		d := distance(typed, name)
		if d == 0 {
			places = append(places, place(section))
		}
		if d < bestDistance {
			best, bestDistance = name, d
		}
	}
	switch {
	case len(places) > 0:
		return fmt.Sprintf("%q does not belong here: it is a key of %s", typed, strings.Join(places, " and of "))
	case best != "":
		return fmt.Sprintf("did you mean %q?", best)
	}
	return ""
}

func place(section string) string {
	if section == "" {
		return "the file itself"
	}
	return section
}

// distance is Levenshtein's.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := diagonal
			if a[i-1] != b[j-1] {
				cost++
			}
			diagonal = row[j]
			row[j] = min(cost, row[j]+1, row[j-1]+1)
		}
	}
	return row[len(b)]
}
