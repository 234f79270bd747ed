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
			Result{Last: 34, Groups: []string{"bob", "10.0.0.7", "22", "login"}}},
		{`^(\w+)=(\w+)`, "a=1;b=2", Result{Last: 2, Groups: []string{"a", "1"}}},
		{`^[tag]`, "[tag] x", Result{Last: 4}},
		{`x`, "x", Result{Last: 0}},
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
	}
	for _, c := range cases {
		if got := Word(c.pattern, c.text); got != c.want {
			t.Errorf("%q in %q: %v, want %v", c.pattern, c.text, got, c.want)
		}
	}
}

// FuzzRegexp holds that no pattern and no text make the matcher panic or run on.
func FuzzRegexp(f *testing.F) {
	f.Add(`\d*(\w+)\.*x$`, "12abc")
	f.Fuzz(func(t *testing.T, pattern, text string) {
		re, err := Compile(pattern, true)
		if err != nil {
			return
		}
		_, found := re.Find(text)
		if found && !re.MatchString(text) {
			t.Errorf("%q on %q: Find differs from MatchString", pattern, text)
		}
	})
}
