package snippets

import (
	"strings"
	"testing"
	"testing/fstest"
)

// Each fault is put into an otherwise clean pack; the linter has to name it.
func TestLinterSpeaks(t *testing.T) {
	t.Parallel()
	const base = `<rule id="100600" level="0"><decoded_as>vault</decoded_as><description>d</description></rule>`
	rule := func(inner string) map[string]string {
		return map[string]string{"rules/vault_rules.xml": `<group name="vault,">` + base + inner + `</group>`}
	}
	for name, test := range map[string]struct {
		files map[string]string
		want  string
	}{
		"id twice":          {rule(base), "used twice"},
		"id of others":      {rule(`<rule id="100900" level="3"><if_sid>100600</if_sid><description>d</description></rule>`), "outside"},
		"parent missing":    {rule(`<rule id="100601" level="3"><if_sid>100699</if_sid><description>d</description></rule>`), "not loaded before"},
		"parent loads late": {map[string]string{"rules/a.xml": `<group name="g,"><rule id="100601" level="3"><if_sid>100600</if_sid><description>d</description></rule></group>`, "rules/b.xml": `<group name="g,">` + base + `</group>`}, "not loaded before"},
		"counted missing":   {rule(`<rule id="100601" level="3" frequency="5" timeframe="60"><if_matched_sid>100699</if_matched_sid><description>d</description></rule>`), "not loaded before"},
		"no parent":         {rule(`<rule id="100601" level="3"><match>x</match><description>d</description></rule>`), "every event"},
		"negate":            {rule(`<rule id="100601" level="3"><if_sid>100600</if_sid><field name="error" negate="yes">x</field><description>d</description></rule>`), "negate"},
		"static field":      {rule(`<rule id="100601" level="3"><if_sid>100600</if_sid><field name="status">x</field><description>d</description></rule>`), "static"},
		"type unanchored":   {rule(`<rule id="100601" level="3"><if_sid>100600</if_sid><field name="type">request</field><description>d</description></rule>`), "not anchored"},
		"one alternative":   {rule(`<rule id="100601" level="3"><if_sid>100600</if_sid><field name="request.operation">^read$|list</field><description>d</description></rule>`), "not anchored"},
		"operation pcre2":   {rule(`<rule id="100601" level="3"><if_sid>100600</if_sid><field name="request.operation" type="pcre2">^update</field><description>d</description></rule>`), "not anchored"},
		"two patterns":      {rule(`<rule id="100601" level="3"><if_sid>100600</if_sid><field name="request.operation" type="pcre2">^read|list$</field><description>d</description></rule>`), "not anchored"},
		"negate, shouted":   {rule(`<rule id="100601" level="3"><if_sid>100600</if_sid><field name="error" negate="YES">x</field><description>d</description></rule>`), "negate"},
		"never matches":     {rule(`<rule id="100601" level="3"><if_sid>100600</if_sid><field name="systemname">x</field><description>d</description></rule>`), "static"},
		"outer runs on":     {map[string]string{"rules/r.xml": `<group name="vault">` + base + `</group>`}, "the file's group"},
		"OS_Regex dot":      {rule(`<rule id="100601" level="3"><if_sid>100600</if_sid><field name="error">.+</field><description>d</description></rule>`), "OS_Regex"},
		"group runs on":     {rule(`<rule id="100601" level="3"><if_sid>100600</if_sid><description>d</description><group>own</group></rule>`), "comma"},
		"silenced":          {rule(`<rule id="100601" level="0"><if_sid>100600</if_sid><field name="request.path">x</field><description>d</description></rule>`), "silences"},
		"later technique":   {rule(`<rule id="100601" level="3"><if_sid>100600</if_sid><description>d</description><mitre><id>T1555.006</id></mitre></rule>`), "ATT&CK 13"},
		"list":              {rule(`<rule id="100601" level="3"><if_sid>100600</if_sid><list field="x">etc/lists/x</list><description>d</description></rule>`), "<ruleset>"},
		"own event loops":   {map[string]string{"rules/r.xml": `<group name="vault,vault_enriched,">` + base + `</group>`}, "for ever"},
		"entity":            {rule(`<!-- a &lt; b -->`), "entity"},
		"variable":          {map[string]string{"rules/r.xml": `<var name="X">x</var><group name="vault,">` + base + `</group>`}, "variable"},
		"fires by itself":   {map[string]string{"ossec.conf/m.xml": `<ossec_config><active-response><rules_id>1</rules_id></active-response></ossec_config>`}, "by itself"},
		"second ruleset":    {map[string]string{"ossec.conf/m.xml": `<ossec_config><ruleset><list>etc/lists/x</list></ruleset></ossec_config>`}, "whole ruleset"},
		"group with blank":  {map[string]string{"ossec.conf/m.xml": `<ossec_config><integration><group>vault, </group></integration></ossec_config>`}, "exactly"},
		"plugin and child":  {map[string]string{"decoders/d.xml": `<decoder name="a"><prematch>x</prematch><plugin_decoder>JSON_Decoder</plugin_decoder></decoder><decoder name="b"><parent>a</parent></decoder>`}, "never runs"},
		"child of json":     {map[string]string{"decoders/d.xml": `<decoder name="b"><parent>json</parent></decoder>`}, "stock decoder"},
		"escaped bracket":   {map[string]string{"decoders/d.xml": `<decoder name="b"><prematch>^\[vault</prematch></decoder>`}, "literal"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			files := fstest.MapFS{}
			for file, text := range test.files {
				files[file] = &fstest.MapFile{Data: []byte(text)}
			}
			p, err := ReadPack(files)
			if err != nil {
				t.Fatal(err)
			}
			findings, err := p.Lint()
			if err != nil {
				t.Fatal(err)
			}
			var all []string
			for _, f := range findings {
				all = append(all, f.String())
			}
			if text := strings.Join(all, "\n"); !strings.Contains(text, test.want) {
				t.Errorf("want a finding with %q, got:\n%s", test.want, text)
			}
		})
	}
}

