package oracle

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"custom-vault/lab/analysisd"
)

// engineCase is a line of engine/cases.jsonl.
type engineCase struct {
	Name     string
	Ruleset  string
	Steps    []engineStep
	Expected []engineExpectation
	Log      []string
}

type engineStep struct {
	AtMS  int64   `json:"at_ms"`
	Frame *string `json:"frame"`
	B64   string  `json:"frame_b64"`
}

func (s engineStep) datagram() ([]byte, error) {
	if s.Frame != nil {
		return []byte(*s.Frame), nil
	}
	return base64.StdEncoding.DecodeString(s.B64)
}

type engineExpectation struct {
	Alerts  []recordedLine
	Archive []recordedLine
}

// recordedLine is a line as text or, if it is not UTF-8, in base64.
type recordedLine string

// UnmarshalJSON takes both forms.
func (l *recordedLine) UnmarshalJSON(data []byte) error {
	var text string
	if err := json.Unmarshal(data, &text); err == nil {
		*l = recordedLine(text)
		return nil
	}
	var coded struct{ B64 []byte }
	if err := json.Unmarshal(data, &coded); err != nil {
		return fmt.Errorf("a recorded line is neither text nor base64: %w", err)
	}
	*l = recordedLine(coded.B64)
	return nil
}

// rulesetConfig is a ruleset.json.
type rulesetConfig struct {
	Stock           bool
	LogAlertLevel   int            `json:"log_alert_level"`
	InternalOptions map[string]int `json:"internal_options"`
}

// comparedLine takes out of a line of alerts.json or archives.json what differs between two runs
// of the same daemon: the clock at receipt ("timestamp"), and the seconds of that clock with an
// offset into a log file of the day ("id"). All else is compared byte by byte.
func comparedLine(line string) string {
	line = lineTime.ReplaceAllString(line, `{"timestamp":"…"`)
	return lineID.ReplaceAllString(line, `"manager":{"name":$1},"id":"…"`)
}

var (
	lineTime = regexp.MustCompile(`^\{"timestamp":"[^"]*"`)
	lineID   = regexp.MustCompile(`"manager":\{"name":("[^"]*")\},"id":"[^"]*"`)
)

// epoch is when the first step of a case comes. Any time would do that is not near the turn of an
// hour, when firedtimes begin anew.
func epoch() time.Time { return time.Date(2026, 11, 24, 14, 5, 0, 0, time.UTC) }

// ruleset is a loaded ruleset of the recordings.
type ruleset struct {
	config rulesetConfig
	rules  *analysisd.Ruleset
	lines  []string
	text   string // all its files
}

func loadRuleset(dir string) (*ruleset, error) {
	out := &ruleset{}
	data, err := os.ReadFile(filepath.Join(dir, "ruleset.json"))
	if err != nil {
		return nil, fmt.Errorf("read a ruleset of the recordings: %w", err)
	}
	if err := json.Unmarshal(data, &out.config); err != nil {
		return nil, fmt.Errorf("read %s/ruleset.json: %w", dir, err)
	}
	home := os.DirFS(dir)
	src := analysisd.Sources{Files: etc{home}, Stock: out.config.Stock, DecoderOrderSize: out.config.InternalOptions["analysisd.decoder_order_size"]}
	for _, kind := range []string{"decoders", "rules", "lists"} {
		entries, err := fs.ReadDir(home, kind)
		if err != nil {
			continue
		}
		for _, entry := range entries {
			data, err := fs.ReadFile(home, kind+"/"+entry.Name())
			if err != nil {
				return nil, fmt.Errorf("read a ruleset of the recordings: %w", err)
			}
			out.text += string(data)
			if kind == "lists" {
				src.Lists = append(src.Lists, "etc/lists/"+entry.Name())
			}
		}
		switch kind {
		case "decoders":
			src.DecoderDirs = []string{"etc/decoders"}
		case "rules":
			src.RuleDirs = []string{"etc/rules"}
		}
	}
	out.rules, out.lines, err = analysisd.Load(src)
	if err != nil {
		return nil, fmt.Errorf("load the ruleset %s: %w", dir, err)
	}
	return out, nil
}

// etc shows the folders of a recorded ruleset as a manager has them, below etc/.
type etc struct{ fs.FS }

// Open opens etc/NAME as NAME.
func (e etc) Open(name string) (fs.File, error) { return e.FS.Open(strings.TrimPrefix(name, "etc/")) }

func runEngine(dir string, m *Mutator, report *Report) error {
	if err := runEngineCases(dir, m, report); err != nil {
		return err
	}
	return runLoad(filepath.Join(dir, "load.jsonl"), m, report)
}

