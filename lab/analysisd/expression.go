package analysisd

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

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
	nets     []netip.Prefix
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
	if err != nil {
		return false
	}
	addr = addr.Unmap()
	for _, net := range e.nets {
		if net.Addr().Is4() == addr.Is4() && net.Contains(addr) {
			return true
		}
	}
	return false
}

// addNet reads an address, with a prefix length or a netmask. A leading ! is passed over
// without effect, a habit of 4.14 (OS_IsValidIP).
func (e *expression) addNet(text string) bool {
	text = strings.TrimPrefix(text, "!")
	if text == "any" {
		e.nets = append(e.nets, netip.PrefixFrom(netip.IPv4Unspecified(), 0), netip.PrefixFrom(netip.IPv6Unspecified(), 0))
		return true
	}
	host, mask, masked := strings.Cut(text, "/")
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return false
	}
	addr = addr.Unmap()
	bits := addr.BitLen()
	if masked {
		if bits, err = prefixLength(mask); err != nil {
			return false
		}
	}
	prefix, err := addr.Prefix(bits)
	if err != nil {
		return false
	}
	e.nets = append(e.nets, prefix)
	return true
}

func prefixLength(mask string) (int, error) {
	if n, err := strconv.Atoi(mask); err == nil {
		return n, nil
	}
	addr, err := netip.ParseAddr(mask)
	if err != nil {
		return 0, fmt.Errorf("netmask %q: %w", mask, err)
	}
	n := 0
	for _, b := range addr.AsSlice() {
		for ; b&0x80 != 0; b <<= 1 {
			n++
		}
	}
	return n, nil
}
