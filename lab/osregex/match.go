package osregex

import "strings"

// Match is a compiled OSMatch: words with | between them, ^ and $ at their ends,
// and a ! before them all that negates. It is immutable and may be shared.
type Match struct {
	words  []word
	negate bool
}

type word struct {
	text  string // in lower case
	match func(word, text string) bool
}

// CompileMatch reads an OSMatch.
func CompileMatch(pattern string) (*Match, error) {
	if len(pattern) > maxPattern {
		return nil, errTooLong
	}
	m := &Match{}
	if strings.HasPrefix(pattern, "!") {
		m.negate, pattern = true, pattern[1:]
	}
	pattern = lowerASCII(pattern)
	// A byte 0xe3 anywhere makes the C code search with strstr, which is
	// sensitive to case but can find bytes above 0x7f.
	search := contains
	if strings.IndexByte(pattern, 0xe3) >= 0 {
		search = func(word, text string) bool { return strings.Contains(text, word) }
	}
	for _, part := range strings.Split(pattern, "|") {
		begin, end := strings.HasPrefix(part, "^"), strings.HasSuffix(part, "$")
		switch {
		case begin && end:
			m.words = append(m.words, word{part[1 : len(part)-1], equal})
		case part == "":
			m.words = append(m.words, word{"", func(string, string) bool { return true }})
		case end:
			m.words = append(m.words, word{part[:len(part)-1], suffix})
		case begin:
			m.words = append(m.words, word{part[1:], prefix})
		default:
			m.words = append(m.words, word{part, search})
		}
	}
	return m, nil
}

// MatchString reports whether one of the words is found in s, or none if the
// pattern is negated.
func (m *Match) MatchString(s string) bool {
	for i := range m.words {
		if m.words[i].match(m.words[i].text, s) {
			return !m.negate
		}
	}
	return m.negate
}

func lowerASCII(s string) string {
	b := []byte(s)
	for i := range b {
		b[i] = lower(b[i])
	}
	return string(b)
}

func equal(word, text string) bool { return len(word) == len(text) && prefix(word, text) }

func prefix(word, text string) bool {
	if len(text) < len(word) {
		return false
	}
	for i := 0; i < len(word); i++ {
		if word[i] != lower(text[i]) {
			return false
		}
	}
	return true
}

func suffix(word, text string) bool {
	return len(text) >= len(word) && prefix(word, text[len(text)-len(word):])
}

func contains(word, text string) bool {
	for i := 0; i+len(word) <= len(text); i++ {
		if literal(word[0], text[i]) && samePrefix(word, text[i:]) {
			return true
		}
	}
	return false
}

func samePrefix(word, text string) bool {
	for i := 0; i < len(word); i++ {
		if !literal(word[i], text[i]) {
			return false
		}
	}
	return true
}

// Word searches with OS_WordMatch, which <if_group> and the like use: words with
// | between them, of which one must be found in text; ^ ties it to the beginning.
// An empty word is found in every text if it is the last one and in none otherwise:
// _InternalMatch (os_regex_match.c) sees the end of the pattern, or a |.
func Word(pattern, text string) bool {
	if pattern == "" {
		return false
	}
	words := strings.Split(pattern, "|")
	for i, part := range words {
		part = lowerASCII(part)
		switch {
		case part == "":
			if i == len(words)-1 {
				return true
			}
		case part[0] == '^':
			if prefix(part[1:], text) {
				return true
			}
		case strings.Contains(lowerASCII(text), part):
			return true
		}
	}
	return false
}
