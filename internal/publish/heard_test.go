package publish

import (
	"bufio"
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// heard is what analysisd makes of a datagram.
type heard struct {
	id, name, ip, location, log string
}

// hear reads a datagram as analysisd 4.4 and later does, by what its recorded answers show, independently of Frame:
// the first two bytes are dropped; a | takes the next character as it is; the first colon that is not taken so ends
// the location; a location that begins with [ has an id in it; one that goes on with ( has a name, an address and
// "->".
func hear(frame string, dialect Dialect) (heard, bool) {
	if len(frame) < 4 || frame[0] == '8' {
		return heard{}, false
	}
	location, log, ok := cutLocation(frame[2:], dialect)
	if !ok {
		return heard{}, false
	}
	h := heard{id: "000", location: location, log: log}
	if rest, bracketed := strings.CutPrefix(location, "["); bracketed {
		h.id, h.location, _ = strings.Cut(rest, "] ")
	}
	if rest, named := strings.CutPrefix(h.location, "("); named {
		h.name, rest, _ = strings.Cut(rest, ")")
		_, h.location, _ = strings.Cut(rest, "->")
		h.ip, _, _ = strings.Cut(rest[min(1, len(rest)):], "->")
	}
	return h, true
}

func cutLocation(s string, dialect Dialect) (location, log string, ok bool) {
	if dialect == Plain {
		return strings.Cut(s, ":")
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case ':':
			return b.String(), s[i+1:], true
		case '|':
			if i++; i < len(s) {
				b.WriteByte(s[i])
			}
		default:
			b.WriteByte(s[i])
		}
	}
	return "", "", false
}

func TestHearIsWhatAnalysisdWasSeenToDo(t *testing.T) {
	t.Parallel()
	f, err := os.Open("testdata/headers.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		var rec struct {
			Frame string
			Heard *struct {
				Agent         struct{ ID, Name, IP string }
				Location, Log string
			}
		}
		if err := json.Unmarshal(lines.Bytes(), &rec); err != nil {
			t.Fatal(err)
		}
		got, ok := hear(rec.Frame, Escaped)
		if ok != (rec.Heard != nil) {
			t.Errorf("%q: heard %v", rec.Frame, ok)
		}
		if rec.Heard == nil {
			continue
		}
		want := heard{rec.Heard.Agent.ID, rec.Heard.Agent.Name, rec.Heard.Agent.IP, rec.Heard.Location, rec.Heard.Log}
		if want.id == "000" && !strings.Contains(rec.Frame, "("+want.name+")") {
			want.name = got.name // analysisd puts in the manager's, or the host of a syslog header
		}
		if got.ip == "any" || strings.Contains(want.ip, "/x") { // "any" is no address; "(a)->/x" is a form that nobody sends
			want.ip = got.ip
		}
		if got != want {
			t.Errorf("%q:\nheard %+v\nwant  %+v", rec.Frame, got, want)
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
}
