package osregex

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRegexp(t *testing.T) {
	t.Parallel()
	cases := []struct {
		pattern, text string
		want          bool
	}{
		{`abc`, "xABCx", true},
		{`^abc`, "xabc", false},
		{`abc$`, "abcx", false},
		{`^abc$`, "aBc", true},
		{`^a$|^b$|c d`, "b", true},
		{`^a$|^b$|c d`, "bb", false},
		{`.+`, "anything", false}, // literal
		{`.+`, "a.+b", true},
		{`\.+`, "anything", true},
		{`\.*`, "", true},
		{`^$`, "", true},
		{`^$`, "a", false},
		{`a$b`, "a$b", true}, // $ is special at the end only
		{`[x]`, "[x]", true},
		{`^[vault audit]`, "[VAULT AUDIT] {", true},
		{`^ab\d+$`, "ab12", true},
		{`^ab\d+$`, "ab12x", false},
		{`\d+-\d+`, "12-34", true},
		{`^\w+\s\d+\p\S+$`, "name 12:x", true},
		{`\w`, "@", true},
		{`\p`, "/", false},
		{`\p`, "|", true},
		{`\<tag\|pipe`, "<tag|pipe", true},
		{`a\$b`, "a$b", true},
		{`\(x\)`, "(x)", true},
		{`x\\y`, `x\y`, true},
		{`a\tb`, "a\tb", true},
		{`é`, "é", false}, // bytes above 0x7f are never equal
	}
	for _, c := range cases {
		re, err := Compile(c.pattern, false)
		if err != nil {
			t.Fatalf("%q: %v", c.pattern, err)
		}
		if got := re.MatchString(c.text); got != c.want {
			t.Errorf("%q on %q: %v, want %v", c.pattern, c.text, got, c.want)
		}
	}
}

func TestRegexpFind(t *testing.T) {
	t.Parallel()
	cases := []struct {
		pattern, text string
		want          Result
	}{
		{`user=(\S+) from (\d+.\d+.\d+.\d+):(\d+) act=(\w+)`, "user=bob from 10.0.0.7:22 act=login",
			Result{Last: 30, Groups: []string{"bob", "10.0.0.7", "22", "login"}}},
		{`^(\w+)=(\w+)`, "a=1;b=2", Result{Last: 2, Groups: []string{"a", "1"}}},
		{`^[tag]`, "[tag] x", Result{Last: 4}},
		{`x`, "x", Result{Last: 0}},
		// A repeated class at the end of pattern and text leaves the end at the
		// first byte that it took (_OS_Regex in os_regex_execute.c: "continue"
		// stands before "r_code = st").
		{`^n=\d+`, "n=123", Result{Last: 2}},
		{`^n=\d+`, "n=123 x", Result{Last: 5}},
		{`^n=\d+ `, "n=123 x", Result{Last: 5}},
		{`k=(\w+)$`, "k=abc", Result{Last: 2, Groups: []string{"abc"}}},
		{`(\w*)`, "abc", Result{Last: 0, Groups: []string{"abc"}}},
	}
	for _, c := range cases {
		re, err := Compile(c.pattern, true)
		if err != nil {
			t.Fatalf("%q: %v", c.pattern, err)
		}
		got, ok := re.Find(c.text)
		if !ok || !cmp.Equal(got, c.want) {
			t.Errorf("%q on %q: %+v %v, want %+v", c.pattern, c.text, got, ok, c.want)
		}
	}
}

// Without captures, as in a prematch, only one \x* may be left over when the text
// ends (the loop over them in _OS_Regex runs for prts_closure only).
func TestFindWithoutCaptures(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		captures bool
		pattern  string
		want     bool
	}{
		{false, `^abc\s*`, true},
		{false, `^abc\s*\d*`, false},
		{true, `^(a)bc\s*\d*`, true},
	} {
		re, err := Compile(c.pattern, c.captures)
		if err != nil {
			t.Fatalf("%q: %v", c.pattern, err)
		}
		if _, got := re.Find("abc"); got != c.want {
			t.Errorf("%q, captures %v: %v, want %v", c.pattern, c.captures, got, c.want)
		}
	}
}

func TestCompileRefuses(t *testing.T) {
	t.Parallel()
	for _, pattern := range []string{`\[x`, `\`, `(a`, `a)`, `((a))`, `(a|b)`, strings.Repeat("a", maxPattern+1)} {
		if _, err := Compile(pattern, true); err == nil {
			t.Errorf("%.20q compiled", pattern)
		}
	}
}

func TestMatch(t *testing.T) {
	t.Parallel()
	cases := []struct {
		pattern, text string
		want          bool
	}{
		{"needle", "a NEEDLE b", true},
		{"^one|two$|three", "one more", true},
		{"^one|two$|three", "not one", false},
		{"^one|two$|three", "and TWO", true},
		{"^one|two$|three", "xthreex", true},
		{"^x$", "X", true},
		{"^x$", "xx", false},
		{"foo|", "bar", true}, // an empty word is always found
		{"!foo", "bar", true},
		{"!foo", "foo", false},
		{"$", "any", true},
		{"^$", "", true},
		{"^$", "a", false},
		{"ab", "a", false},
		{"ü", "ü", false},
		{"か", "xかx", true}, // its first byte is 0xe3
	}
	for _, c := range cases {
		m, err := CompileMatch(c.pattern)
		if err != nil {
			t.Fatalf("%q: %v", c.pattern, err)
		}
		if got := m.MatchString(c.text); got != c.want {
			t.Errorf("%q on %q: %v, want %v", c.pattern, c.text, got, c.want)
		}
	}
}

func TestWord(t *testing.T) {
	t.Parallel()
	cases := []struct {
		pattern, text string
		want          bool
	}{
		{"special", "tree,special,", true},
		{"^tree", "tree,x", true},
		{"^special", "tree,special", false},
		{"a|b", "xbx", true},
		{"a|b", "xyz", false},
		{"", "x", false},
		{"a|", "xyz", true},
		{"|a", "xyz", false},
		{"a||b", "xyz", false},
		{"a||b", "xbz", true},
	}
	for _, c := range cases {
		if got := Word(c.pattern, c.text); got != c.want {
			t.Errorf("%q in %q: %v, want %v", c.pattern, c.text, got, c.want)
		}
	}
}

// FuzzRegexp holds that no pattern and no text make the matcher panic or run on, and that what it finds lies in the
// text. Whether there is a match may depend on whether groups are asked for, as in C: see TestFindWithoutCaptures.
func FuzzRegexp(f *testing.F) {
	f.Add(`\d*(\w+)\.*x$`, "12abc")
	f.Fuzz(func(t *testing.T, pattern, text string) {
		re, err := Compile(pattern, true)
		if err != nil {
			return
		}
		re.MatchString(text)
		found, ok := re.Find(text)
		if ok && (found.Last < -1 || found.Last > len(text)) {
			t.Errorf("%q on %q ends at %d", pattern, text, found.Last)
		}
		for _, group := range found.Groups {
			if !strings.Contains(text, group) {
				t.Errorf("%q on %q: group %q is not of the text", pattern, text, group)
			}
		}
	})
}
