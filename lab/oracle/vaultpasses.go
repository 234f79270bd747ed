package oracle

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"custom-vault/lab/analysisd"
)

// passMap is a NAME.map.json.
type passMap struct {
	Lines       int
	Location    string
	Header      string
	GapMS       int64 `json:"gap_ms"`
	Source      string
	AlertOfLine []alertOfLine `json:"alert_of_line"`
	Log         []string
}

// alertOfLine is a pair of a line's number and the rules that it fired.
type alertOfLine struct {
	line  int
	rules []string
}

// UnmarshalJSON reads [number, [rules]].
func (a *alertOfLine) UnmarshalJSON(data []byte) error {
	pair := []any{&a.line, &a.rules}
	if err := json.Unmarshal(data, &pair); err != nil {
		return fmt.Errorf("read an entry of alert_of_line: %w", err)
	}
	return nil
}

// maxLine is where logcollector cuts a line, in bytes.
const maxLine = 65278

// vaultPasses replays whole audit logs of Vault through the article's ruleset.
func vaultPasses(vault string) func(string, *Mutator, *Report) error {
	return func(dir string, m *Mutator, report *Report) error {
		rs, err := loadRuleset(filepath.Join(dir, "..", "engine", "rulesets", "article"))
		if err != nil {
			return err
		}
		maps, err := filepath.Glob(filepath.Join(dir, "*.map.json"))
		if err != nil {
			return fmt.Errorf("list recordings: %w", err)
		}
		for _, path := range maps {
			name := strings.TrimSuffix(filepath.Base(path), ".map.json")
			difference, err := replayPass(dir, name, vault, rs, m)
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			if difference == "" {
				report.Agree(name)
			} else {
				report.Differ(name, difference)
			}
		}
		return nil
	}
}

func replayPass(dir, name, vault string, rs *ruleset, m *Mutator) (string, error) {
	data, err := os.ReadFile(filepath.Join(dir, name+".map.json"))
	if err != nil {
		return "", fmt.Errorf("read a recording: %w", err)
	}
	var pass passMap
	if err := json.Unmarshal(data, &pass); err != nil {
		return "", fmt.Errorf("read the map of a recording: %w", err)
	}
	recorded, err := os.ReadFile(filepath.Join(dir, name+".alerts.jsonl"))
	if err != nil {
		return "", fmt.Errorf("read a recording: %w", err)
	}
	log, err := os.ReadFile(filepath.Join(vault, filepath.FromSlash(pass.Source)))
	if err != nil {
		return "", fmt.Errorf("read the log that was passed: %w", err)
	}
	change := m.For(rs.text+reserved, string(log))
	engine := analysisd.NewEngine(rs.rules, analysisd.Options{LogAlertLevel: rs.config.LogAlertLevel})
	var want, got []string
	for _, line := range splitLines(recorded) {
		want = append(want, comparedLine(change.Text(line)))
	}
	var gotMap []string
	for i, line := range splitLines(log) {
		line = pass.Header + change.Text(line)
		line = line[:min(len(line), maxLine)]
		frame := "1:[001] (vault-1) any->" + pass.Location + ":" + line
		res := engine.Process([]byte(frame), epoch().Add(time.Duration(i)*time.Duration(pass.GapMS)*time.Millisecond))
		if res.Alert != nil {
			got = append(got, comparedLine(string(res.Alert)))
			gotMap = append(gotMap, fmt.Sprintf("%d %d", i, res.RuleID))
		}
	}
	var wantMap []string
	for _, a := range pass.AlertOfLine {
		for _, rule := range a.rules {
			wantMap = append(wantMap, strconv.Itoa(a.line)+" "+rule)
		}
	}
	var differences []string
	if d := linesDiff("line and rule", wantMap, gotMap); d != "" {
		differences = append(differences, d)
	}
	if d := linesDiff("alert", want, got); d != "" {
		differences = append(differences, d)
	}
	return strings.Join(differences, "\n"), nil
}

// splitLines splits at newlines; a last line without one counts.
func splitLines(data []byte) []string {
	var out []string
	for line := range bytes.Lines(data) {
		out = append(out, string(bytes.TrimSuffix(line, []byte("\n"))))
	}
	return out
}
