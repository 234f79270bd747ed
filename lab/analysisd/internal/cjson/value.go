// Package cjson reads and writes JSON as the C library cJSON 1.7.15 does: what it
// lets pass (control characters, invalid UTF-8, leading zeros, anything behind
// the value), and how it prints (order of keys, escapes, %1.15g).
//
// It imports the standard library only.
package cjson

// Kind is the type of a value.
type Kind uint8

// The kinds of values.
const (
	Null Kind = iota
	False
	True
	Number
	String
	Array
	Object
)

// Value is a JSON value. Items of an object carry their Key.
type Value struct {
	Kind  Kind
	Key   string
	Text  string  // of a String
	Float float64 // of a Number
	Items []*Value
}

// Int is the number as cJSON keeps it beside the float: cut to 32 bits.
func (v *Value) Int() int32 {
	switch {
	case v.Float >= 2147483647:
		return 2147483647
	case v.Float <= -2147483648:
		return -2147483648
	}
	return int32(v.Float)
}

// NewString makes a string value.
func NewString(text string) *Value { return &Value{Kind: String, Text: text} }

// NewInt makes a number value.
func NewInt(n int) *Value { return &Value{Kind: Number, Float: float64(n)} }

// NewBool makes a boolean value.
func NewBool(b bool) *Value {
	if b {
		return &Value{Kind: True}
	}
	return &Value{Kind: False}
}

// NewObject makes an object without items.
func NewObject() *Value { return &Value{Kind: Object} }

// NewArray makes an array of the items.
func NewArray(items ...*Value) *Value { return &Value{Kind: Array, Items: items} }

// NewStrings makes an array of strings.
func NewStrings(texts []string) *Value {
	v := NewArray()
	for _, t := range texts {
		v.Items = append(v.Items, NewString(t))
	}
	return v
}

// Set adds an item at the end of an object, whether or not the key is there.
func (v *Value) Set(key string, item *Value) {
	item.Key = key
	v.Items = append(v.Items, item)
}

// SetString adds a string at the end of an object.
func (v *Value) SetString(key, text string) { v.Set(key, NewString(text)) }

// Get finds the first item of an object by its key, in any case (ASCII), as
// cJSON_GetObjectItem does.
func (v *Value) Get(key string) *Value {
	for _, item := range v.Items {
		if EqualFold(item.Key, key) {
			return item
		}
	}
	return nil
}

// EqualFold compares two texts in any case, ASCII only, as strcasecmp does in
// the C locale.
func EqualFold(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := 0; i < len(a); i++ {
		if a[i] != b[i] && lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// Remove takes the first item of that key out of an object, in any case.
func (v *Value) Remove(key string) {
	for i, item := range v.Items {
		if EqualFold(item.Key, key) {
			v.Items = append(v.Items[:i:i], v.Items[i+1:]...)
			return
		}
	}
}
