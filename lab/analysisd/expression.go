package analysisd

import (
	"fmt"
	"net/netip"

	"custom-vault/lab/osregex"
	"custom-vault/lab/pcre2"
)

// language is the kind of a pattern (expression.h).
type language int

const (
	osRegex language = iota
	osMatch
	perl
	exact     // compared byte by byte
	addresses // IP addresses and networks
)

// expression is a pattern with its language. It may negate what it finds.
type expression struct {
	language language
	regex    *osregex.Regexp
	words    *osregex.Match
	perl     *pcre2.Regexp
	text     string
	nets     []network
	negate   bool
}

// compiler compiles expressions and shares what is the same pattern.
type compiler struct {
	perl map[string]*pcre2.Regexp
}

func (c *compiler) compile(lang language, pattern string, captures bool) (*expression, error) {
	e := &expression{language: lang, text: pattern}
	var err error
	switch lang {
	case osRegex:
		e.regex, err = osregex.Compile(pattern, captures)
	case osMatch:
		e.words, err = osregex.CompileMatch(pattern)
	case perl:
		known, ok := c.perl[pattern]
		if !ok {
			if known, err = pcre2.Compile(pattern); err == nil {
				c.perl[pattern] = known
			}
		}
		e.perl = known
	case exact, addresses:
	}
	if err != nil {
		return nil, fmt.Errorf("compile %q: %w", pattern, err)
	}
	return e, nil
}

// matches reports whether the pattern is found in s, before negation.
func (e *expression) matches(s string) bool {
	switch e.language {
	case osRegex:
		return e.regex.MatchString(s)
	case osMatch:
		return e.words.MatchString(s)
	case perl:
		return e.perl.MatchString(s)
	case exact:
		return e.text == s
	case addresses:
		return e.holds(s)
	}
	return false
}

// accepts is matches after negation.
func (e *expression) accepts(s string) bool { return e.matches(s) != e.negate }

// find tells the offset of the last byte that the match took, -1 if it took none at the very
// beginning, and the groups. An osMatch ends nowhere: has is false.
func (e *expression) find(s string) (last int, has bool, groups []string, ok bool) {
	switch e.language {
	case osRegex:
		r, ok := e.regex.Find(s)
		return r.Last, true, r.Groups, ok
	case perl:
		r, ok := e.perl.Find(s)
		return r.End - 1, true, r.Groups, ok
	default:
		return 0, false, nil, e.matches(s)
	}
}

// holds reports whether an address lies in one of the networks. What is no address lies in none.
func (e *expression) holds(s string) bool {
	addr, err := netip.ParseAddr(s)
	if err != nil || addr.Zone() != "" {
		return false
	}
	for _, net := range e.nets {
		if net.has(addr) {
			return true
		}
	}
	return false
}
