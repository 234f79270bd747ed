package main

// maxDepth is how deep cJSON, which writes and reads back every alert, lets JSON nest
// (CJSON_NESTING_LIMIT).
const maxDepth = 1000

// isObject says whether line is one JSON object (RFC 8259), from its first byte to its last, on one
// line.
//
// Two things differ from the RFC. Bytes from 0x80 are taken as they come, because alerts.json does
// carry invalid UTF-8 (analysisd passes on what a log line held). Line breaks between tokens are
// not taken, because analysisd never writes them and a line must stay one.
//
// encoding/json would do, and costs the hook more at start-up than the whole check.
func isObject(line []byte) bool {
	if len(line) == 0 || line[0] != '{' {
		return false
	}
	s := scanner{text: line}
	return s.value(0) && s.at == len(s.text)
}

// scanner walks over JSON text. Its methods stand at the beginning of what they are named after,
// and leave it behind them, or return false when it is not there.
type scanner struct {
	text []byte
	at   int
}

// peek is the byte at hand, or 0 at the end: no token begins with 0.
func (s *scanner) peek() byte {
	if s.at < len(s.text) {
		return s.text[s.at]
	}
	return 0
}

func (s *scanner) space() {
	for c := s.peek(); c == ' ' || c == '\t'; c = s.peek() {
		s.at++
	}
}

// take steps over c if it is at hand.
func (s *scanner) take(c byte) bool {
	if s.peek() != c {
		return false
	}
	s.at++
	return true
}

func (s *scanner) value(depth int) bool {
	switch c := s.peek(); c {
	case '{':
		return s.members(depth+1, '}', s.member)
	case '[':
		return s.members(depth+1, ']', s.value)
	case '"':
		return s.str()
	case 't':
		return s.word("true")
	case 'f':
		return s.word("false")
	case 'n':
		return s.word("null")
	default:
		return s.number()
	}
}

// members walks over an object or an array: its bracket, its members with their commas, and the
// closing bracket.
func (s *scanner) members(depth int, closing byte, member func(depth int) bool) bool {
	if depth > maxDepth {
		return false
	}
	s.at++
	s.space()
	if s.take(closing) {
		return true
	}
	for {
		s.space()
		if !member(depth) {
			return false
		}
		s.space()
		if s.take(closing) {
			return true
		}
		if !s.take(',') {
			return false
		}
	}
}

func (s *scanner) member(depth int) bool {
	if !s.str() {
		return false
	}
	s.space()
	if !s.take(':') {
		return false
	}
	s.space()
	return s.value(depth)
}

func (s *scanner) word(word string) bool {
	if len(s.text)-s.at < len(word) || string(s.text[s.at:s.at+len(word)]) != word {
		return false
	}
	s.at += len(word)
	return true
}

func (s *scanner) str() bool {
	if !s.take('"') {
		return false
	}
	for s.at < len(s.text) {
		switch c := s.text[s.at]; {
		case c == '"':
			s.at++
			return true
		case c == '\\':
			if !s.escape() {
				return false
			}
		case c < ' ':
			return false
		default:
			s.at++
		}
	}
	return false
}

func (s *scanner) escape() bool {
	s.at++
	c := s.peek()
	s.at++
	switch c {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return true
	case 'u':
		for range 4 {
			if !isHex(s.peek()) {
				return false
			}
			s.at++
		}
		return true
	}
	return false
}

func (s *scanner) number() bool {
	s.take('-')
	if !s.take('0') && !s.digits() {
		return false
	}
	if s.take('.') && !s.digits() {
		return false
	}
	if s.take('e') || s.take('E') {
		if !s.take('+') {
			s.take('-')
		}
		return s.digits()
	}
	return true
}

// digits walks over one digit or more.
func (s *scanner) digits() bool {
	from := s.at
	for c := s.peek(); '0' <= c && c <= '9'; c = s.peek() {
		s.at++
	}
	return s.at > from
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}
