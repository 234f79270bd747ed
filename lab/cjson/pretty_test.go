package cjson_test

import (
	"testing"

	"custom-vault/lab/cjson"
)

func TestPrettyBreaksObjectsAndKeepsArraysOnALine(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ in, want string }{
		{`[]`, `[]`},
		{`{}`, "{\n}"},
		{`[1,"a",true]`, `[1, "a", true]`},
		{`[{"a":1,"b":[{"c":null}]}]`, "[{\n\t\t\"a\":\t1,\n\t\t\"b\":\t[{\n\t\t\t\t\"c\":\tnull\n\t\t\t}]\n\t}]"},
	} {
		v, _, err := cjson.Parse([]byte(c.in))
		if err != nil {
			t.Fatalf("%s: %v", c.in, err)
		}
		if got := v.Pretty(); got != c.want {
			t.Errorf("%s: got %q, want %q", c.in, got, c.want)
		}
	}
}