func TestAFileThatWazuhCannotReadIsAnError(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"not closed":      `<group name="vault,"><rule id="100600" level="0"></group>`,
		"XML declaration": `<?xml version="1.0"?><group name="vault,"></group>`,
	} {
		files := fstest.MapFS{"rules/r.xml": &fstest.MapFile{Data: []byte(text)}}
		if _, err := ReadPack(files); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestCasesAreReadAsWazuhReadsThem(t *testing.T) {
	t.Parallel()
	got, err := parseCases("x.ini", "; about\n[one]\nlog 1 pass = a = b\nlog 2 fail = c\nrule = 7\nalert = 3\ndecoder = json\n")
	if err != nil {
		t.Fatal(err)
	}
	want := []Case{
		{File: "x.ini", Line: 3, Section: "one", Log: "a = b", Must: true, Rule: 7, Level: 3, Decoder: "json"},
		{File: "x.ini", Line: 4, Section: "one", Log: "c", Rule: 7, Level: 3, Decoder: "json"},
	}
	if len(got) != len(want) || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("got %+v, want %+v", got, want)
	}
	for name, text := range map[string]string{
		"section twice":  "[one]\nlog 1 pass = a\nrule = 7\nalert = 3\ndecoder = json\n[one]\n",
		"no rule":        "[one]\nlog 1 pass = a\nalert = 3\ndecoder = json\n",
		"no log":         "[one]\nrule = 7\nalert = 3\ndecoder = json\n",
		"no section":     "log 1 pass = a\n",
		"unknown key":    "[one]\nlogs = a\n",
		"key twice":      "[one]\nlog 1 pass = a\nlog 1 pass = b\nrule = 7\nalert = 3\ndecoder = json\n",
		"interpolated":   "[one]\nlog 1 pass = a%20b\nrule = 7\nalert = 3\ndecoder = json\n",
		"cut as comment": "[one]\nlog 1 pass = a ; b\nrule = 7\nalert = 3\ndecoder = json\n",
	} {
		if _, err := parseCases("x.ini", text); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
