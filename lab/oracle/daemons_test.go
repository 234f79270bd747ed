package oracle

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestMain lets the test's own program be the probe that the lab's daemons start, under the umask of the recorded ones.
func TestMain(m *testing.M) {
	syscall.Umask(0o022)
	if code, isProbe := Probe(os.Args); isProbe {
		os.Exit(code)
	}
	os.Exit(m.Run())
}

// daemonKinds are the kinds of recordings that are replayed with real processes and sockets, and how many cases of each are copied here.
func daemonKinds() map[string]struct {
	run   func(string, *Mutator, *Report) error
	cases int
} {
	return map[string]struct {
		run   func(string, *Mutator, *Report) error
		cases int
	}{
		"integratord": {runIntegratord, 30},
		"execd":       {runExecd, 28},
		"queue":       {runQueue, 47},
		"api":         {runAPI, 92},
	}
}

func replayKind(t *testing.T, dir, kind string, m *Mutator) (*Report, string) {
	t.Helper()
	var out bytes.Buffer
	report := &Report{out: &out, kind: kind}
	if err := daemonKinds()[kind].run(filepath.Join(dir, kind), m, report); err != nil {
		t.Fatal(err)
	}
	return report, out.String()
}

func TestDaemonsBehaveAsRecorded(t *testing.T) {
	for kind, want := range daemonKinds() {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			report, out := replayKind(t, recordings, kind, nil)
			if report.differ > 0 {
				t.Errorf("%d of %d cases differ:\n%s", report.differ, report.agree+report.differ, out)
			}
			needRoot := 0 // which is not everybody's
			for _, reason := range report.uncompared {
				if os.Geteuid() != 0 && strings.Contains(reason, ": needs root, ") {
					needRoot++
				}
			}
			if report.agree+needRoot < want.cases || needRoot > 1 {
				t.Errorf("only %d cases were compared, want %d: %s", report.agree, want.cases, report.uncompared)
			}
		})
	}
}

// someTranscripts are those whose name begins with one of the prefixes.
func someTranscripts(t *testing.T, prefixes ...string) (text []byte, lines int) {
	t.Helper()
	all, err := readFile(filepath.Join(recordings, "api", "transcripts.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(all) {
		for _, prefix := range prefixes {
			if bytes.HasPrefix(line, []byte(`{"name": "`+prefix)) {
				text, lines = append(text, line...), lines+1
				break
			}
		}
	}
	return text, lines
}

// folderOf is a folder of recordings with these transcripts.
func folderOf(t *testing.T, transcripts []byte) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "api"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "api", "transcripts.jsonl"), transcripts, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestTranscriptsAgreeWithOtherWords(t *testing.T) {
	t.Parallel()
	text, lines := someTranscripts(t, "auth-", "rbac-", "token-", "ar-registered")
	report, out := replayKind(t, folderOf(t, text), "api", NewMutator(1))
	if report.agree != lines {
		t.Errorf("agree %d, want %d:\n%s", report.agree, lines, out)
	}
}

func TestTamperedTranscriptsAreReported(t *testing.T) {
	t.Parallel()
	text, _ := someTranscripts(t, "ar-minimal", "ar-wrong-method", "fail-ar-disabled", "limit-429-count")
	changes := []struct{ about, old, new string }{
		{"a status", `"status": 405`, `"status": 404`},
		{"an error code", `\"code\": 1750`, `\"code\": 1751`},
		{"what the program got", `\"extra_args\":[],\"alert\":{}`, `\"extra_args\":[],\"alert\":{\"a\":1}`},
		{"a count", `"requests_until_429": 301`, `"requests_until_429": 300`},
	}
	for _, c := range changes {
		tampered := bytes.Replace(text, []byte(c.old), []byte(c.new), 1)
		if bytes.Equal(tampered, text) {
			t.Fatalf("%s: %s is not in the transcripts", c.about, c.old)
		}
		text = tampered
	}
	report, out := replayKind(t, folderOf(t, text), "api", nil)
	if report.differ != len(changes) || strings.Count(out, "differs:") != len(changes) {
		t.Errorf("%d transcripts differ, want %d:\n%s", report.differ, len(changes), out)
	}
}
