package pcre2

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFind(t *testing.T) {
	t.Parallel()
	cases := []struct {
		pattern, subject string
		want             Result
		found            bool
	}{
		{`^ab\d+$`, "ab12", Result{End: 4}, true},
		{`^ab\d+$`, "AB12", Result{}, false},
		{`(?i)^XY$`, "xy", Result{End: 2}, true},
		{`^(?!secret/).*`, "kv/a", Result{End: 4}, true},
		{`^(?!secret/).*`, "secret/a", Result{}, false},
		{`^$`, "", Result{End: 0}, true},
		{`x*`, "yyx", Result{End: 0}, true},
		{`(a)|(b)`, "b", Result{End: 1, Groups: []string{"", "b"}}, true},
		{`(a)(b)?`, "a", Result{End: 1, Groups: []string{"a"}}, true},
		{`.`, "\xff", Result{End: 1}, true},
		{`end$`, strings.Repeat("x", 70000) + "end", Result{End: 70003}, true},
	}
	for _, c := range cases {
		re, err := Compile(c.pattern)
		if err != nil {
			t.Fatalf("%q: %v", c.pattern, err)
		}
		got, found := re.Find(c.subject)
		if found != c.found || !cmp.Equal(got, c.want) {
			t.Errorf("%q on %.20q: %v %v, want %v %v", c.pattern, c.subject, got, found, c.want, c.found)
		}
		if re.MatchString(c.subject) != c.found {
			t.Errorf("%q on %.20q: MatchString differs from Find", c.pattern, c.subject)
		}
	}
}

func TestCompileRefuses(t *testing.T) {
	t.Parallel()
	if _, err := Compile("(a"); err == nil {
		t.Error("an open parenthesis compiled")
	}
}
