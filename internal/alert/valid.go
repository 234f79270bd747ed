package alert

// valid reports whether text is one JSON value (RFC 8259) from its first byte to its last. Bytes from 0x80 are taken as
// they come: analysisd passes on what a log line held.
//
// It bounds no depth and needs no bound, since it keeps its place in memory and not on the stack. An alert is as deep
// as a key of its event has dots (string_op.c: W_JSON_AddField), and whoever makes a token chooses the keys of its
// metadata, which are in the records of all that the token does: a bound would hide that.
func valid[T string | []byte](text T) bool {
	s := scanner[T]{text: text}
	for {
		more, ok := s.value()
		if ok && !more {
			more, ok = s.behind()
		}
		if !ok || !more {
			return ok
		}
	}
}

// scanner walks over JSON text.
type scanner[T string | []byte] struct {
	text T
	at   int
	open []byte // the closing brackets of what at stands in, the outermost first
}

// peek is the next byte that is no space, or 0 at the end: no token begins with 0.
func (s *scanner[T]) peek() byte {
	for ; s.at < len(s.text); s.at++ {
		switch c := s.text[s.at]; c {
		case ' ', '\t', '\n', '\r':
		default:
			return c
		}
	}
	return 0
}

// value walks over a scalar or into an object or array. more says that a value follows: the first one inside.
func (s *scanner[T]) value() (more, ok bool) {
	switch s.peek() {
	case '{':
		return s.into('}')
	case '[':
		return s.into(']')
	case '"':
		return false, s.quoted()
	case 't':
		return false, s.word("true")
	case 'f':
		return false, s.word("false")
	case 'n':
		return false, s.word("null")
	}
	return false, s.number()
}

func (s *scanner[T]) into(closing byte) (more, ok bool) {
	s.at++
	s.open = append(s.open, closing)
	if s.peek() == closing {
		return false, true // behind will close it
	}
	return true, closing == ']' || s.key()
}

// behind walks over what stands behind a value: closing brackets, then a comma, and a key in an object. more says that
// a value follows; without it ok says that the text has ended where it should.
func (s *scanner[T]) behind() (more, ok bool) {
	for len(s.open) > 0 {
		closing := s.open[len(s.open)-1]
		switch s.peek() {
		case closing:
			s.at++
			s.open = s.open[:len(s.open)-1]
		case ',':
			s.at++
			return true, closing == ']' || s.key()
		default:
			return false, false
		}
	}
	s.peek()
	return false, s.at == len(s.text)
}

// key walks over a member's name and its colon.
func (s *scanner[T]) key() bool {
	if s.peek() != '"' || !s.quoted() || s.peek() != ':' {
		return false
	}
	s.at++
	return true
}

func (s *scanner[T]) word(word string) bool {
	if len(s.text)-s.at < len(word) || string(s.text[s.at:s.at+len(word)]) != word {
		return false
	}
	s.at += len(word)
	return true
}

// quoted walks over a string, whose opening quote is at hand.
func (s *scanner[T]) quoted() bool {
	for s.at++; s.at < len(s.text); s.at++ {
		switch c := s.text[s.at]; {
		case c == '"':
			s.at++
			return true
		case c < ' ':
			return false
		case c == '\\' && !s.escape():
			return false
		}
	}
	return false
}

// escape walks over an escape, up to its last byte.
func (s *scanner[T]) escape() bool {
	if s.at++; s.at == len(s.text) {
		return false
	}
	switch s.text[s.at] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return true
	case 'u':
		for range 4 {
			if s.at++; s.at == len(s.text) || !isHex(s.text[s.at]) {
				return false
			}
		}
		return true
	}
	return false
}

func isHex(c byte) bool { return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F' }

func (s *scanner[T]) number() bool {
	s.skip('-')
	if !s.skip('0') && !s.digits() {
		return false
	}
	if s.skip('.') && !s.digits() {
		return false
	}
	if s.skip('e') || s.skip('E') {
		if !s.skip('+') {
			s.skip('-')
		}
		return s.digits()
	}
	return true
}

// skip steps over c where it is at hand.
func (s *scanner[T]) skip(c byte) bool {
	if s.at == len(s.text) || s.text[s.at] != c {
		return false
	}
	s.at++
	return true
}

// digits walks over one digit or more.
func (s *scanner[T]) digits() bool {
	from := s.at
	for s.at < len(s.text) && '0' <= s.text[s.at] && s.text[s.at] <= '9' {
		s.at++
	}
	return s.at > from
}
