package osxml

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRead(t *testing.T) {
	t.Parallel()
	cases := []struct {
		about, in string
		want      []*Element
	}{
		{"entities stay", `<a>x &amp; y & z</a>`, []*Element{{Name: "a", Content: "x &amp; y & z"}}},
		{"a backslash protects", `<a>\<tag</a>`, []*Element{{Name: "a", Content: `\<tag`}}},
		{"comments", "<!-- a -- b --><a>1<!-- x -->2</a>", []*Element{{Name: "a", Content: "12"}}},
		{"attributes", `<a b="1" c='2'/>`, []*Element{{Name: "a", Attributes: []Attribute{{"b", "1"}, {"c", "2"}}}}},
		{"text between children is lost", "<a>x<b>1</b>y</a>",
			[]*Element{{Name: "a", Content: "y", Children: []*Element{{Name: "b", Content: "1"}}}}},
		{"text outside is passed over", "hello <a>1</a> world", []*Element{{Name: "a", Content: "1"}}},
	}
	for _, c := range cases {
		got, err := Read([]byte(c.in))
		if err != nil {
			t.Errorf("%s: %v", c.about, err)
			continue
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", c.about, diff)
		}
	}
}

func TestReadRefuses(t *testing.T) {
	t.Parallel()
	cases := []struct{ in, want string }{
		{`<?xml version="1.0"?><a/>`, "XMLERR: Bad attribute closing for 'version'='1.0'."},
		{"<a>\n<b>1</a>", "XMLERR: Element 'b' not closed."},
		{"<a>", "XMLERR: End of file and some elements were not closed."},
		{"<!-- x", "XMLERR: Comment not closed."},
		{"</a>", "XMLERR: Element not opened."},
		{"<a b>", "XMLERR: Attribute 'b' has no value."},
		{"<a b=1>", `XMLERR: Attribute 'b' not followed by a " or '.`},
		{`<a b="1" b="2"/>`, "XMLERR: Attribute 'b' already defined."},
		{`<a b="1>`, "XMLERR: Attribute 'b' not closed."},
	}
	for _, c := range cases {
		_, err := Read([]byte(c.in))
		var fault *Error
		if !errors.As(err, &fault) || fault.Text != c.want {
			t.Errorf("%q: %v, want %s", c.in, err, c.want)
		}
	}
}

func TestApplyVariables(t *testing.T) {
	t.Parallel()
	cases := []struct{ in, want, fault string }{
		{`<var name="X">1|2</var><a>^$X$</a>`, "^1|2$", ""},
		{`<a>$X y</a><var name="X">1</var>`, "$X y", ""}, // defined too late
		{`<var name="X">1</var><a>$(field) and $(a.b)</a>`, "$(field) and $(a.b)", ""},
		{`<var name="X">1</var><a>costs $5</a>`, "", "XMLERR: Unknown variable: '5'."},
		{`<a>costs $5</a>`, "costs $5", ""},
		{`<var name="X">1</var><a>$x,$X</a>`, "1,1", ""},
	}
	for _, c := range cases {
		roots, err := Read([]byte(c.in))
		if err != nil {
			t.Fatal(err)
		}
		roots, err = ApplyVariables(roots)
		var fault *Error
		switch {
		case c.fault != "":
			if !errors.As(err, &fault) || fault.Text != c.fault {
				t.Errorf("%s: %v, want %s", c.in, err, c.fault)
			}
		case err != nil:
			t.Errorf("%s: %v", c.in, err)
		case len(roots) != 1 || roots[0].Content != c.want:
			t.Errorf("%s: %q, want %q", c.in, roots[0].Content, c.want)
		}
	}
}
