package oracle

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing/fstest"

	"custom-vault/lab/analysisd"
)

// loadCase is a line of engine/load.jsonl.
type loadCase struct {
	Name       string
	Decoders   string
	Rules      string
	ExtraConf  string `json:"extra_conf"`
	Stock      bool
	Started    bool
	Probe      string
	ProbeRules []json.RawMessage `json:"probe_alert_rules"`
	Log        []string
}

// listElement finds the lists that the additional configuration declares.
var listElement = regexp.MustCompile(`<list>([^<]*)</list>`)

func runLoad(path string, m *Mutator, report *Report) error {
	_, err := readFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	number := 0
	return eachLine(path, func(line []byte) error {
		number++
		var c loadCase
		if err := json.Unmarshal(line, &c); err != nil {
			report.Uncompared(fmt.Sprintf("line %d of load.jsonl", number), err.Error())
			return nil
		}
		c.change(m)
		reason := ""
		difference := orPanic(func() string {
			difference, why, err := replayLoad(&c, filepath.Dir(path))
			if err != nil {
				return err.Error()
			}
			reason = why
			return difference
		})
		report.settle("load/"+c.Name, difference, reason)
		return nil
	})
}

// sizeAttribute finds the attributes of rules that are numbers, other than the id.
var sizeAttribute = regexp.MustCompile(`\b(?:maxsize|timeframe|frequency|ignore|level|accuracy|noalert)\s*=\s*["']([^"']*)["']`)

// change mutates the numbers of a case, so that the ids of its rules are others.
func (c *loadCase) change(m *Mutator) {
	if c.Stock {
		return
	}
	// Numbers whose size counts stay, as do those of messages about them.
	var keep []string
	for _, size := range sizeAttribute.FindAllStringSubmatch(c.Rules, -1) {
		keep = append(keep, size[1])
	}
	change := m.For(strings.Join(keep, " "), c.Rules, c.Probe)
	for _, text := range []*string{&c.Decoders, &c.Rules, &c.ExtraConf, &c.Probe} {
		*text = change.Text(*text)
	}
	for i := range c.ProbeRules {
		c.ProbeRules[i] = json.RawMessage(change.Text(string(c.ProbeRules[i])))
	}
	for i := range c.Log {
		c.Log[i] = change.Text(c.Log[i])
	}
}

// replayLoad loads a ruleset and sends the probe. reason says why a case cannot be compared.
func replayLoad(c *loadCase, dir string) (difference, reason string, err error) {
	if blocks := strings.Count(c.ExtraConf, "<ruleset>"); c.ExtraConf != "" && blocks > 0 && c.namesStock() {
		return "", "what it records is which rules of the complete stock ruleset fall away", nil
	}
	src := analysisd.Sources{DecoderDirs: []string{"etc/decoders"}, RuleDirs: []string{"etc/rules"}, Stock: c.Stock}
	for _, list := range listElement.FindAllStringSubmatch(c.ExtraConf, -1) {
		src.Lists = append(src.Lists, list[1])
	}
	if named, ok := strings.CutPrefix(c.Decoders, "rulesets/"); ok && !strings.Contains(named, "\n") {
		src.Files = etc{os.DirFS(filepath.Join(dir, c.Decoders))}
	} else {
		home := fstest.MapFS{}
		if c.Decoders != "" {
			home["etc/decoders/d.xml"] = &fstest.MapFile{Data: []byte(c.Decoders)}
		} else {
			src.DecoderDirs = nil
		}
		if c.Rules != "" {
			home["etc/rules/r.xml"] = &fstest.MapFile{Data: []byte(c.Rules)}
		} else {
			src.RuleDirs = nil
		}
		src.Files = home
	}
	rules, log, loadErr := analysisd.Load(src)
	if errors.Is(loadErr, analysisd.ErrLacking) {
		return "", loadErr.Error(), nil
	}
	if errors.Is(loadErr, fs.ErrNotExist) {
		return "", "its files are not among the recordings: " + loadErr.Error(), nil
	}
	var got []string
	if loadErr == nil {
		res := analysisd.NewEngine(rules, analysisd.Options{}).Process([]byte(c.Probe), epoch())
		log = append(log, res.Log...)
		if res.Alert != nil {
			var alert struct{ Rule json.RawMessage }
			if err := json.Unmarshal(res.Alert, &alert); err != nil {
				return "", "", fmt.Errorf("read the lab's alert: %w", err)
			}
			got = append(got, string(alert.Rule))
		}
	}
	var differences []string
	if started := loadErr == nil; started != c.Started {
		differences = append(differences, fmt.Sprintf("started: recorded %v, lab %v (%v)", c.Started, started, loadErr))
	}
	var want []string
	for _, rule := range c.ProbeRules {
		want = append(want, compact(rule))
	}
	for i := range got {
		got[i] = compact([]byte(got[i]))
	}
	differences = append(differences, linesDiff("rule of the probe", want, got))
	wantLog, gotLog := c.Log, fold(log)
	if c.Stock {
		wantLog, gotLog = withoutSummary(withoutCount(wantLog)), withoutCount(gotLog)
	}
	differences = append(differences, linesDiff("log line", wantLog, gotLog))
	return strings.Trim(strings.Join(differences, "\n"), "\n"), "", nil
}

// namesStock reports whether the recorded log speaks of rules that only the complete stock
// ruleset has: the ids below 100000 that are not in the case itself.
func (c *loadCase) namesStock() bool {
	for _, line := range c.Log {
		for _, id := range stockRule.FindAllStringSubmatch(line, -1) {
			if !strings.Contains(c.Rules, id[1]) {
				return true
			}
		}
	}
	return false
}

var stockRule = regexp.MustCompile(`[Rr]ule '(\d{5})'`)

// withoutSummary drops lines that count what the recorder left out, in parentheses.
func withoutSummary(lines []string) []string {
	var out []string
	for _, line := range lines {
		if !strings.HasPrefix(line, "(") {
			out = append(out, line)
		}
	}
	return out
}

// compact writes JSON without blanks.
func compact(data []byte) string {
	var v any
	if err := json.Unmarshal(data, &v); err != nil {
		return string(data)
	}
	out, err := json.Marshal(v)
	if err != nil {
		return string(data)
	}
	return string(out)
}
