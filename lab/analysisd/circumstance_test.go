package analysisd

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// fired sends logs of agent 001, a second apart, and gives the rules that they end at.
func fired(t *testing.T, decoders, rules string, logs ...string) []int {
	t.Helper()
	rs, log, err := loadTexts(t, testDecoders+decoders, testRoot+`<group name="test,"><rule id="100" level="0"><decoded_as>json</decoded_as>`+
		`<description>base</description></rule>`+rules+`</group>`)
	if err != nil {
		t.Fatalf("%v\n%s", err, strings.Join(log, "\n"))
	}
	e := NewEngine(rs, Options{})
	var ids []int
	for i, log := range logs {
		ids = append(ids, send(e, "001", log, start().Add(time.Duration(i)*time.Second)).RuleID)
	}
	return ids
}

func TestTimeOfDay(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		element, clock string
		want           bool
	}{
		{"<time>9:00 - 17:30</time>", "09:00", true},
		{"<time>9:00 - 17:30</time>", "17:30", true}, // to the end of the minute
		{"<time>9:00 - 17:30</time>", "17:31", false},
		{"<time>!9 - 17</time>", "12:00", false},
		{"<time>6 pm - 8:30 am</time>", "19:00", true},
		{"<time>6 pm - 8:30 am</time>", "08:29", true},
		// The bounds of a range over midnight do not belong to it: it is what lies outside of
		// the other (OS_IsValidTime, "Fix dump hours").
		{"<time>6 pm - 8:30 am</time>", "18:00", false},
		{"<time>!6 pm - 8:30 am</time>", "12:00", false},
		{"<time>12 am - 1 AM</time>", "00:30", true},
		{"<time>12 pm - 1PM</time>", "12:30", true},
		{"<weekday>tuesday</weekday>", "12:00", true}, // of the tenth of February 2026
		{"<weekday>mon, wed</weekday>", "12:00", false},
		{"<weekday>Weekdays</weekday>", "12:00", true},
		{"<weekday>weekends</weekday>", "12:00", false},
	} {
		rules := loadTestRules(t, `<rule id="101" level="3"><if_sid>100</if_sid>`+c.element+`<description>d</description></rule>`)
		clock, err := time.Parse("15:04", c.clock)
		if err != nil {
			t.Fatal(err)
		}
		at := time.Date(2026, 2, 10, clock.Hour(), clock.Minute(), 30, 0, time.UTC)
		if got := send(NewEngine(rules, Options{}), "001", `{"a":1}`, at).RuleID == 101; got != c.want {
			t.Errorf("%s at %s: %v, want %v", c.element, c.clock, got, c.want)
		}
	}
}

func TestFirstTimeSeen(t *testing.T) {
	t.Parallel()
	got := fired(t, `<decoder name="login"><prematch>^login </prematch><regex offset="after_prematch">^(\S+) (\S+) (\S+)</regex>`+
		`<order>realm, user, srcip</order><fts>name, user, realm</fts></decoder>`,
		`<rule id="101" level="3"><decoded_as>login</decoded_as><description>login</description></rule>
		<rule id="102" level="5"><if_sid>101</if_sid><if_fts /><description>first</description></rule>
		<rule id="103" level="5"><if_sid>100</if_sid><if_fts /><description>of a decoder without fts</description></rule>`,
		"login x bob 10.0.0.1", "login x bob 10.0.0.2", "login y bob 10.0.0.1", "login x eve 10.0.0.1", `{"a":1}`)
	if want := []int{102, 101, 102, 102, 0}; !slices.Equal(got, want) {
		t.Errorf("rules %v, want %v", got, want)
	}
}

