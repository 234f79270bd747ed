// Package osregex implements the two pattern languages of Wazuh's own: OS_Regex
// (Regexp) and OSMatch (Match), with the habits of the C matchers in
// src/os_regex at 4.14, since rules in the field depend on them.
//
// It imports the standard library only and knows nothing of rules or events.
package osregex

import (
	"errors"
	"strings"
)

// maxPattern is the longest pattern that compiles, in bytes (OS_PATTERN_MAXSIZE).
const maxPattern = 20480

var (
	errTooLong     = errors.New("pattern is longer than 20480 bytes")
	errBadEscape   = errors.New("a backslash must be followed by one of d w s p ( ) \\ D W S . t $ | <")
	errParentheses = errors.New("parentheses must be closed, not nested, and hold no |")
)

// Regexp is a compiled OS_Regex. It is immutable and may be shared.
type Regexp struct {
	alternatives []alternative
}

type alternative struct {
	// pattern has every parenthesis, opening or closing, as '(', and every
	// escape as a backslash and a class number.
	pattern    string
	parens     []int // offsets of the parentheses, when captures are wanted
	begin, end bool
}

// Compile reads an OS_Regex. Matching ignores ASCII case. Captures are kept only
// when captures is set, as decoders do.
func Compile(pattern string, captures bool) (*Regexp, error) {
	if len(pattern) > maxPattern {
		return nil, errTooLong
	}
	coded, groups, err := encode(pattern)
	if err != nil {
		return nil, err
	}
	re := &Regexp{}
	for _, part := range strings.Split(coded, "|") {
		alt := alternative{pattern: part}
		if strings.HasPrefix(alt.pattern, "^") {
			alt.begin, alt.pattern = true, alt.pattern[1:]
		}
		if strings.HasSuffix(alt.pattern, "$") {
			alt.end, alt.pattern = true, alt.pattern[:len(alt.pattern)-1]
		}
		if captures && groups > 0 {
			alt.parens = []int{}
			for i := 0; i < len(alt.pattern); i++ {
				if alt.pattern[i] == '(' {
					alt.parens = append(alt.parens, i)
				}
			}
		}
		re.alternatives = append(re.alternatives, alt)
	}
	return re, nil
}

// encode lowers the case, numbers the escapes and checks the parentheses.
func encode(pattern string) (coded string, groups int, err error) {
	b := []byte(pattern)
	open := 0
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
			if i == len(b) {
				return "", 0, errBadEscape
			}
			class := strings.IndexByte(escapes, b[i])
			if class < 0 {
				return "", 0, errBadEscape
			}
			b[i] = byte(class + 1)
			continue
		case '(':
			open++
		case ')':
			b[i] = '('
			open--
			groups++
		case '|':
			if open != 0 {
				return "", 0, errParentheses
			}
		}
		if open != 0 && open != 1 {
			return "", 0, errParentheses
		}
		b[i] = lower(b[i])
	}
	if open != 0 {
		return "", 0, errParentheses
	}
	return string(b), groups, nil
}

// Result is where a match ended and what its groups held.
type Result struct {
	// Last is the offset of the last byte consumed. It is -1 when a leading
	// \x* took nothing: the C matcher then points before its input.
	Last   int
	Groups []string
}

// MatchString reports whether the pattern matches anywhere in s.
func (re *Regexp) MatchString(s string) bool {
	for i := range re.alternatives {
		if _, ok := re.alternatives[i].run(s, nil); ok {
			return true
		}
	}
	return false
}

// Find matches s and tells where the match ended.
func (re *Regexp) Find(s string) (Result, bool) {
	for i := range re.alternatives {
		alt := &re.alternatives[i]
		var marks []int
		if alt.parens != nil {
			marks = make([]int, len(alt.parens))
		}
		for j := range marks {
			marks[j] = unmarked
		}
		last, ok := alt.run(s, marks)
		if !ok {
			continue
		}
		groups, ok := cut(s, marks)
		if !ok {
			return Result{}, false
		}
		return Result{Last: last, Groups: groups}, true
	}
	return Result{}, false
}

// unmarked stands for a parenthesis that the matcher did not pass.
const unmarked = -2

// cut takes the groups out of s. A group that closes before it opens makes the
// C code fail to allocate, hence no match.
func cut(s string, marks []int) ([]string, bool) {
	var groups []string
	for j := 0; j+1 < len(marks); j += 2 {
		from, to := marks[j], marks[j+1]
		if from == unmarked || to == unmarked {
			break
		}
		if to < from {
			return nil, false
		}
		from, to = min(max(from, 0), len(s)), min(max(to, 0), len(s))
		groups = append(groups, s[from:to])
	}
	return groups, true
}
