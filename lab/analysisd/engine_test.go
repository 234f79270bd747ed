package analysisd

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"
)

const testDecoders = `
<decoder name="json"><prematch>^{\s*"</prematch><plugin_decoder>JSON_Decoder</plugin_decoder></decoder>
<decoder name="svc"><program_name>^svc$</program_name></decoder>`

const testRoot = `<group name="base,"><rule id="1" level="0" noalert="1"><category>syslog</category><description>root</description></rule></group>`

// loadRules loads rules below the base 100 for JSON.
func loadTestRules(t *testing.T, rules string) *Ruleset {
	t.Helper()
	rs, log, err := Load(Sources{
		Files: fstest.MapFS{
			"etc/decoders/d.xml": {Data: []byte(testDecoders)},
			"etc/rules/r.xml": {Data: []byte(testRoot + `<group name="test,"><rule id="100" level="0"><decoded_as>json</decoded_as>` +
				`<description>base</description></rule>` + rules + `</group>`)},
		},
		DecoderDirs: []string{"etc/decoders"},
		RuleDirs:    []string{"etc/rules"},
	})
	if err != nil {
		t.Fatalf("%v\n%s", err, strings.Join(log, "\n"))
	}
	return rs
}

func start() time.Time { return time.Date(2026, 2, 10, 12, 0, 0, 0, time.UTC) }

func send(e *Engine, agent, log string, at time.Time) Result {
	return e.Process([]byte("1:["+agent+"] (a) any->/x:"+log), at)
}

func TestFiredTimesBeginAnewWithTheHour(t *testing.T) {
	t.Parallel()
	e := NewEngine(loadTestRules(t, `<rule id="101" level="3"><if_sid>100</if_sid><description>d</description></rule>`), Options{})
	for i, at := range []time.Duration{0, time.Minute, time.Hour, time.Hour + time.Second} {
		want := []int{1, 2, 1, 2}[i]
		res := send(e, "001", `{"a":1}`, start().Add(at))
		if !strings.Contains(string(res.Alert), fmt.Sprintf(`"firedtimes":%d,`, want)) {
			t.Errorf("after %v: %s, want firedtimes %d", at, res.Alert, want)
		}
	}
}

func TestMemoryForgetsTheOldestWhenFull(t *testing.T) {
	t.Parallel()
	rules := loadTestRules(t, `
<rule id="101" level="3"><if_sid>100</if_sid><field name="k">a</field><description>a</description></rule>
<rule id="102" level="3"><if_sid>100</if_sid><field name="k">b</field><description>b</description></rule>
<rule id="103" level="9" frequency="2" timeframe="60"><if_matched_sid>101</if_matched_sid><description>two a</description></rule>`)
	for _, c := range []struct{ between, want int }{{10, 103}, {40, 101}} {
		e := NewEngine(rules, Options{MemorySize: 30})
		at := start()
		send(e, "001", `{"k":"a"}`, at)
		for range c.between {
			send(e, "001", `{"k":"b"}`, at)
		}
		if got := send(e, "001", `{"k":"a"}`, at).RuleID; got != c.want {
			t.Errorf("with %d events between and a memory of 30: rule %d, want %d", c.between, got, c.want)
		}
	}
}

func TestGroupCompositeCountsARuleWithTwoParentsTwice(t *testing.T) {
	t.Parallel()
	// The rule stands at two places of the tree, and each place adds the event to the
	// composite's list (OS_MarkGroup).
	e := NewEngine(loadTestRules(t, `
<rule id="101" level="3"><if_sid>100</if_sid><field name="k">a</field><description>a</description></rule>
<rule id="102" level="3"><if_sid>100</if_sid><field name="k">b</field><description>b</description></rule>
<rule id="103" level="5"><if_sid>101,102</if_sid><field name="both">1</field><group>watched,</group><description>c</description></rule>
<rule id="104" level="9" frequency="3" timeframe="60"><if_matched_group>watched</if_matched_group><description>group</description></rule>`), Options{})
	var got []int
	for range 3 {
		got = append(got, send(e, "001", `{"k":"a","both":"1"}`, start()).RuleID)
	}
	if want := []int{103, 104, 103}; !slices.Equal(got, want) {
		t.Errorf("rules %v, want %v", got, want)
	}
}

func TestWindowIsCountedInFullSeconds(t *testing.T) {
	t.Parallel()
	rules := loadTestRules(t, `
<rule id="101" level="3"><if_sid>100</if_sid><description>a</description></rule>
<rule id="102" level="9" frequency="2" timeframe="10"><if_matched_sid>101</if_matched_sid><description>two</description></rule>`)
	for _, c := range []struct {
		later time.Duration
		want  int
	}{{10*time.Second + 900*time.Millisecond, 102}, {11 * time.Second, 101}} {
		e := NewEngine(rules, Options{})
		send(e, "001", `{"k":"a"}`, start())
		if got := send(e, "001", `{"k":"a"}`, start().Add(c.later)).RuleID; got != c.want {
			t.Errorf("%v later: rule %d, want %d", c.later, got, c.want)
		}
	}
}