// TestAccumulate holds that an event gets from the earlier ones of its id what it lacks, and only for
// two minutes (accumulator.c).
func TestAccumulate(t *testing.T) {
	t.Parallel()
	const decoder = `<decoder name="acc"><prematch>^acc </prematch></decoder>
<decoder name="acc-user"><parent>acc</parent><prematch>user=</prematch><regex>id=(\d+) user=(\S+)</regex><order>id, user</order><accumulate/></decoder>
<decoder name="acc-ip"><parent>acc</parent><prematch>ip=</prematch><regex>id=(\d+) ip=(\S+)</regex><order>id, srcip</order><accumulate/></decoder>`
	rs, log, err := loadTexts(t, testDecoders+decoder, testRoot+`<group name="test,"><rule id="101" level="3"><decoded_as>acc</decoded_as><user>bob</user>`+
		`<description>$(dstuser) from $(srcip)</description></rule></group>`)
	if err != nil {
		t.Fatalf("%v\n%s", err, strings.Join(log, "\n"))
	}
	e := NewEngine(rs, Options{})
	send(e, "001", "acc id=1 user=bob", start())
	res := send(e, "001", "acc id=1 ip=10.0.0.1", start().Add(time.Second))
	if res.Description != "bob from 10.0.0.1" || !strings.Contains(string(res.Alert), `"decoder":{"accumulate":1,"parent":"acc","name":"acc"}`) {
		t.Errorf("%q\n%s", res.Description, res.Alert)
	}
	if res = send(e, "001", "acc id=2 ip=10.0.0.1", start().Add(time.Second)); res.RuleID != 0 {
		t.Errorf("another id: rule %d, want none", res.RuleID)
	}
	if res = send(e, "001", "acc id=1 ip=10.0.0.1", start().Add(125*time.Second)); res.RuleID != 0 {
		t.Errorf("two minutes later: rule %d, want none", res.RuleID)
	}
}

func TestCheckDiff(t *testing.T) {
	t.Parallel()
	e := NewEngine(loadTestRules(t, `<rule id="101" level="3"><if_sid>100</if_sid><check_diff /><description>d</description></rule>`), Options{})
	for i, log := range []string{`{"a":1}`, `{"a":1}`, `{"a":2}`} {
		res := send(e, "001", log, start())
		if got, want := res.RuleID == 101, i == 2; got != want {
			t.Errorf("%s: %v, want %v", log, got, want)
		}
		for _, part := range []string{`"previous_output":"Previous output:\n{\"a\":1}"`, `"previous_log":"{\"a\":1}","data":`} {
			if i == 2 && !strings.Contains(string(res.Alert), part) {
				t.Errorf("%s\nhas not %s", res.Alert, part)
			}
		}
	}
}

func TestCompiledRules(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		rule, log string
		want      bool
	}{
		{"check_id_size", `{"id":"1234567890"}`, true},
		{"check_id_size", `{"id":"123456789"}`, false},
		{"comp_srcuser_dstuser", `{"srcuser":"a","dstuser":"a"}`, true},
		{"comp_srcuser_dstuser", `{"srcuser":"a","dstuser":"b"}`, false},
		{"comp_srcuser_dstuser", `{"srcuser":"a"}`, true},
		{"is_simple_http_request", `{"url":"/a"}`, true},
		{"is_simple_http_request", `{"url":"/a?b"}`, false},
		{"is_simple_http_request", `{"a":1}`, false},
		{"comp_mswin_targetuser_calleruser_diff", `{"a":"Target Account Name:x  Caller User Name:y  "}`, true},
		{"comp_mswin_targetuser_calleruser_diff", `{"a":"Target Account Name:x  Caller User Name:x  "}`, false},
		{"is_valid_crawler", `{"a":1}`, false},
	} {
		got := fired(t, "", `<rule id="101" level="3"><if_sid>100</if_sid><compiled_rule>`+c.rule+`</compiled_rule><description>d</description></rule>`, c.log)
		if (got[0] == 101) != c.want {
			t.Errorf("%s of %s: %v, want %v", c.rule, c.log, !c.want, c.want)
		}
	}
}

// TestTakenBackOptions: the mask that takes a mail or a log back is 0xfff less its bit, and the bit
// of no_counter is 0x1000 (rules.c, rules.h).
func TestTakenBackOptions(t *testing.T) {
	t.Parallel()
	const no, mail = "<options>no_counter</options>", "<options>no_email_alert</options>"
	for _, c := range []struct {
		level, options string
		counted        bool
	}{
		{"12", no, false},
		{"12", no + mail, true},
		{"11", no + mail, false}, // there was no mail to take back
		{"11", "<options>alert_by_email</options>" + no + mail, true},
		{"12", mail + no, false},
		{"12", no + mail + no, false},
	} {
		e := NewEngine(loadTestRules(t, `<rule id="101" level="`+c.level+`"><if_sid>100</if_sid>`+c.options+`<description>d</description></rule>`), Options{})
		alert := string(send(e, "001", `{"a":1}`, start()).Alert)
		if got := strings.Contains(alert, `"firedtimes":1`); got != c.counted || !strings.Contains(alert, `"mail":`) {
			t.Errorf("level %s, %s: %v, want %v\n%s", c.level, c.options, got, c.counted, alert)
		}
	}
}

