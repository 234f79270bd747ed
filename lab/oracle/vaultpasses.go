package oracle

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
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
		rulesets := rulesetCache{dir: filepath.Join(dir, "..", "engine", "rulesets"), known: map[string]*ruleset{}}
		maps, err := filepath.Glob(filepath.Join(dir, "*.map.json"))
		if err != nil {
			return fmt.Errorf("list recordings: %w", err)
		}
		for _, path := range maps {
			name := strings.TrimSuffix(filepath.Base(path), ".map.json")
			rs, reason, err := rulesets.load("article")
			difference := ""
			if reason == "" && err == nil {
				difference = orPanic(func() (difference string) {
					difference, reason, err = replayPass(dir, name, vault, rs, m)
					return difference
				})
			}
			switch {
			case errors.Is(err, fs.ErrNotExist):
				reason = "a file of it is not among the recordings: " + err.Error()
			case err != nil:
				difference = err.Error()
			}
			report.settle(name, difference, reason)
		}
		return nil
	}
}

func replayPass(dir, name, vault string, rs *ruleset, m *Mutator) (difference, reason string, err error) {
	data, err := os.ReadFile(filepath.Join(dir, name+".map.json"))
	if err != nil {
		return "", "", fmt.Errorf("read a recording: %w", err)
	}
	var pass passMap
	if err := json.Unmarshal(data, &pass); err != nil {
		return "", "", fmt.Errorf("read the map of a recording: %w", err)
	}
	recorded, err := readFile(filepath.Join(dir, name+".alerts.jsonl"))
	if err != nil {
		return "", "", err
	}
	// A folder below vault stands in the name with "__" behind it.
	folders := strings.Split(name, "__")
	source := filepath.Join(append(append([]string{vault}, folders[:len(folders)-1]...), pass.Source)...)
	log, err := readFile(source)
	if err != nil {
		return "", "", err
	}
	for _, a := range pass.AlertOfLine {
		if reason := rs.lacks(a.rules...); reason != "" {
			return "", reason, nil
		}
	}
	change := m.For(rs.text+pass.Header, string(log))
	engine := analysisd.NewEngine(rs.rules, rs.config.options())
	began := pass.began(splitLines(recorded))
	var want, got []string
	for _, line := range splitLines(recorded) {
		want = append(want, comparedLine(change.Text(line)))
	}
	var gotMap []string
	var gotLines []int
	for i, line := range splitLines(log) {
		line = pass.Header + change.Text(line)
		line = line[:min(len(line), maxLine)]
		frame := "1:[001] (" + change.Text("vault-1") + ") any->" + change.Text(pass.Location) + ":" + line
		res := engine.Process([]byte(frame), began.Add(time.Duration(i)*time.Duration(pass.GapMS)*time.Millisecond))
		if res.Alert != nil {
			got = append(got, comparedLine(string(res.Alert)))
			gotMap = append(gotMap, fmt.Sprintf("%d %d", i+1, res.RuleID))
			gotLines = append(gotLines, i+1)
		}
	}
	var differences []string
	if d := linesDiff("line and rule", pass.lineAndRule(gotLines, splitLines(recorded)), gotMap); d != "" {
		differences = append(differences, d)
	}
	if d := linesDiff("alert", want, got); d != "" {
		differences = append(differences, d)
	}
	return strings.Join(differences, "\n"), "", nil
}

// began is when the first line was sent, by the first alert's stamp.
func (p *passMap) began(alerts []string) time.Time {
	if len(alerts) == 0 || len(p.AlertOfLine) == 0 {
		return epoch()
	}
	stamp := stampOf(alerts[0])
	if stamp.IsZero() {
		return epoch()
	}
	return stamp.Add(-time.Duration(p.AlertOfLine[0].line-1) * time.Duration(p.GapMS) * time.Millisecond)
}

// splitLines splits at newlines; a last line without one counts.
func splitLines(data []byte) []string {
	var out []string
	for line := range bytes.Lines(data) {
		out = append(out, string(bytes.TrimSuffix(line, []byte("\n"))))
	}
	return out
}

// lineAndRule lists which line fired which rule as recorded. The recorder took the line that it
// had sent last when the alert was stamped, so behind large lines, which take the daemon more than
// the gap, the number is too high. Where the stamp shows that delay, the lab's line counts.
func (p *passMap) lineAndRule(lab []int, alerts []string) []string {
	var out []string
	var first time.Time
	firstLine := 0
	for _, a := range p.AlertOfLine {
		for _, rule := range a.rules {
			i := len(out)
			line := a.line
			if i < len(lab) && i < len(alerts) {
				stamp := stampOf(alerts[i])
				if i == 0 {
					first, firstLine = stamp, a.line
				}
				gap := time.Duration(p.GapMS) * time.Millisecond
				sent := first.Add(time.Duration(lab[i]-firstLine) * gap)
				if lab[i] < line && stamp.Sub(sent) >= gap-stampSlack {
					line = lab[i]
				}
			}
			out = append(out, strconv.Itoa(line)+" "+rule)
		}
	}
	return out
}

// stampSlack is how much two time stamps may be off, being in milliseconds and taken by a busy
// daemon.
const stampSlack = 5 * time.Millisecond

func stampOf(alert string) time.Time {
	var line struct{ Timestamp string }
	if err := json.Unmarshal([]byte(alert), &line); err != nil {
		return time.Time{}
	}
	stamp, err := time.Parse("2006-01-02T15:04:05.000-0700", line.Timestamp)
	if err != nil {
		return time.Time{}
	}
	return stamp
}
