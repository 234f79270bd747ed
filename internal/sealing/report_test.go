package sealing

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// What Wazuh makes of a line: its pre-decoder takes date (15 characters, blanks and colons at fixed places,
// analysisd/cleanevent.c), host and program; then the published article's expression and those of this project's decoder.
var (
	header  = regexp.MustCompile(`^([A-Z][a-z]{2} [ 0-9]\d \d\d:\d\d:\d\d) ([A-Za-z0-9._-]+) vault-seal: (.*)$`)
	article = regexp.MustCompile(`(\w+)\s+-\s+(\w.+)`)
	planOf  = regexp.MustCompile(`\splan=(\S+)`)
	nodeOf  = regexp.MustCompile(`\snode=(\S+)`)
)

func line(change ...func(*Line)) Line {
	l := Line{At: time.Date(2026, 11, 4, 15, 4, 5, 0, time.UTC), Host: "vault-1", Level: Success, Text: "sealed", Plan: "plan-1", Node: "n1", Took: 523 * time.Millisecond}
	for _, f := range change {
		f(&l)
	}
	return l
}

func TestTheLineIsTheArticles(t *testing.T) {
	t.Parallel()
	if got, want := line().String(), "Nov  4 15:04:05 vault-1 vault-seal: SUCCESS - sealed plan=plan-1 node=n1 ms=523"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func wantDecoded(t *testing.T, text string, level Level, plan, node string) {
	t.Helper()
	h := header.FindStringSubmatch(text)
	if h == nil {
		t.Fatalf("no syslog header: %q", text)
	}
	fields := article.FindStringSubmatch(h[3])
	if fields == nil || fields[1] != string(level) || !strings.HasPrefix(h[3], string(level)+" - ") {
		t.Fatalf("level and message: %q of %q", fields, text)
	}
	if got := planOf.FindStringSubmatch(h[3]); got == nil || got[1] != plan {
		t.Errorf("plan %q of %q, want %s", got, text, plan)
	}
	if got := nodeOf.FindStringSubmatch(h[3]); got == nil || got[1] != node {
		t.Errorf("node %q of %q, want %s", got, text, node)
	}
	if len(text) > 1024 || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' }) {
		t.Errorf("%d bytes, or something invisible: %q", len(text), text)
	}
}

func TestEveryOutcomeIsDecoded(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		outcome Outcome
		level   Level
	}{
		{Outcome{State: Sealed}, Success},
		{Outcome{State: AlreadySealed}, Info},
		{Outcome{State: AlreadySealed, Reason: "it is not initialised"}, Info},
		{Outcome{State: NotSealed, Reason: "unreachable, is it stopped? dial tcp 127.0.0.1:8200: connect: connection refused"}, Error},
		{Outcome{State: NotSealed, Reason: "x plan=evil node=evil\nNov  4 15:04:05 h vault-seal: SUCCESS - sealed plan=evil node=n2 ms=1"}, Error},
		{Outcome{State: NotSealed, Reason: strings.Repeat("é\x00=\u202e", 5000)}, Error},
	} {
		level, text := c.outcome.Report()
		if level != c.level {
			t.Errorf("%+v: level %s, want %s", c.outcome, level, c.level)
		}
		wantDecoded(t, line(func(l *Line) { l.Level, l.Text = level, text }).String(), c.level, "plan-1", "n1")
	}
}

func TestHostNamesCannotShiftTheHeader(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]string{
		"vault-1.example.com": "vault-1.example.com", "": "localhost", "a b": "a-b", "x vault-seal: SUCCESS - y": "x-vault-seal--SUCCESS---y",
		"h\nNov": "h-Nov", "über": "-ber", strings.Repeat("h", 300): strings.Repeat("h", maxHost),
	} {
		text := line(func(l *Line) { l.Host = host }).String()
		wantDecoded(t, text, Success, "plan-1", "n1")
		if got := header.FindStringSubmatch(text)[2]; got != want {
			t.Errorf("host %q is shown as %q, want %q", host, got, want)
		}
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestReportsAreAppended(t *testing.T) {
	t.Parallel()
	path := writeFile(t, "active-responses.log", "what was there\n", 0o600)
	for range 2 {
		if err := AppendReport(path, line()); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := read(t, path), "what was there\n"+line().String()+"\n"+line().String()+"\n"; got != want {
		t.Errorf("got %q", got)
	}
}

func TestAMissingReportFileIsMadeForTheGroup(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "active-responses.log")
	if err := AppendReport(path, line()); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o660 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

func TestReportsAtTheSameTimeDoNotMix(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "active-responses.log")
	var writers sync.WaitGroup
	for i := range 20 {
		writers.Go(func() {
			if err := AppendReport(path, line(func(l *Line) { l.Node = fmt.Sprintf("n%d", i) })); err != nil {
				t.Error(err)
			}
		})
	}
	writers.Wait()
	lines := strings.Split(strings.TrimSuffix(read(t, path), "\n"), "\n")
	for _, text := range lines {
		wantDecoded(t, text, Success, "plan-1", nodeOf.FindStringSubmatch(text)[1])
	}
	if len(lines) != 20 {
		t.Errorf("%d lines", len(lines))
	}
}

func TestReportFilesThatAreNotWrittenTo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	target := writeFile(t, "target", "untouched", 0o600)
	link, dangling, fifo, readFifo := filepath.Join(dir, "link"), filepath.Join(dir, "dangling"), filepath.Join(dir, "fifo"), filepath.Join(dir, "fifo2")
	for _, err := range []error{
		os.Symlink(target, link), os.Symlink(filepath.Join(dir, "made"), dangling), syscall.Mkfifo(fifo, 0o600), syscall.Mkfifo(readFifo, 0o600),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	reader, err := os.OpenFile(readFifo, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	for path, why := range map[string]string{
		link: "symbolic link", dangling: "symbolic link", fifo: "not a regular file", readFifo: "not a regular file", dir: "is a directory",
		filepath.Join(dir, "missing", "file"): "no such file", "/dev/null": "not a regular file",
	} {
		if err := AppendReport(path, line()); err == nil || !strings.Contains(err.Error(), why) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: error %v; want one with %q", path, err, why)
		}
	}
	if read(t, target) != "untouched" {
		t.Error("the link was followed")
	}
	if _, err := os.Stat(filepath.Join(dir, "made")); err == nil {
		t.Error("a file was made where the link leads")
	}
}