// TestSearchThroughAllEvents: the event that completes it is not among those shown, other than with
// if_matched_sid (Search_LastEvents in eventinfo.c).
func TestSearchThroughAllEvents(t *testing.T) {
	t.Parallel()
	e := NewEngine(loadTestRules(t, `<rule id="101" level="3"><if_sid>100</if_sid><description>d</description></rule>
<rule id="102" level="9" frequency="4" timeframe="60"><if_sid>101</if_sid><if_matched_regex>"k":"\w+"</if_matched_regex><description>d</description></rule>`), Options{})
	var res Result
	for _, k := range []string{"a", "b", "c", "d"} {
		res = send(e, "001", `{"k":"`+k+`"}`, start())
	}
	if res.RuleID != 102 || !strings.Contains(string(res.Alert), `"previous_output":"{\"k\":\"c\"}\n{\"k\":\"b\"}",`) {
		t.Errorf("rule %d: %s", res.RuleID, res.Alert)
	}
}

// TestDescriptions: one with fields is taken from its first 1024 bytes, and stays as written when
// that grows too long; one without stays whole (ParseRuleComment in eventinfo.c).
func TestDescriptions(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 1500)
	for _, c := range []struct{ description, want string }{
		{long, long},
		{"$(a)" + long, "A" + long[:1020]},
		{"$(a)$(big)", "$(a)$(big)"},
		{"$(a) $(b", "A $(b"},
		{"[$(none)]", "[]"},
	} {
		e := NewEngine(loadTestRules(t, `<rule id="101" level="3"><if_sid>100</if_sid><description>`+c.description+`</description></rule>`), Options{})
		if got := send(e, "001", `{"a":"A","big":"`+long+`"}`, start()).Description; got != c.want {
			t.Errorf("%.20q: %.40q of %d bytes, want %.40q of %d", c.description, got, len(got), c.want, len(c.want))
		}
	}
}

func TestOddKeys(t *testing.T) {
	t.Parallel()
	e := NewEngine(loadTestRules(t, ""), Options{})
	for _, c := range []struct{ log, want string }{
		// An empty dstuser gives way to user (fillData in json_decoder.c).
		{`{"dstuser":"","user":"bob"}`, `"data":{"dstuser":"bob"}`},
		{`{"dstuser":"eve","user":"bob"}`, `"data":{"dstuser":"eve","user":"bob"}`},
		// The name of an object may be empty, and yet has a dot behind it.
		{`{"":{"a":1}}`, `"data":{"":{"a":"1"}}`},
	} {
		if got := string(send(e, "001", c.log, start()).Archive); !strings.Contains(got, c.want) {
			t.Errorf("%s: %s\nhas not %s", c.log, got, c.want)
		}
	}
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		net, address string
		want         bool
	}{
		{"10.1.0.0/16", "10.1.2.3", true},
		{"10.1.2.3", "10.1.2.3", true},
		{"!10.1.2.3", "10.1.2.3", true}, // the ! does nothing in 4.14
		{"10.0.0.1/255.0.0.255", "10.9.9.1", true},
		{"10.0.0.1/255.0.0.255", "10.9.9.2", false},
		{"::ffff:10.0.0.0/8", "10.9.9.2", true},
		{"10.0.0.0/8", "::ffff:10.0.0.1", false}, // no IPv4 address to inet_pton
		{"2001:db8::/32", "2001:db8:1::1", true},
		{"2001:db8::/32", "10.0.0.1", false},
		{"any", "10.0.0.1", true},
		{"any", "::1", true},
		{"any", "bob", false},
		{"0.0.0.0/0", "10.0.0.1", true},
	} {
		net, ok := parseNetwork(c.net)
		if !ok {
			t.Fatalf("%s is refused", c.net)
		}
		x := &expression{language: addresses, nets: []network{net}}
		if got := x.matches(c.address); got != c.want {
			t.Errorf("%s in %s: %v, want %v", c.address, c.net, got, c.want)
		}
	}
	for _, text := range []string{"", "10.0.0", "10.0.0.0/33", "10.0.0.0/08", "10.0.0.0/", "::/0", "fe80::1%eth0", "::1.2.3.4", "2001:db8::/129", "10.0.0.0/ffff::"} {
		if _, ok := parseNetwork(text); ok {
			t.Errorf("%q is taken", text)
		}
	}
}
