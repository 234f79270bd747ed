package oracle

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const (
	recordings = "testdata/wazuh"
	vaultLogs  = "testdata/vault"
)

// replayAll replays the recordings of analysisd in a folder.
func replayAll(t *testing.T, dir string, m *Mutator) (*Report, string) {
	t.Helper()
	var out bytes.Buffer
	report := &Report{out: &out, kind: "test"}
	if err := runEngine(filepath.Join(dir, "engine"), m, report); err != nil {
		t.Fatal(err)
	}
	if err := vaultPasses(vaultLogs)(filepath.Join(recordings, "vault-passes"), m, report); err != nil {
		t.Fatal(err)
	}
	return report, out.String()
}

func TestLabAnswersAsRecorded(t *testing.T) {
	t.Parallel()
	report, out := replayAll(t, recordings, nil)
	if report.differ > 0 {
		t.Errorf("%d of %d cases differ:\n%s", report.differ, report.agree+report.differ, out)
	}
	if report.agree < 160 {
		t.Errorf("only %d cases were compared", report.agree)
	}
}

func TestMutatedRecordingsAgreeAsWell(t *testing.T) {
	t.Parallel()
	plain, _ := replayAll(t, recordings, nil)
	for seed := range int64(3) {
		report, out := replayAll(t, recordings, NewMutator(seed))
		if report.agree != plain.agree || report.differ > 0 {
			t.Errorf("seed %d: agree %d of %d, unchanged %d:\n%s", seed, report.agree, report.agree+report.differ, plain.agree, out)
		}
	}
}

func TestTamperedExpectationIsReported(t *testing.T) {
	t.Parallel()
	cases, err := readFile(filepath.Join(recordings, "engine", "cases.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ about, old, new string }{
		{"a level", `\"level\":14,`, `\"level\":13,`},
		{"a count", `\"firedtimes\":7,`, `\"firedtimes\":8,`},
		{"an escape in a log", `"full_log\":\"[vault audit] {`, `"full_log\":\"[vault audit]  {`},
		{"the order of keys", `\"decoder\":{\"name\":\"vault-audit\"},\"data\":{\"auth\"`, `\"data\":{\"auth\"`},
		{"a line of the log", `Rule ID '270019' is duplicated`, `Rule ID '270018' is duplicated`},
	} {
		dir := t.TempDir()
		if err := os.CopyFS(dir, os.DirFS(recordings)); err != nil {
			t.Fatal(err)
		}
		tampered := bytes.Replace(cases, []byte(c.old), []byte(c.new), 1)
		if bytes.Equal(tampered, cases) {
			t.Fatalf("%s: %s is not in the recordings", c.about, c.old)
		}
		if err := os.WriteFile(filepath.Join(dir, "engine", "cases.jsonl"), tampered, 0o600); err != nil {
			t.Fatal(err)
		}
		report, out := replayAll(t, dir, nil)
		if report.differ != 1 || !strings.Contains(out, "differs") {
			t.Errorf("%s: %d cases differ, want 1:\n%s", c.about, report.differ, out)
		}
	}
}

func TestMutatorChangesWhatAVaultLogHolds(t *testing.T) {
	t.Parallel()
	log, err := readFile(filepath.Join(vaultLogs, "bob-story.hmac.log"))
	if err != nil {
		t.Fatal(err)
	}
	change := NewMutator(1).For(`<field name="request.operation">^read$</field>`, string(log))
	changed := change.Text(string(log))
	if len(changed) != len(log) {
		t.Errorf("the length changed from %d to %d", len(log), len(changed))
	}
	for _, word := range []string{`hmac-sha256:[0-9a-f]{64}`, `"accessor":"[^"]*"`, `"display_name":"userpass-[^"]*"`, `"remote_port":\d+`} {
		pattern := regexp.MustCompile(word)
		found := pattern.FindAllString(string(log), -1)
		if len(found) == 0 {
			t.Fatalf("the log has no %s", word)
		}
		for _, old := range found {
			if strings.Contains(changed, old) {
				t.Errorf("%s is still there", old)
				break
			}
		}
	}
	if !strings.Contains(changed, `"operation":"read"`) {
		t.Error("a word that the rules ask for was changed")
	}
	if again := NewMutator(1).For(`^read$`, string(log)).Text(string(log)); again != changed {
		t.Error("the same seed changes otherwise")
	}
}
