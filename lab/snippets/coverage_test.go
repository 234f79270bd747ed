package snippets

import (
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"testing/fstest"
)

// oneLog reports whether a single log can fire the rule and say so: a counting rule needs several
// events, and analysisd does not tell which rule of level 0 it was.
func oneLog(r Rule) bool { return r.Frequency == 0 && r.Level > 0 }

func TestEachRuleHasALogThatFiresItAndOneThatDoesNot(t *testing.T) {
	t.Parallel()
	p := pack(t)
	cases, err := p.Cases()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range p.Rules {
		if !oneLog(r) {
			continue
		}
		for _, must := range []bool{true, false} {
			if !slices.ContainsFunc(cases, func(c Case) bool { return c.Rule == r.ID && c.Level == r.Level && c.Must == must }) {
				t.Errorf("rule %d of level %d has no case with pass=%t", r.ID, r.Level, must)
			}
		}
	}
	for _, c := range cases {
		if _, known := p.Rule(c.Rule); !known {
			t.Errorf("%s: there is no rule %d", c.Name(), c.Rule)
		}
	}
}

// A rule that is deleted leaves its cases, or the rules below it, or a count, without what they need.
func TestADeletedRuleIsNoticed(t *testing.T) {
	t.Parallel()
	p := pack(t)
	cases, err := p.Cases()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range p.Rules {
		t.Run(strconv.Itoa(r.ID), func(t *testing.T) {
			t.Parallel()
			manager, err := NewManager(without(t, p.Files, r))
			if err != nil {
				return // the rules below it were left out, and analysisd says so
			}
			if !oneLog(r) {
				if r.Frequency == 0 || countingNoticed(t, manager, r.ID) {
					return
				}
				t.Fatal("nothing depends on this rule")
			}
			for _, c := range cases {
				if c.Rule == r.ID && manager.Check(c) != "" {
					return
				}
			}
			t.Error("all cases of the rule still pass without it")
		})
	}
}

// without is the pack without one rule.
func without(t *testing.T, files fs.FS, r Rule) fs.FS {
	t.Helper()
	out := fstest.MapFS{}
	for _, dir := range []string{decoderDir, ruleDir} {
		names, err := fs.Glob(files, path.Join(dir, "*.xml"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			data, err := fs.ReadFile(files, name)
			if err != nil {
				t.Fatal(err)
			}
			if name == r.File {
				element := regexp.MustCompile(`(?s)<rule id="` + strconv.Itoa(r.ID) + `".*?</rule>`)
				if !element.Match(data) {
					t.Fatalf("rule %d is not in %s", r.ID, name)
				}
				data = element.ReplaceAll(data, nil)
			}
			out[name] = &fstest.MapFile{Data: data}
		}
	}
	return out
}
