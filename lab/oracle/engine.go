package oracle

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
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

// incomplete says why there is nothing to compare, for a case of a form that the lab does not know.
func (c *engineCase) incomplete() string {
	switch {
	case c.Ruleset == "":
		return "it names no ruleset"
	case len(c.Steps) == 0:
		return "it has no steps"
	case len(c.Expected) != len(c.Steps):
		return fmt.Sprintf("it has %d steps and expects the outcome of %d", len(c.Steps), len(c.Expected))
	}
	for i, s := range c.Steps {
		if s.Frame == nil && s.B64 == "" {
			return fmt.Sprintf("its step %d has neither frame nor frame_b64", i)
		}
	}
	return ""
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
	EmailAlertLevel int            `json:"email_alert_level"`
	MemorySize      int            `json:"memory_size"`
	InternalOptions map[string]int `json:"internal_options"`
}

// options are the settings of the daemon that loads the ruleset.
func (c rulesetConfig) options() analysisd.Options {
	return analysisd.Options{LogAlertLevel: c.LogAlertLevel, EmailAlertLevel: c.EmailAlertLevel, MemorySize: c.MemorySize}
}

// unknownOption names an internal option that the lab does not have, or none.
func (c rulesetConfig) unknownOption() string {
	for _, name := range slices.Sorted(maps.Keys(c.InternalOptions)) {
		switch name {
		case "analysisd.decoder_order_size", "analysisd.default_timeframe",
			// The lab has one of each, as the recorder had.
			"analysisd.event_threads", "analysisd.rule_matching_threads":
		default:
			return name
		}
	}
	return ""
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

// clock tells when each step came to the daemon: its archive line says so. Rules may ask for the time
// of day, and windows are counted in the full seconds of that clock. A step without such a line came
// at_ms after the first.
func (c *engineCase) clock() []time.Time {
	base := epoch()
	stamps := make([]time.Time, len(c.Steps))
	for i := len(c.Steps) - 1; i >= 0; i-- {
		for _, line := range c.Expected[i].Archive {
			if at := stampOf(string(line)); !at.IsZero() {
				stamps[i] = at
				base = at.Add(-time.Duration(c.Steps[i].AtMS) * time.Millisecond)
			}
		}
	}
	for i, s := range c.Steps {
		if stamps[i].IsZero() {
			stamps[i] = base.Add(time.Duration(s.AtMS) * time.Millisecond)
		}
	}
	return stamps
}

// epoch is when the first step of a case comes that does not tell. Any time would do that is not near
// the turn of an hour, when firedtimes begin anew.
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
	data, err := readFile(filepath.Join(dir, "ruleset.json"))
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(data, &out.config); err != nil {
		return nil, fmt.Errorf("read %s/ruleset.json: %w", dir, err)
	}
	home := os.DirFS(dir)
	src := analysisd.Sources{Files: etc{home}, Stock: out.config.Stock,
		DecoderOrderSize: out.config.InternalOptions["analysisd.decoder_order_size"],
		DefaultTimeframe: out.config.InternalOptions["analysisd.default_timeframe"]}
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
			if kind == "lists" && !strings.HasSuffix(entry.Name(), ".cdb") {
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
	if err := runEngineCases(dir, m, report); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return runLoad(filepath.Join(dir, "load.jsonl"), m, report)
}

func runEngineCases(dir string, m *Mutator, report *Report) error {
	rulesets := rulesetCache{dir: filepath.Join(dir, "rulesets"), known: map[string]*ruleset{}}
	number := 0
	return eachLine(filepath.Join(dir, "cases.jsonl"), func(line []byte) error {
		number++
		var c engineCase
		if err := json.Unmarshal(line, &c); err != nil {
			report.Uncompared(fmt.Sprintf("line %d of cases.jsonl", number), err.Error())
			return nil
		}
		if reason := c.incomplete(); reason != "" {
			report.Uncompared(c.Name, reason)
			return nil
		}
		rs, reason, err := rulesets.load(c.Ruleset)
		switch {
		case reason != "":
			report.Uncompared(c.Name, reason)
			return nil
		case err != nil:
			report.Differ(c.Name, err.Error())
			return nil
		}
		if reason = rs.lacks(c.firedRules()...); reason == "" {
			reason = c.unknownTechnique()
		}
		if reason != "" {
			report.Uncompared(c.Name, reason)
			return nil
		}
		report.settle(c.Name, orPanic(func() string {
			difference, err := replay(&c, rs, m)
			if err != nil {
				return err.Error()
			}
			return difference
		}), "")
		return nil
	})
}

// orPanic makes a panic of the lab the difference of the one case that causes it.
func orPanic(compare func() string) (difference string) {
	defer func() {
		if cause := recover(); cause != nil {
			difference = fmt.Sprintf("the lab panicked: %v", cause)
		}
	}()
	return compare()
}

// rulesetCache loads each ruleset once.
type rulesetCache struct {
	dir   string
	known map[string]*ruleset
}

// load gives a ruleset. reason says why what was recorded with it cannot be compared; an error, that
// the lab refuses what the real daemon took.
func (c *rulesetCache) load(name string) (rs *ruleset, reason string, err error) {
	rs, known := c.known[name]
	if !known {
		rs, err = loadRuleset(filepath.Join(c.dir, name))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil, "its ruleset is not among the recordings: " + err.Error(), nil
		case errors.Is(err, analysisd.ErrLacking):
			return nil, err.Error(), nil
		case err != nil:
			return nil, "", err
		}
		c.known[name] = rs
	}
	if option := rs.config.unknownOption(); option != "" {
		return nil, "the lab does not have the internal option " + option, nil
	}
	return rs, "", nil
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

// unknownTechnique says why a case cannot be compared whose alerts name a technique of ATT&CK that
// is not in the lab's part of that table.
func (c *engineCase) unknownTechnique() string {
	for _, e := range c.Expected {
		for _, line := range e.Alerts {
			found := lineTechniques.FindStringSubmatch(string(line))
			if found == nil {
				continue
			}
			for _, id := range strings.Split(found[1], ",") {
				if id = strings.Trim(id, `"`); strings.HasPrefix(id, "T") && !analysisd.KnowsTechnique(id) {
					return "the lab's part of ATT&CK does not have " + id
				}
			}
		}
	}
	return ""
}

var lineTechniques = regexp.MustCompile(`"mitre":\{"id":\[([^\]]*)\]`)

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
	engine := analysisd.NewEngine(rs.rules, rs.config.options())
	clock := c.clock()
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
	for i := range c.Steps {
		res := engine.Process([]byte(change.Text(inputs[i])), clock[i])
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
