// Package osxml reads the files that Wazuh calls XML with the habits of its
// reader, src/os_xml at 4.14: entities stay as they are, a backslash protects a
// '<', a comment may hold "--", and an XML declaration is an error.
//
// It imports the standard library only.
package osxml

import (
	"fmt"
	"strings"
)

// maxText is the longest name, content or attribute value, in bytes.
const maxText = 20480

// Element is one element with what it holds.
type Element struct {
	Name       string
	Content    string // the text behind the last child
	Attributes []Attribute
	Children   []*Element
}

// Attribute is one attribute of an element.
type Attribute struct {
	Name, Value string
}

// Attribute finds the value of an attribute by its exact name.
func (e *Element) Attribute(name string) (string, bool) {
	for _, a := range e.Attributes {
		if a.Name == name {
			return a.Value, true
		}
	}
	return "", false
}

// Error is what the reader says about a file, with the line it had reached.
type Error struct {
	Text string
	Line int
}

func (e *Error) Error() string { return fmt.Sprintf("%s (line %d)", e.Text, e.Line) }

// Read reads the elements at the root of a file. Variables are not applied.
func Read(data []byte) ([]*Element, error) {
	r := &reader{data: data, line: 1}
	var roots []*Element
	for {
		e, err := r.element(0)
		if err != nil {
			return nil, err
		}
		if e == nil {
			return roots, nil
		}
		roots = append(roots, e)
	}
}

type reader struct {
	data []byte
	pos  int
	line int
}

const end = -1

func (r *reader) next() int {
	if r.pos >= len(r.data) {
		r.pos++
		return end
	}
	c := r.data[r.pos]
	r.pos++
	if c == '\n' {
		r.line++
	}
	return int(c)
}

func (r *reader) back() {
	r.pos--
	if r.pos < len(r.data) && r.data[r.pos] == '\n' {
		r.line--
	}
}

func (r *reader) fail(format string, args ...any) error {
	text := "XMLERR: " + fmt.Sprintf(format, args...)
	// The C buffer holds 127 characters (XML_ERR_LENGTH).
	return &Error{Text: text[:min(len(text), 127)], Line: r.line}
}

// comment passes a comment whose '<' has been read. It ends with --> or !>.
func (r *reader) comment() (bool, error) {
	if r.next() != '!' {
		r.back()
		return false, nil
	}
	for {
		switch r.next() {
		case end:
			return false, r.fail("Comment not closed.")
		case '!':
			if r.next() == '>' {
				return true, nil
			}
			r.back()
		case '-':
			if r.next() == '-' {
				if r.next() == '>' {
					return true, nil
				}
				r.back()
			}
			r.back()
		}
	}
}

// place says what part of an element is being read.
type place int

const (
	outside place = iota
	inName
	inContent
	inClosing
)

// element reads one element, or gives nil at the end of the file.
func (r *reader) element(depth int) (*Element, error) {
	if depth >= 1024 {
		return nil, r.fail("Max recursion level reached")
	}
	var (
		e       *Element
		text    []byte
		where   = outside
		escaped = false
		name    string
	)
	for {
		c := r.next()
		if c == end {
			if where == outside && depth == 0 {
				return nil, nil
			}
			return nil, r.fail("End of file and some elements were not closed.")
		}
		if c == '\\' {
			escaped = !escaped
		} else if c != '<' {
			escaped = false
		}
		if len(text) >= maxText {
			return nil, r.fail("String overflow.")
		}
		if c == '<' {
			was, err := r.comment()
			if err != nil {
				return nil, err
			}
			if was {
				continue
			}
		}
		switch {
		case where == outside && !escaped:
			if c != '<' {
				continue
			}
			if r.next() == '/' {
				return nil, r.fail("Element not opened.")
			}
			r.back()
			where = inName

		case where == inName && (c == '>' || isSpace(c)):
			var ended bool
			var err error
			if e, ended, err = r.opened(string(text), c); err != nil || ended {
				return e, err
			}
			name, text = e.Name, text[:0]
			where = inContent

		case where == inClosing && c == '>':
			if string(text) != name {
				return nil, r.fail("Element '%s' not closed.", name)
			}
			return e, nil

		case where == inContent && c == '<' && !escaped:
			if r.next() == '/' {
				e.Content = cString(text)
				text = text[:0]
				where = inClosing
				continue
			}
			r.back()
			r.back()
			child, err := r.element(depth + 1)
			if err != nil {
				return nil, err
			}
			e.Children = append(e.Children, child)
			text = text[:0]

		default:
			if where != outside {
				text = append(text, byte(c))
			}
			if c == '<' {
				escaped = false
			}
		}
	}
}

