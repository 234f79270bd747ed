package cjson_test

import (
	"strings"
	"testing"

	"custom-vault/lab/cjson"
)

func TestPrintsAsCJSONDoes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ in, want string }{
		{`{"b":1, "a": [true,null , "x"]}`, `{"b":1,"a":[true,null,"x"]}`},
		{`12345678901234567890`, `1.2345678901234567e+19`},
		{`1000.0`, `1000`},
		{`1.5`, `1.5`},
		{`01`, `1`},
		{`1234567890123456`, `1234567890123456`},
		{`1E400`, `null`},
		{`"\u00e9 \"q\" \u0001 \/"`, "\"\u00e9 \\\"q\\\" \\u0001 /\""},
		{`"a\u0000b"`, `"a"`},
		{`"a\u12G4b"`, `"a"`}, // no hexadecimal digit: taken as \u0000 (parse_hex4)
		{`{"a":"\uzzzz","b":1}`, `{"a":"","b":1}`},
		{strings.Repeat("1", 63), "1.1111111111111112e+62"},
		{"\"raw\ttab \xff\"", "\"raw\\ttab \xff\""},
		{`"\ud83d\ude00"`, "\"\U0001F600\""},
		{`{"a":1} trailing`, `{"a":1}`},
		{`{"a":1,"a":2}`, `{"a":1,"a":2}`},
	} {
		v, _, err := cjson.Parse([]byte(c.in))
		if err != nil {
			t.Errorf("%s: %v", c.in, err)
			continue
		}
		if got := string(v.Print()); got != c.want {
			t.Errorf("%s: printed %s, want %s", c.in, got, c.want)
		}
	}
}

func TestRefusesWhatCJSONRefuses(t *testing.T) {
	t.Parallel()
	for _, in := range []string{``, `{`, `{"a":1,}`, `[1,]`, `"\q"`, `"\ud800"`, `"\u12"`, `["\u123","4"]`, "[" + strings.Repeat("1", 64) + "]", `"open`, `tru`, `{a:1}`, strings.Repeat("[", 1001) + strings.Repeat("]", 1001)} {
		if v, _, err := cjson.Parse([]byte(in)); err == nil {
			t.Errorf("%.40s: parsed as %s", in, v.Print())
		}
	}
	if _, _, err := cjson.Parse([]byte(strings.Repeat("[", 1000) + strings.Repeat("]", 1000))); err != nil {
		t.Errorf("1000 levels: %v", err)
	}
}

func TestGetIgnoresCaseAndTakesTheFirst(t *testing.T) {
	t.Parallel()
	v, _, err := cjson.Parse([]byte(`{"Rule":1,"rule":2}`))
	if err != nil {
		t.Fatal(err)
	}
	if got := v.Get("rule").Number; got != 1 {
		t.Errorf("got %v, want the first", got)
	}
}
