package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"custom-vault/internal/journal"
)

// nested is an object with arrays in it, depth deep in all.
func nested(depth int) string {
	return `{"a":` + strings.Repeat("[", depth-1) + strings.Repeat("]", depth-1) + "}"
}

var objects = []string{
	`{}`, `{ }`, `{"a":"b"}`, "{\t\"a\" :\t[ 1 , {} , [] ] }",
	`{"a":0,"b":-0,"c":1.5,"d":-12.25e+10,"e":1E-3,"f":3000000000.000000}`,
	`{"a":true,"b":false,"c":null}`, `{"a":1,"a":2}`, `{"":""}`,
	`{"a":"\"\\\/\b\f\n\r\t\u0000\uD800\uffff"}`, "{\"a\":\"\xff\xfe \x80 \xc3\"}", "{\"\xff\":\"\x7f\"}",
	nested(2), nested(maxDepth),
}

var noObjects = []string{
	"", " ", "{", "}", "{} ", "{}}", "{}{}", "{},", " {}", "[]", "null", "1", `"a"`, "\xef\xbb\xbf{}",
	`{"a"}`, `{"a":}`, `{"a":1,}`, `{,}`, `{a:1}`, `{'a':1}`, `{"a":1 "b":2}`, `{"a" 1}`, `{1:2}`,
	`{"a":[1,]}`, `{"a":[,1]}`, `{"a":[1}`, `{"a":[1 2]}`, `{"a":[`, `{"a":]}`,
	`{"a":01}`, `{"a":+1}`, `{"a":.5}`, `{"a":1.}`, `{"a":-}`, `{"a":1e}`, `{"a":1e+}`, `{"a":NaN}`, `{"a":0x1}`, `{"a":1`,
	`{"a":tru}`, `{"a":nul`, `{"a":True}`, `{"a":truex}`,
	`{"a":"}`, `{"a":"\`, `{"a":"\x"}`, `{"a":"\u12"}`, `{"a":"\u12g4"}`, `{"a":"\u`,
	"{\"a\":\"\x00\"}", "{\"a\":\"\t\"}", "{\"a\":\"\n\"}", "{\"a\":\"\x1f\"}",
	"{\n}", "{\r}", "{}\r", "{\"a\":\n1}", "{\x00}", "{}\x00", "{\u00a0}",
	nested(maxDepth + 1), strings.Repeat("{\"a\":", 200_000),
}

func TestAnObjectIsRecognised(t *testing.T) {
	t.Parallel()
	for _, text := range objects {
		if !isObject([]byte(text)) {
			t.Errorf("%.80q is not taken for an object", text)
		}
	}
	for _, text := range noObjects {
		if isObject([]byte(text)) {
			t.Errorf("%.80q is taken for an object", text)
		}
	}
}

// depth is how deep the brackets of valid JSON nest.
func depth(text []byte) (deepest int) {
	at := 0
	for i, inside := 0, false; i < len(text); i++ {
		switch c := text[i]; {
		case inside && c == '\\':
			i++
		case c == '"':
			inside = !inside
		case inside:
		case c == '{' || c == '[':
			at++
			deepest = max(deepest, at)
		case c == '}' || c == ']':
			at--
		}
	}
	return deepest
}

// isAlert is what alertLine must take, said with encoding/json.
func isAlert(line []byte) bool {
	return len(line) > 0 && len(line) <= maxLine && line[0] == '{' && line[len(line)-1] == '}' &&
		!bytes.ContainsAny(line, "\r\n") && json.Valid(line) && depth(line) <= maxDepth
}

func addAlerts(f *testing.F) {
	for _, text := range objects {
		f.Add([]byte(text))
		f.Add([]byte(text + "\n"))
	}
	for _, text := range noObjects[:len(noObjects)-1] { // the last one is long
		f.Add([]byte(text))
	}
	files, err := filepath.Glob("testdata/alerts/*.alert")
	if err != nil || len(files) == 0 {
		f.Fatal("no recorded alerts", err)
	}
	for _, name := range files {
		content, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(content)
	}
}

// FuzzAlertLine holds the check to encoding/json's.
func FuzzAlertLine(f *testing.F) {
	addAlerts(f)
	f.Fuzz(func(t *testing.T, content []byte) {
		line := bytes.TrimSuffix(content, []byte("\n"))
		want := isAlert(line)
		if got, reason := alertLine(content); (reason == "") != want || want && !bytes.Equal(got, line) {
			t.Fatalf("taken: %q, %v; want %v", got, reason, want)
		}
	})
}

// FuzzAlertFile holds the hook to its promise: what it takes is one line that parses, and the
// journal then holds the file byte for byte; what it refuses leaves one line on stderr and nothing
// else.
func FuzzAlertFile(f *testing.F) {
	addAlerts(f)
	now := time.Date(2026, 11, 24, 14, 30, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, content []byte) {
		line := bytes.TrimSuffix(content, []byte("\n"))
		want := isAlert(line)
		h := install(t)
		var stderr strings.Builder
		executable := func() (string, error) { return h.hook, nil }
		code := run([]string{"integrations", alertFile(t, string(content))}, executable, now, &stderr)
		if (code == 0) != want || strings.Count(stderr.String(), "\n") != code {
			t.Fatalf("exit %d, stderr %q; taken should be %v", code, stderr.String(), want)
		}
		journalled, err := os.ReadFile(filepath.Join(h.journal, journal.FileName(now)))
		if want && (err != nil || !bytes.Equal(journalled, append(line, '\n'))) {
			t.Fatalf("the journal holds %q, %v", journalled, err)
		}
		if !want && err == nil {
			t.Fatalf("the journal holds %q of what was refused", journalled)
		}
	})
}

// FuzzArguments: whatever integratord's arguments are, the hook ends with 1 and one line that acts on no terminal. (What
// it takes comes from a file that is there, and such are in FuzzAlertFile.)
func FuzzArguments(f *testing.F) {
	f.Add("/nonexistent\x1b[2J\n/x.alert", "KEY", "> /dev/null 2>&1")
	f.Add("", "", "")
	f.Add("/tmp/\u009b31m\u202e\x7f", "debug", "10")
	f.Add("/dev/zero\x00", "\xff\u009b31m\u202e", "3")
	f.Fuzz(func(t *testing.T, alert, second, third string) {
		if strings.HasPrefix(alert, "/proc") {
			return
		}
		h := install(t)
		var stderr strings.Builder
		executable := func() (string, error) { return h.hook, nil }
		code := run([]string{"integrations", alert, second, third}, executable, time.Now(), &stderr)
		text := strings.TrimSuffix(stderr.String(), "\n")
		if code != 1 || !strings.HasPrefix(text, "custom-vault: ") || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Errorf("exit %d, %q", code, stderr.String())
		}
		if left, err := os.ReadDir(h.journal); err != nil || len(left) > 0 {
			t.Errorf("the journal holds %v, %v", left, err)
		}
	})
}