// opened begins the element that text names, with its attributes where c ended the name before them. ended says that
// it is closed already.
func (r *reader) opened(text string, c int) (e *Element, ended bool, err error) {
	name, ended := strings.CutSuffix(text, "/")
	e = &Element{Name: name}
	if !isSpace(c) {
		return e, ended, nil
	}
	closed, err := r.attributes(e)
	if err != nil {
		return nil, false, err
	}
	return e, ended || closed, nil
}

func isSpace(c int) bool { return c == ' ' || '\t' <= c && c <= '\r' }

// cString ends a text at its first NUL, as C does.
func cString(b []byte) string {
	s := string(b)
	if i := strings.IndexByte(s, 0); i >= 0 {
		return s[:i]
	}
	return s
}

// attributes reads up to the end of a tag and reports whether the tag closed
// itself.
func (r *reader) attributes(e *Element) (closed bool, err error) {
	for {
		name, ended, closed, err := r.attributeName(e)
		if err != nil || ended {
			return closed, err
		}
		value, err := r.attributeValue(name)
		if err != nil {
			return false, err
		}
		e.Attributes = append(e.Attributes, Attribute{Name: name, Value: value})
		switch c := r.next(); {
		case isSpace(c):
		case c == '>':
			return false, nil
		case c == '/':
			// The '>' is left to the caller, who is outside of elements then.
			return true, nil
		default:
			return false, r.fail("Bad attribute closing for '%s'='%s'.", name, value)
		}
	}
}

func (r *reader) attributeName(e *Element) (name string, ended, closed bool, err error) {
	var text []byte
	for {
		c := r.next()
		switch {
		case c == end:
			return "", false, false, r.fail("End of file while reading an attribute.")
		case len(text) >= maxText:
			return "", false, false, r.fail("Overflow attempt at attribute '%.20s'.", text)
		case c == '>' || c == '/':
			if len(text) > 0 {
				return "", false, false, r.fail("Attribute '%s' has no value.", text)
			}
			return "", true, c == '/', nil
		case c == '=':
			if _, ok := e.Attribute(string(text)); ok {
				return "", false, false, r.fail("Attribute '%s' already defined.", text)
			}
			return string(text), false, false, nil
		case isSpace(c):
			if len(text) > 0 {
				return "", false, false, r.fail("Attribute '%s' has no value.", text)
			}
		default:
			text = append(text, byte(c))
		}
	}
}

func (r *reader) attributeValue(name string) (string, error) {
	quote := r.next()
	for isSpace(quote) {
		quote = r.next()
	}
	if quote != '"' && quote != '\'' {
		return "", r.fail("Attribute '%s' not followed by a \" or '.", name)
	}
	var text []byte
	for {
		c := r.next()
		switch {
		case c == end:
			return "", r.fail("End of file while reading an attribute.")
		case len(text) >= maxText:
			return "", r.fail("Overflow attempt at attribute '%.20s'.", name)
		case c == '>':
			return "", r.fail("Attribute '%s' not closed.", name)
		case c == quote:
			return cString(text), nil
		default:
			text = append(text, byte(c))
		}
	}
}
