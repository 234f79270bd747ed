package snippets

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Case is one log of a test file with what it must, or must not, lead to.
type Case struct {
	File string
	Line int
	// Section is the test's name.
	Section string
	Log     string
	// Must is false for a near miss: the log must not lead to the rule, level and decoder together.
	Must    bool
	Rule    int
	Level   int
	Decoder string
}

// Name says where a case stands.
func (c Case) Name() string { return fmt.Sprintf("%s:%d %s", path.Base(c.File), c.Line, c.Section) }

// logKey is the key of a log in Wazuh's ruleset/testing/tests/*.ini.
var logKey = regexp.MustCompile(`^log \d+ (pass|fail)$`)

// Cases reads the pack's tests. The format is that of Wazuh's ruleset/testing/runtests.py: a section
// names a test, its keys "log N pass" and "log N fail" hold one log each, and rule, alert (the level)
// and decoder hold for all of them.
func (p *Pack) Cases() ([]Case, error) {
	names, err := fs.Glob(p.Files, path.Join(testDir, "*.ini"))
	if err != nil {
		return nil, fmt.Errorf("list the tests: %w", err)
	}
	slices.Sort(names)
	var out []Case
	for _, name := range names {
		data, err := fs.ReadFile(p.Files, name)
		if err != nil {
			return nil, fmt.Errorf("read a test: %w", err)
		}
		cases, err := parseCases(name, string(data))
		if err != nil {
			return nil, err
		}
		out = append(out, cases...)
	}
	return out, nil
}

// parseCases reads one file. runtests.py takes a section twice for an error, so this does too.
func parseCases(file, text string) ([]Case, error) {
	var out []Case
	var section caseSection
	seen := map[string]bool{}
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimRight(line, "\r")
		switch {
		case strings.TrimSpace(line) == "" || strings.HasPrefix(line, ";") || strings.HasPrefix(line, "#"):
			continue
		case strings.HasPrefix(line, "[") && strings.HasSuffix(line, "]"):
			cases, err := section.finish()
			if err != nil {
				return nil, fmt.Errorf("%s: %w", file, err)
			}
			out = append(out, cases...)
			section = caseSection{name: line[1 : len(line)-1], keys: map[string]bool{}}
			if seen[section.name] {
				return nil, fmt.Errorf("%s:%d: section %q stands there twice", file, i+1, section.name)
			}
			seen[section.name] = true
		default:
			if err := section.add(file, i+1, line); err != nil {
				return nil, fmt.Errorf("%s:%d: %w", file, i+1, err)
			}
		}
	}
	cases, err := section.finish()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return append(out, cases...), nil
}

type caseSection struct {
	name                 string
	cases                []Case
	keys                 map[string]bool
	rule, alert, decoder string
}

func (s *caseSection) add(file string, lineNumber int, line string) error {
	key, value, found := strings.Cut(line, " = ")
	if !found || s.name == "" {
		return fmt.Errorf("neither a section nor a key: %.60q", line)
	}
	value = strings.TrimSpace(value)
	if strings.Contains(value, " ;") {
		return errors.New("runtests.py (Python's ConfigParser) takes what follows \" ;\" for a comment")
	}
	if strings.Contains(value, "%") {
		return errors.New("a \"%\" is refused by Python's ConfigParser unless it is a raw one")
	}
	if s.keys[key] {
		return fmt.Errorf("the key %q stands twice in its section, which ConfigParser refuses", key)
	}
	s.keys[key] = true
	switch m := logKey.FindStringSubmatch(key); {
	case m != nil:
		s.cases = append(s.cases, Case{File: file, Line: lineNumber, Section: s.name, Log: value, Must: m[1] == "pass"})
	case key == "rule":
		s.rule = value
	case key == "alert":
		s.alert = value
	case key == "decoder":
		s.decoder = value
	default:
		return fmt.Errorf("unknown key %q", key)
	}
	return nil
}

// finish gives the logs of the section the rule that stands behind them.
func (s *caseSection) finish() ([]Case, error) {
	if s.name == "" {
		return nil, nil
	}
	rule, err := strconv.Atoi(s.rule)
	if err != nil {
		return nil, fmt.Errorf("section %q, rule: %w", s.name, err)
	}
	level, err := strconv.Atoi(s.alert)
	if err != nil {
		return nil, fmt.Errorf("section %q, alert: %w", s.name, err)
	}
	if s.decoder == "" || len(s.cases) == 0 {
		return nil, fmt.Errorf("section %q has no decoder or no log", s.name)
	}
	for i := range s.cases {
		s.cases[i].Rule, s.cases[i].Level, s.cases[i].Decoder = rule, level, s.decoder
	}
	return s.cases, nil
}
