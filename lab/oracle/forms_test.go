package oracle

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// write lays out a folder of recordings.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const (
	formDecoders = `<decoder name="json"><prematch>^{\s*"</prematch><plugin_decoder>JSON_Decoder</plugin_decoder></decoder>
<decoder name="unused"><program_name>^unused$</program_name></decoder>`
	formRules = `<group name="x,"><rule id="1" level="0" noalert="1"><category>syslog</category><description>root</description></rule>
<rule id="100" level="0"><decoded_as>json</decoded_as><description>base</description></rule></group>`
	formStep = `"steps":[{"at_ms":0,"frame":"1:x:{\"a\":1}"}],"expected":[{"alerts":[],"archive":[]}],"log":[]`
)

// TestUnknownFormsAreNamed holds that what the lab cannot compare is named with the reason, and that
// all else is compared none the less.
func TestUnknownFormsAreNamed(t *testing.T) {
	t.Parallel()
	dir := write(t, map[string]string{
		"engine/rulesets/good/ruleset.json":      `{"stock":false,"log_alert_level":3,"about":"x","added":[1]}`,
		"engine/rulesets/good/decoders/d.xml":    formDecoders,
		"engine/rulesets/good/rules/r.xml":       formRules,
		"engine/rulesets/plugin/ruleset.json":    `{}`,
		"engine/rulesets/plugin/decoders/d.xml":  formDecoders + `<decoder name="pf"><prematch>x</prematch><plugin_decoder>PF_Decoder</plugin_decoder></decoder>`,
		"engine/rulesets/plugin/rules/r.xml":     formRules,
		"engine/rulesets/option/ruleset.json":    `{"internal_options":{"analysisd.fts_list_size":12}}`,
		"engine/rulesets/option/decoders/d.xml":  formDecoders,
		"engine/rulesets/option/rules/r.xml":     formRules,
		"engine/rulesets/refused/ruleset.json":   `{}`,
		"engine/rulesets/refused/decoders/d.xml": formDecoders,
		"engine/rulesets/refused/rules/r.xml":    `<group name="x,"><rule id="1" level="17"><description>d</description></rule></group>`,
		"engine/cases.jsonl": strings.Join([]string{
			`{"name":"broken`,
			`{"name":"nothing","ruleset":"good"}`,
			`{"name":"no-ruleset",` + formStep + `}`,
			`{"name":"missing-ruleset","ruleset":"gone",` + formStep + `}`,
			`{"name":"lengths","ruleset":"good","steps":[{"at_ms":0,"frame":"1:x:y"}],"expected":[],"log":[]}`,
			`{"name":"no-frame","ruleset":"good","steps":[{"at_ms":0,"signal":"HUP"}],"expected":[{}],"log":[]}`,
			`{"name":"plugin","ruleset":"plugin",` + formStep + `}`,
			`{"name":"option","ruleset":"option",` + formStep + `}`,
			`{"name":"technique","ruleset":"good","steps":[{"frame":"1:x:y"}],"expected":[{"alerts":["{\"rule\":{\"mitre\":{\"id\":[\"T9998\"]}}}"]}],"log":[]}`,
			`{"name":"refused","ruleset":"refused",` + formStep + `}`,
			`{"name":"differs","ruleset":"good","added":{"x":1},` + formStep + `}`,
			``,
		}, "\n"),
		"engine/load.jsonl": `{"name":"no-such-folder","decoders":"rulesets/gone","rules":"rulesets/gone","started":true,"log":[]}
{"name":
`,
		"vault-passes/new.map.json":     `{"lines":1,"location":"/x","gap_ms":25,"source":"new.log","alert_of_line":[]}`,
		"vault-passes/new.alerts.jsonl": ``,
		"execd/cases.jsonl":             `no JSON`,
		"queue/cases.jsonl/a-folder":    ``,
	})
	var out bytes.Buffer
	agreed, err := Run(Options{Cases: dir}, &out)
	if agreed || err == nil {
		t.Errorf("agreed %v, %v: want the recordings of queue that cannot be read as an error", agreed, err)
	}
	text := out.String()
	for _, want := range []string{
		"engine line 1 of cases.jsonl: unexpected end of JSON input",
		"engine nothing: it has no steps",
		"engine no-ruleset: it names no ruleset",
		"engine missing-ruleset: its ruleset is not among the recordings",
		"engine lengths: it has 1 steps and expects the outcome of 0",
		"engine no-frame: its step 0 has neither frame nor frame_b64",
		"the lab does not have the plugin PF_Decoder of decoder 'pf'",
		"engine option: the lab does not have the internal option analysisd.fts_list_size",
		"engine technique: the lab's part of ATT&CK does not have T9998",
		"engine refused differs:",
		"engine differs differs:",
		"engine load/no-such-folder: its files are not among the recordings",
		"engine line 2 of load.jsonl: unexpected end of JSON input",
		"vault-passes new: its ruleset is not among the recordings",
		"execd line 1 of cases.jsonl: invalid character",
		"queue could not be replayed to its end",
		"engine: agree 0 of 2",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("it does not say %q", want)
		}
	}
	if !strings.HasSuffix(text, "agree 0 of 2\n") {
		t.Errorf("the totals are not last")
	}
	if t.Failed() {
		t.Log(text)
	}
}

