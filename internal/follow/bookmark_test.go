package follow

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func sampleBookmarks() []Bookmark {
	return []Bookmark{
		{},
		{Source: Alerts},
		{Source: Alerts, Newest: tuesday, Files: []Position{
			{Name: tuesday, Device: 1<<64 - 1, Inode: 1<<64 - 1, Offset: 1<<62 + 1, Head: Print{1024, 1<<64 - 1}, Tail: Print{64, 7}},
			{Name: liveName, Device: 1, Inode: 2},
		}},
		{Source: Alerts, Newest: "2026/Feb/ossec-alerts-01-1000.json"},
		{Source: Journal, Newest: "2026112414.jsonl", Files: []Position{{Name: "2026112414.jsonl", Offset: 3, Head: printOf([]byte("abc")), Tail: printOf([]byte("abc"))}}},
		{Source: Journal, Since: 1795521600000, Done: []Done{{Name: "1970010100.jsonl"}, {"2026112413.jsonl", 1 << 40, 3, Print{256, 1}}}},
	}
}

func TestBookmarkSurvivesItsStoredForm(t *testing.T) {
	t.Parallel()
	for _, b := range sampleBookmarks() {
		got, err := ParseBookmark(b.String())
		if err != nil {
			t.Fatalf("%s: %v", b, err)
		}
		if d := cmp.Diff(b, got); d != "" {
			t.Errorf("(-want +got):\n%s", d)
		}
	}
}

func TestBookmarkRefuses(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"no JSON":           `x`,
		"two values":        `{"source":"alerts"}{}`,
		"another source":    `{"source":"archives"}`,
		"an unknown key":    `{"source":"alerts","v":2}`,
		"a path outside":    `{"source":"alerts","files":[{"name":"../../etc/passwd","dev":1,"ino":1,"off":0,"head":"0-0000000000000000","tail":"0-0000000000000000"}]}`,
		"a negative offset": `{"source":"alerts","files":[{"name":"alerts.json","dev":1,"ino":1,"off":-1,"head":"0-0000000000000000","tail":"0-0000000000000000"}]}`,
		"a head too long":   `{"source":"alerts","files":[{"name":"alerts.json","dev":1,"ino":1,"off":1,"head":"2-0000000000000000","tail":"0-0000000000000000"}]}`,
		"a bad fingerprint": `{"source":"alerts","files":[{"name":"alerts.json","dev":1,"ino":1,"off":1,"head":"1-00","tail":"0-0000000000000000"}]}`,
		"another's name":    `{"source":"journal","newest":"2026/Nov/ossec-alerts-24.json"}`,
		"alerts.json there": `{"source":"journal","files":[{"name":"alerts.json","dev":1,"ino":1,"off":0,"head":"0-0000000000000000","tail":"0-0000000000000000"}]}`,
		"a done path":       `{"source":"journal","done":[{"name":"../x","size":1,"tail":"0-0000000000000000"}]}`,
		"a long tail":       `{"source":"journal","done":[{"name":"2026112414.jsonl","size":999,"tail":"257-0000000000000000"}]}`,
		"torn too much":     `{"source":"journal","done":[{"name":"2026112414.jsonl","size":1,"rest":2,"tail":"0-0000000000000000"}]}`,
		"a negative size":   `{"source":"journal","done":[{"name":"2026112414.jsonl","size":-1,"tail":"0-0000000000000000"}]}`,
		"out of order":      `{"source":"journal","done":[{"name":"2026112414.jsonl","size":1,"tail":"0-0000000000000000"},{"name":"2026112413.jsonl","size":1,"tail":"0-0000000000000000"}]}`,
		"twice done":        `{"source":"journal","done":[{"name":"2026112414.jsonl","size":1,"tail":"0-0000000000000000"},{"name":"2026112414.jsonl","size":1,"tail":"0-0000000000000000"}]}`,
		"done of alerts":    `{"source":"alerts","done":[{"name":"2026/Nov/ossec-alerts-24.json","size":1,"tail":"0-0000000000000000"}]}`,
		"no such month":     `{"source":"alerts","newest":"2026/Nav/ossec-alerts-24.json"}`,
		"too much":          `{"source":"alerts","newest":"` + strings.Repeat("x", maxBookmark) + `"}`,
	} {
		if b, err := ParseBookmark(text); err == nil {
			t.Errorf("%s: read as %+v", name, b)
		} else if !strings.HasPrefix(err.Error(), "parse bookmark: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOpenRefusesTheOtherSourcesBookmark(t *testing.T) {
	t.Parallel()
	if _, err := OpenJournal(t.TempDir(), Bookmark{Source: Alerts}, Options{}); err == nil {
		t.Error("opened")
	}
}

// FuzzBookmark: what parses is written as it was understood, and only so.
func FuzzBookmark(f *testing.F) {
	for _, b := range sampleBookmarks() {
		f.Add(b.String())
	}
	f.Add(`{"source":"alerts","files":[]}`)
	f.Fuzz(func(t *testing.T, text string) {
		b, err := ParseBookmark(text)
		if err != nil {
			return
		}
		again, err := ParseBookmark(b.String())
		if err != nil {
			t.Fatalf("%q: its own form %q: %v", text, b, err)
		}
		if !b.Equal(again) || again.String() != b.String() {
			t.Fatalf("%q became %q", b, again)
		}
		for _, p := range b.Files {
			if strings.Contains(p.Name, "..") || strings.HasPrefix(p.Name, "/") {
				t.Fatalf("a name that leads out: %q", p.Name)
			}
		}
	})
}

// FuzzDatedName: a name and its key stand for each other.
func FuzzDatedName(f *testing.F) {
	f.Add(tuesday)
	f.Add("2026/Feb/ossec-alerts-01-1000.json")
	f.Add("2026112414.jsonl")
	f.Fuzz(func(t *testing.T, name string) {
		for _, l := range []layout{&alertsLayout{}, &journalLayout{}} {
			if k, ok := l.key(name); ok && l.name(k) != name {
				t.Fatalf("%q is %v is %q", name, k, l.name(k))
			}
		}
	})
}