func runEngineCases(dir string, m *Mutator, report *Report) error {
	rulesets := map[string]*ruleset{}
	return eachLine(filepath.Join(dir, "cases.jsonl"), func(line []byte) error {
		var c engineCase
		if err := json.Unmarshal(line, &c); err != nil {
			return fmt.Errorf("read a case: %w", err)
		}
		rs := rulesets[c.Ruleset]
		if rs == nil {
			var err error
			if rs, err = loadRuleset(filepath.Join(dir, "rulesets", c.Ruleset)); err != nil {
				return err
			}
			rulesets[c.Ruleset] = rs
		}
		if reason := rs.lacks(c.firedRules()...); reason != "" {
			report.Uncompared(c.Name, reason)
			return nil
		}
		difference, err := replay(&c, rs, m)
		if err != nil {
			return fmt.Errorf("case %s: %w", c.Name, err)
		}
		report.settle(c.Name, difference, "")
		return nil
	})
}

// firedRules lists the ids of the rules that a case expects.
func (c *engineCase) firedRules() []string {
	var ids []string
	for _, e := range c.Expected {
		for _, line := range e.Archive {
			if id := lineRule.FindStringSubmatch(string(line)); id != nil {
				ids = append(ids, id[1])
			}
		}
	}
	return ids
}

// lineRule finds the rule in a line of archives.json, which begins with it.
var lineRule = regexp.MustCompile(`^\{"timestamp":"[^"]*","rule":\{.*?"id":"(\d+)"`)

// lacks says why a case cannot be compared: it was recorded with Wazuh's complete stock ruleset
// and a rule of that one fired that the lab does not have.
func (rs *ruleset) lacks(ids ...string) string {
	if !rs.config.Stock {
		return ""
	}
	for _, id := range ids {
		if n, err := strconv.Atoi(id); err == nil && !rs.rules.HasRule(n) && !strings.Contains(rs.text, `"`+id+`"`) {
			return "a rule of the complete stock ruleset fired, " + id
		}
	}
	return ""
}

// replay runs the steps of a case and gives the differences.
func replay(c *engineCase, rs *ruleset, m *Mutator) (string, error) {
	engine := analysisd.NewEngine(rs.rules, analysisd.Options{LogAlertLevel: rs.config.LogAlertLevel})
	var inputs []string
	for _, s := range c.Steps {
		datagram, err := s.datagram()
		if err != nil {
			return "", fmt.Errorf("decode a datagram: %w", err)
		}
		inputs = append(inputs, string(datagram))
	}
	change := m.For(rs.text, inputs...)
	var differences []string
	log := append([]string{}, rs.lines...)
	for i, s := range c.Steps {
		res := engine.Process([]byte(change.Text(inputs[i])), epoch().Add(time.Duration(s.AtMS)*time.Millisecond))
		log = append(log, res.Log...)
		for _, part := range []struct {
			what string
			want []recordedLine
			got  []byte
		}{{"alert", c.Expected[i].Alerts, res.Alert}, {"archive line", c.Expected[i].Archive, res.Archive}} {
			var want, got []string
			for _, line := range part.want {
				want = append(want, comparedLine(change.Text(string(line))))
			}
			if part.got != nil {
				got = append(got, comparedLine(string(part.got)))
			}
			if d := linesDiff(part.what, want, got); d != "" {
				differences = append(differences, fmt.Sprintf("step %d: %s", i, d))
			}
		}
	}
	var want []string
	for _, line := range c.Log {
		if strings.Contains(line, "Invalid msg") {
			line = change.Text(line)
		}
		want = append(want, line)
	}
	if rs.config.Stock {
		// The lab's stock ruleset is a small part of the real one: its count of rules is
		// another.
		want, log = withoutCount(want), withoutCount(log)
	}
	if d := linesDiff("log line", want, fold(log)); d != "" {
		differences = append(differences, d)
	}
	return strings.Join(differences, "\n"), nil
}

func withoutCount(lines []string) []string {
	var out []string
	for _, line := range lines {
		if !strings.Contains(line, "Total rules enabled") {
			out = append(out, line)
		}
	}
	return out
}

// fold joins equal lines that follow each other, as the recordings do.
func fold(lines []string) []string {
	var out []string
	for i := 0; i < len(lines); {
		n := i
		for n < len(lines) && lines[n] == lines[i] {
			n++
		}
		line := lines[i]
		if n-i > 1 {
			line += fmt.Sprintf("  (x%d)", n-i)
		}
		out = append(out, line)
		i = n
	}
	return out
}

// eachLine calls f for each line of a file that is not empty.
func eachLine(path string, f func(line []byte) error) error {
	data, err := readFile(path)
	if err != nil {
		return err
	}
	for line := range bytes.Lines(data) {
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		if err := f(line); err != nil {
			return err
		}
	}
	return nil
}

// readFile reads a recording, or its copy with ".gz" behind the name.
func readFile(path string) ([]byte, error) {
	data, err := os.ReadFile(path)
	if err == nil {
		return data, nil
	}
	packed, gzErr := os.Open(path + ".gz")
	if gzErr != nil {
		return nil, fmt.Errorf("read a recording: %w", err)
	}
	defer func() { _ = packed.Close() }()
	unpacked, err := gzip.NewReader(packed)
	if err != nil {
		return nil, fmt.Errorf("unpack %s.gz: %w", path, err)
	}
	if data, err = io.ReadAll(unpacked); err != nil {
		return nil, fmt.Errorf("unpack %s.gz: %w", path, err)
	}
	return data, nil
}