func TestAlertID(t *testing.T) {
	t.Parallel()
	rules := loadTestRules(t, `<rule id="101" level="3"><if_sid>100</if_sid><description>d</description></rule>`)
	e := NewEngine(rules, Options{})
	first, second := send(e, "001", `{"a":1}`, start()), send(e, "001", `{"a":1}`, start())
	want := fmt.Sprintf(`"id":"%d.%d"`, start().Unix(), len(first.Alert)+1)
	if !strings.Contains(string(second.Alert), want) {
		t.Errorf("%s has not %s, its own offset", second.Alert, want)
	}
	e = NewEngine(rules, Options{Offset: func() int64 { return 4711 }})
	if res := send(e, "001", `{"a":1}`, start()); !strings.Contains(string(res.Alert), `.4711"`) {
		t.Errorf("%s has not the offset that it was given", res.Alert)
	}
}

func TestEnginesShareARuleset(t *testing.T) {
	t.Parallel()
	rules := loadTestRules(t, `<rule id="101" level="3"><if_sid>100</if_sid><field name="k" type="pcre2">^(a|b)+$</field><description>d</description></rule>`)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			e := NewEngine(rules, Options{})
			for i := range 50 {
				if res := send(e, "001", `{"k":"abab"}`, start()); res.RuleID != 101 || !strings.Contains(string(res.Alert), fmt.Sprintf(`"firedtimes":%d,`, i+1)) {
					t.Errorf("event %d: %s", i, res.Alert)
				}
			}
		})
	}
	wg.Wait()
}

func TestTacticsAndTechniques(t *testing.T) {
	t.Parallel()
	e := NewEngine(loadTestRules(t, `<rule id="101" level="3"><if_sid>100</if_sid><description>d</description>
<mitre><tacticID>TA0010</tacticID><techniqueID>T1537</techniqueID></mitre></rule>`), Options{})
	res := send(e, "001", `{"a":1}`, start())
	want := `"mitre":{"id":["T1537"],"tactic":["Exfiltration"],"technique":["Transfer Data to Cloud Account"]}`
	if !strings.Contains(string(res.Alert), want) {
		t.Errorf("%s has not %s", res.Alert, want)
	}
}

func TestResultTellsWhatActiveResponsesNeed(t *testing.T) {
	t.Parallel()
	e := NewEngine(loadTestRules(t, `<rule id="101" level="2"><if_sid>100</if_sid><group>pci_dss_10.2,seal,</group><options>no_ar</options>
<description>by $(dstuser)</description></rule>`), Options{})
	res := send(e, "007", `{"user":"bob","srcip":"10.0.0.1"}`, start())
	if res.Alert != nil {
		t.Errorf("level 2 made an alert: %s", res.Alert)
	}
	if res.RuleID != 101 || res.Level != 2 || res.AgentID != "007" || res.SourceIP != "10.0.0.1" || res.TargetUser != "bob" ||
		res.Description != "by bob" || !res.NoActiveResponse || !slices.Equal(res.Groups, []string{"test", "pci_dss_10.2", "seal"}) {
		t.Errorf("%+v", res)
	}
}

func TestStockRulesOfActiveResponses(t *testing.T) {
	t.Parallel()
	rs, _, err := Load(Sources{Files: fstest.MapFS{}, Stock: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		log  string
		want int
	}{
		{`2026/02/10 12:34:56 active-response/bin/vault-seal: {"version":1,"command":"add","parameters":{"program":"active-response/bin/vault-seal"}}`, 657},
		{`2026/02/10 12:34:56 active-response/bin/firewall-drop: {"command":"add","parameters":{"program":"active-response/bin/firewall-drop"}}`, 651},
		{`2026/02/10 12:34:56 active-response/bin/vault-seal: {"command":"check_keys","parameters":{}}`, 0},
		{`2026/02/10 12:34:56 active-response/bin/vault-seal: Starting`, 0},
		{`{"command":"add"}`, 0},
	} {
		if got := send(NewEngine(rs, Options{}), "001", c.log, start()).RuleID; got != c.want {
			t.Errorf("%s: rule %d, want %d", c.log, got, c.want)
		}
	}
}

func TestFilesLoadByTheirBaseNames(t *testing.T) {
	t.Parallel()
	rule := func(id, parent string) *fstest.MapFile {
		return &fstest.MapFile{Data: []byte(`<group name="x,"><rule id="` + id + `" level="3"><if_sid>` + parent + `</if_sid><description>d</description></rule></group>`)}
	}
	files := fstest.MapFS{
		"d/d.xml":      {Data: []byte(testDecoders)},
		"one/0010.xml": {Data: []byte(testRoot + `<group name="x,"><rule id="100" level="0"><decoded_as>json</decoded_as><description>d</description></rule></group>`)},
		"one/0030.xml": rule("103", "102"),
		"two/0020.xml": rule("102", "100"),
		"two/0005.txt": {Data: []byte("no rules")},
	}
	rs, log, err := Load(Sources{Files: files, DecoderDirs: []string{"d"}, RuleDirs: []string{"one", "two"}})
	if err != nil || !rs.HasRule(103) {
		t.Errorf("rule 103 is missing: %v\n%s", err, strings.Join(log, "\n"))
	}
}

func TestEveryLineIsJSON(t *testing.T) {
	t.Parallel()
	e := NewEngine(loadTestRules(t, `<rule id="101" level="3"><if_sid>100</if_sid><description>$(a) "\ $(b)</description></rule>`), Options{})
	for _, log := range []string{`{"a":"\"\\\n\u0001","b":"[1,"}`, "{\"a\":\"\t\x01\"}", `{"a":1,"a":2,"A":{"b":3},"a.b":4}`, "", "\x7f", `{"a":[{"b":[]}]}`} {
		res := send(e, "001", log, start())
		if !json.Valid(res.Archive) {
			t.Errorf("%q: %s", log, res.Archive)
		}
	}
}
