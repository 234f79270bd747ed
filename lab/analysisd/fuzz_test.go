package analysisd

import (
	"encoding/json"
	"strings"
	"testing"
	"testing/fstest"
)

// FuzzProcess holds that no datagram makes the engine panic, and that whatever it writes is one line of JSON.
func FuzzProcess(f *testing.F) {
	f.Add([]byte(`1:[001] (a) any->/x:{"a":{"b":[1,2]},"user":"x"}`))
	f.Add([]byte(`1:x:Feb 10 12:34:56 h svc[12]: level=X`))
	f.Add([]byte(`1:x:{"` + strings.Repeat("a.", 5000) + `":"x"}`))
	rs, _, err := Load(Sources{Files: fstest.MapFS{}, Stock: true})
	if err != nil {
		f.Fatal(err)
	}
	e := NewEngine(rs, Options{})
	f.Fuzz(func(t *testing.T, datagram []byte) {
		res := e.Process(datagram, start())
		for _, line := range [][]byte{res.Archive, res.Alert} {
			if strings.Contains(string(line), "\n") || len(line) > 0 && !nests(line, 9000) && !json.Valid(line) {
				t.Errorf("%q makes %q", datagram, line)
			}
		}
	})
}

// nests says whether JSON may nest deeper than encoding/json goes.
func nests(text []byte, deep int) bool {
	return strings.Count(string(text), "{")+strings.Count(string(text), "[") > deep
}

// FuzzParseFrame: a location that was escaped is heard as it was, with the log that was meant; and no datagram is heard
// as more than it held.
func FuzzParseFrame(f *testing.F) {
	f.Add("[001] (vault-1) any->/var/log/vault_audit.log", `{"a":1}`)
	f.Add(`C:\x|y:z`, "b:c")
	f.Add("|", "::||:|")
	f.Add("a\x00", "\xff\x00")
	f.Fuzz(func(t *testing.T, location, log string) {
		if got, err := ParseFrame([]byte(location + log)); err == nil && len(got.Location)+len(got.Log) > len(location)+len(log) {
			t.Errorf("%q is heard as %+v", location+log, got)
		}
		datagram := "1:" + strings.ReplaceAll(strings.ReplaceAll(location, "|", "||"), ":", "|:") + ":" + log
		if len(datagram) < 4 || len(datagram) > maxFrame || len(location) > maxLocation/2 || strings.Contains(datagram, "\x00") {
			return
		}
		got, err := ParseFrame([]byte(datagram))
		if err != nil || got.Location != location || got.Log != log || got.Queue != '1' {
			t.Errorf("%q is heard as %+v, %v", datagram, got, err)
		}
	})
}
