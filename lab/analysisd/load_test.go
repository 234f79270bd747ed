package analysisd

import (
	"errors"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

// loadTexts loads a file of decoders and one of rules, and gives what analysisd would log, without
// the daemon's name.
func loadTexts(t *testing.T, decoders, rules string) (*Ruleset, []string, error) {
	t.Helper()
	rs, log, err := Load(Sources{
		Files: fstest.MapFS{
			"etc/decoders/d.xml": {Data: []byte(decoders)},
			"etc/rules/r.xml":    {Data: []byte(rules)},
			"etc/lists/l":        {Data: []byte("a:1\n")},
		},
		DecoderDirs: []string{"etc/decoders"}, RuleDirs: []string{"etc/rules"}, Lists: []string{"etc/lists/l.cdb"},
	})
	var lines []string
	for _, line := range log {
		lines = append(lines, strings.TrimPrefix(line, "wazuh-analysisd: "))
	}
	return rs, lines, err
}

const rulesRefused = "CRITICAL: (1220): Error loading the rules: 'etc/rules/r.xml'."

// TestFaultyRules holds what analysisd says of faulty rules. The texts are those of rules.c,
// rules_list.c, error_messages.h, logmsg.h and validate_op.c.
func TestFaultyRules(t *testing.T) {
	t.Parallel()
	total := func(n string) string { return "INFO: Total rules enabled: '" + n + "'" }
	for _, c := range []struct {
		name, rule string
		want       []string
	}{
		{"no id", `<rule id="" level="3"><description>d</description></rule>`,
			[]string{"ERROR: No rule id or level specified for rule '1'.", rulesRefused}},
		{"a level that is nothing is 0", `<rule id="101" level=""><description>d</description></rule>`, []string{total("3")}},
		{"a level in words is none", `<rule id="101" level="high"><description>d</description></rule>`,
			[]string{"ERROR: No rule id or level specified for rule '1'.", rulesRefused}},
		{"a level that no 64 bits hold", `<rule id="101" level="99999999999999999999"><description>d</description></rule>`,
			[]string{"ERROR: rules_op: Invalid level: -1. Must be an integer between 0 and 16.", "ERROR: Invalid attribute for rule.", rulesRefused}},
		{"frequency of nothing", `<rule id="101" level="3" frequency=""><description>d</description></rule>`,
			[]string{"ERROR: rules_op: Invalid frequency: 0. Must be higher than 1 and lower than 10000.", "ERROR: Invalid attribute for rule.", rulesRefused}},
		{"category", `<rule id="101" level="3"><match negate="maybe">x</match><category>other</category><description>d</description></rule>`,
			[]string{"ERROR: (1273): Invalid category 'other' chosen.", "WARNING: (7600): Invalid value 'maybe' for attribute 'negate' in rule 101.", rulesRefused}},
		{"list without field", `<rule id="101" level="3"><list lookup="match_key">etc/lists/l</list><description>d</description></rule>`,
			[]string{`ERROR: List requires the field="" attribute`, "ERROR: (1274): Invalid configuration. Element 'list': etc/lists/l.", rulesRefused}},
		{"list named as compiled", `<rule id="101" level="3"><list field="v">etc/lists/l.cdb</list><description>d</description></rule>`, []string{total("3")}},
		{"if_sid ends with a comma: the top of the category as well",
			`<rule id="101" level="3"><if_sid>100,</if_sid><description>d</description></rule>`, []string{total("4")}},
		{"if_sid 0 is the top of the category", `<rule id="101" level="3"><if_sid>0</if_sid><description>d</description></rule>`, []string{total("3")}},
		{"if_sid with a newline behind it", "<rule id=\"101\" level=\"3\"><if_sid>100\n</if_sid><description>d</description></rule>",
			[]string{"WARNING: (7607): Invalid 'if_sid'. Signature ID must be an integer. Rule '101' will be ignored.", total("3")}},
		{"if_sid in words", `<rule id="101" level="3"><if_sid>one</if_sid><description>d</description></rule>`,
			[]string{"WARNING: (7618): Invalid 'if_sid' value: 'one'. Rule '101' will be ignored.", total("2")}},
		{"if_level of nothing", `<rule id="101" level="3"><if_level></if_level><description>d</description></rule>`,
			[]string{"WARNING: (7609): Invalid 'if_level' value: ''. Rule '101' will be ignored.", total("2")}},
		{"overwrite with the same if_group", `<rule id="101" level="3"><if_group>test</if_group><description>d</description></rule>` +
			`<rule id="101" level="4" overwrite="yes"><if_group>test</if_group><description>d</description></rule>`,
			[]string{"WARNING: (7605): It is not possible to overwrite 'if_group' value in rule '101'. The original value is retained.", total("3")}},
		{"of two faulty patterns regex is the first", `<rule id="101" level="3"><id type="pcre2">(</id><regex>\[</regex><description>d</description></rule>`,
			[]string{"ERROR: (5107): Syntax error on tag 'regex' in rule 101", rulesRefused}},
		{"ignore of nothing", `<rule id="101" level="3"><ignore>user, </ignore><description>d</description></rule>`,
			[]string{"ERROR: Wrong ignore option: 'user, '", rulesRefused}},
		{"compiled rule", `<rule id="101" level="3"><compiled_rule>none</compiled_rule><description>d</description></rule>`,
			[]string{"ERROR: Compiled rule not found: 'none'", "ERROR: (1274): Invalid configuration. Element 'compiled_rule': none.", rulesRefused}},
		{"time", `<rule id="101" level="3"><time>25:00 - 3</time><description>d</description></rule>`,
			[]string{"ERROR: (1240): Invalid time format: '25:00 - 3'.", "ERROR: (1274): Invalid configuration. Element 'time': 25:00 - 3.", rulesRefused}},
		{"weekday", `<rule id="101" level="3"><weekday>!monday</weekday><description>d</description></rule>`,
			[]string{"ERROR: (1241): Invalid day format: '!monday'.", "ERROR: (1274): Invalid configuration. Element 'weekday': !monday.", rulesRefused}},
		{"netmask", `<rule id="101" level="3"><srcip>10.0.0.0/33</srcip><description>d</description></rule>`,
			[]string{"ERROR: (1237): Invalid ip address: '10.0.0.0/33'.", rulesRefused}},
		{"decoders that are built in have names", `<rule id="101" level="3"><decoded_as>syscheck_new_entry</decoded_as><description>d</description></rule>`,
			[]string{total("3")}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, got, _ := loadTexts(t, testDecoders, testRoot+`<group name="test,"><rule id="100" level="0"><decoded_as>json</decoded_as>`+
				`<description>base</description></rule>`+c.rule+`</group>`)
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

// TestFaultyDecoders holds what analysisd says of faulty decoders (decode-xml.c, decoders_list.c).
func TestFaultyDecoders(t *testing.T) {
	t.Parallel()
	const refused = "CRITICAL: (1202): Configuration error at 'etc/decoders/d.xml'."
	half := strings.Repeat("x", 600)
	for _, c := range []struct {
		name, decoder string
		want          []string
	}{
		{"two offsets", `<decoder name="p"><prematch>a</prematch><regex>(a)</regex><regex offset="after_prematch">(b)</regex><order>a</order></decoder>`,
			[]string{"ERROR: (2109): Duplicated offsets for same regex: 'p'.", "ERROR: (2107): Decoder configuration error: 'p'.", refused}},
		{"a text of 1024 bytes in two parts", `<decoder name="p"><prematch>` + half + `</prematch><prematch>` + half + `</prematch></decoder>`,
			[]string{"ERROR: (1104): Maximum string size reached for: " + half + ".",
				"ERROR: (2108): No 'prematch' found in decoder: 'p'.", "ERROR: (2107): Decoder configuration error: 'p'.", refused}},
		{"fts of a field that the order lacks", `<decoder name="p"><prematch>a</prematch><regex>(a)</regex><order>one</order><fts>two</fts></decoder>`,
			[]string{"ERROR: decode-xml: Wrong field 'two' in the fts decoder 'p'", refused}},
		{"fts without a regex", `<decoder name="p"><prematch>a</prematch><fts>user</fts></decoder>`,
			[]string{"ERROR: (2107): Decoder configuration error: 'p'.", refused}},
		{"accumulate and fts", `<decoder name="p"><prematch>a</prematch><regex>(a)</regex><order>id</order><accumulate/><fts>name, id</fts></decoder>`, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, got, _ := loadTexts(t, testDecoders+c.decoder, testRoot)
			want := c.want
			if want == nil {
				want = []string{"INFO: Total rules enabled: '1'"}
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestLoadNamesWhatTheLabLacks(t *testing.T) {
	t.Parallel()
	_, _, err := loadTexts(t, testDecoders+`<decoder name="p"><prematch>a</prematch><plugin_decoder>PF_Decoder</plugin_decoder></decoder>`, testRoot)
	if !errors.Is(err, ErrLacking) || !strings.Contains(err.Error(), "PF_Decoder") {
		t.Errorf("%v, want one that names the plugin", err)
	}
}

func TestAnEmptyLocalDecoderFileIsFine(t *testing.T) {
	t.Parallel()
	_, log, err := Load(Sources{
		Files: fstest.MapFS{
			"etc/decoders/d.xml":             {Data: []byte(testDecoders)},
			"etc/decoders/local_decoder.xml": {},
			"etc/rules/r.xml":                {Data: []byte(testRoot)},
			"etc/rules/z.xml":                {},
		},
		DecoderDirs: []string{"etc/decoders"}, RuleDirs: []string{"etc/rules"},
	})
	if err != nil {
		t.Errorf("%v\n%s", err, strings.Join(log, "\n"))
	}
}