func TestEmptyFoldersAreNoCases(t *testing.T) {
	t.Parallel()
	dir := write(t, map[string]string{"engine/README": "nothing yet", "vault-passes/README": ""})
	var out bytes.Buffer
	if agreed, err := Run(Options{Cases: dir}, &out); !agreed || err != nil || !strings.HasSuffix(out.String(), "agree 0 of 0\n") {
		t.Errorf("%v, %v\n%s", agreed, err, out.String())
	}
	if _, err := Run(Options{Cases: t.TempDir()}, &out); err == nil {
		t.Error("a folder without any kind of recording is taken")
	}
}

// TestPassWithoutItsLog: audit logs are not part of the folder, and may be missing.
func TestPassWithoutItsLog(t *testing.T) {
	t.Parallel()
	dir := write(t, map[string]string{
		"engine/rulesets/article/ruleset.json":   `{}`,
		"engine/rulesets/article/decoders/d.xml": formDecoders,
		"engine/rulesets/article/rules/r.xml":    formRules,
		"vault-passes/new.map.json":              `{"lines":1,"location":"/x","gap_ms":25,"source":"new.log","alert_of_line":[]}`,
		"vault-passes/new.alerts.jsonl":          ``,
	})
	var out bytes.Buffer
	if agreed, err := Run(Options{Cases: dir}, &out); !agreed || err != nil || !strings.Contains(out.String(), "vault-passes new: a file of it is not among the recordings") {
		t.Errorf("%v, %v\n%s", agreed, err, out.String())
	}
}

// TestTheRecordedClockCounts: a rule may ask for the time of day, and only the recording knows it.
func TestTheRecordedClockCounts(t *testing.T) {
	t.Parallel()
	const rule = `<group name="y,"><rule id="101" level="3"><if_sid>100</if_sid><time>22:00 - 23:00</time><description>late</description></rule></group>`
	const line = `{\"timestamp\":\"2026-03-04T22:30:00.250+0000\",\"rule\":{\"level\":3,\"description\":\"late\",\"id\":\"101\",\"firedtimes\":1,\"mail\":false,` +
		`\"groups\":[\"y\"]},\"agent\":{\"id\":\"000\",\"name\":\"wazuh-manager\"},\"manager\":{\"name\":\"wazuh-manager\"},\"id\":\"1.2\",` +
		`\"full_log\":\"{\\\"a\\\":1}\",\"decoder\":{\"name\":\"json\"},\"data\":{\"a\":\"1\"},\"location\":\"x\"}`
	dir := write(t, map[string]string{
		"engine/rulesets/clock/ruleset.json":   `{}`,
		"engine/rulesets/clock/decoders/d.xml": formDecoders,
		"engine/rulesets/clock/rules/r.xml":    formRules + rule,
		"engine/cases.jsonl": `{"name":"late","ruleset":"clock","steps":[{"at_ms":0,"frame":"1:x:{\"a\":1}"}],"expected":[{"alerts":["` + line + `"],"archive":["` + line +
			`"]}],"log":["wazuh-analysisd: INFO: Total rules enabled: '3'"]}`,
	})
	var out bytes.Buffer
	if agreed, err := Run(Options{Cases: dir}, &out); !agreed || err != nil || !strings.HasSuffix(out.String(), "agree 1 of 1\n") {
		t.Errorf("%v, %v\n%s", agreed, err, out.String())
	}
}
