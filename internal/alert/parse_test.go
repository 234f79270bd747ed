package alert

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/tidwall/gjson"
)

const oneAlert = `{"timestamp":"2026-11-24T15:39:31.266+0100","rule":{"level":14,"description":"d","id":"100617","frequency":10,"firedtimes":2,` +
	`"mitre":{"id":["T1537"]},"groups":["vault"]},"agent":{"id":"001","name":"vault-1","ip":"10.0.0.7"},"manager":{"name":"m1"},` +
	`"cluster":{"name":"c","node":"n1"},"id":"1795531171.6042217","decoder":{"name":"vault-audit"},` +
	`"data":{"auth":{"accessor":"abc","policies":["default"],"policy_results":{"allowed":"true"},"token_ttl":"3600"},` +
	`"request":{"id":"r1","operation":"read","path":"secret/data/x"},"type":"request","time":"2026-11-24T14:39:31.1Z"},"location":"/var/log/vault_audit.log"}`

func TestParseReadsTheFieldsOfAnAlert(t *testing.T) {
	a, err := Parse([]byte(oneAlert + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	if a.Key != KeyOf([]byte(oneAlert)) {
		t.Error("the key is not that of the line without its newline")
	}
	want := Rule{ID: "100617", Level: 14, Description: "d", Groups: []string{"vault"}, Frequency: 10, Firedtimes: 2, Techniques: []string{"T1537"}}
	if diff := cmp.Diff(want, a.Rule); diff != "" {
		t.Error(diff)
	}
	if !a.Timestamp.Equal(time.Date(2026, 11, 24, 14, 39, 31, 266e6, time.UTC)) {
		t.Errorf("timestamp %s", a.Timestamp)
	}
	if a.Node != "n1" || a.Agent != (Agent{"001", "vault-1", "10.0.0.7"}) || a.Kind != KindAudit {
		t.Errorf("node %q, agent %+v, kind %q", a.Node, a.Agent, a.Kind)
	}
	// Without full_log the record comes from the decoded fields, where every leaf is a string.
	if r := a.Record; !r.Auth.Allowed || r.Auth.TokenTTL != time.Hour || r.Outcome() != Asked {
		t.Errorf("record %+v", r)
	}
}

func TestParseTellsKindsApart(t *testing.T) {
	alertWith := func(groups, decoder, data string) string {
		return `{"rule":{"id":"1","groups":["` + groups + `"]},"decoder":{"name":"` + decoder + `"},"data":` + data + `}`
	}
	for line, want := range map[string]Kind{
		alertWith("vault", "vault-audit", `{"type":"request"}`):                                               KindAudit,
		alertWith("vault", "vault", `{"vault_level":"INFO"}`):                                                 KindOperational,
		alertWith("vault", "vault-seal", `{"vault_seal_level":"SUCCESS"}`):                                    KindReport,
		alertWith("vault_enriched", "json", `{"integration":"custom-vault","custom_vault":{"event_id":"x"}}`): KindOwn,
		alertWith("vault", "syslog", `{}`):                                                                    KindOther,
	} {
		a, err := Parse([]byte(line))
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if a.Kind != want {
			t.Errorf("%s: kind %q, want %q", line, a.Kind, want)
		}
	}
}

func TestParseRefusesWithItsReason(t *testing.T) {
	for name, c := range map[string]struct {
		line string
		want error
	}{
		"too long":      {`{"a":"` + strings.Repeat("x", MaxLine) + `"}`, ErrTooLong},
		"deep":          {`{"a":` + strings.Repeat("[", MaxLine-5), ErrNotJSON},
		"cut":           {oneAlert[:300], ErrNotJSON},
		"an array":      {`[]`, ErrNotJSON},
		"empty":         {``, ErrNotJSON},
		"no rule":       {`{"data":{}}`, ErrNoRule},
		"rule a string": {`{"rule":"x"}`, ErrNoRule},
		"other group":   {`{"rule":{"groups":["vaulted","Vault"]}}`, ErrNotVault},
	} {
		if _, err := Parse([]byte(c.line)); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// analysisd turns a string that begins with "[" and parses as JSON into an array, so an attacker chooses the type.
func TestParseTakesArraysWhereStringsAreExpected(t *testing.T) {
	line := strings.Replace(oneAlert, `"path":"secret/data/x"`, `"path":["a",{"b":[1]}]`, 1)
	a, err := Parse([]byte(line))
	if err != nil {
		t.Fatal(err)
	}
	if a.Record.Path != `["a",{"b":[1]}]` {
		t.Errorf("path %q", a.Record.Path)
	}
}

// Whoever makes a token names the keys of its metadata: analysisd nests a key by its dots, in each alert about what the
// token does.
func TestAnAlertMayBeAsDeepAsAKeyHasDots(t *testing.T) {
	const dots = 30_000
	deep := strings.Repeat(`{"a":`, dots) + `"x"` + strings.Repeat("}", dots)
	for name, line := range map[string]string{
		"with full_log":    strings.Replace(oneAlert, `"data":{`, `"full_log":"{\"auth\":{\"accessor\":\"abc\"},\"type\":\"request\"}","data":{"meta":`+deep+`,`, 1),
		"without full_log": strings.Replace(oneAlert, `"auth":{"accessor"`, `"auth":{"metadata":{"x":`+deep+`},"accessor"`, 1),
	} {
		a, err := Parse([]byte(line))
		if err != nil || a.Record.Auth.Accessor != "abc" || a.Record.Type != "request" {
			t.Errorf("%s: %+v, %v", name, a, err)
		}
	}
}

func TestCutRecordIsMarked(t *testing.T) {
	line := strings.Replace(oneAlert, `"location"`, `"full_log":"[vault audit] {\"auth\":{\"accessor\":\"ab[vault audit] {\"","location"`, 1)
	a, err := Parse([]byte(line))
	if err != nil {
		t.Fatal(err)
	}
	if !a.Cut || a.Record.Auth.Accessor != "abc" {
		t.Errorf("cut %v, accessor %q: want the decoded fields", a.Cut, a.Record.Auth.Accessor)
	}
}

// Members are found by name wherever they stand, in whatever spelling, and however many there are: of equal names
// the first counts, as it does for gjson.
func TestMembersAreFoundAmongAnyNumber(t *testing.T) {
	for _, junk := range []int{0, maxMembers - 3, maxMembers, 3 * maxMembers} {
		var doc strings.Builder
		doc.WriteString("{")
		for i := range junk {
			fmt.Fprintf(&doc, `"junk%d":{"id":"wrong"},`, i)
		}
		doc.WriteString(`"\u0069d":"first","id":"second","n":{"id":"inner"}}`)
		v := gjson.Parse(doc.String())
		o := objectOf(v)
		for _, name := range []string{"id", "n", "none", "junk0"} {
			if got, want := o.get(name), v.Get(name); got.Raw != want.Raw || got.Type != want.Type || got.Str != want.Str {
				t.Errorf("%d members more: %s is %q, for gjson %q", junk, name, got.Raw, want.Raw)
			}
		}
	}
	for _, none := range []string{"", "null", "3", `"id"`, `["id"]`, `[{"id":1}]`} {
		if got := objectOf(gjson.Parse(none)).get("id"); got.Exists() {
			t.Errorf("%s has a member: %q", none, got.Raw)
		}
	}
}

// Alerts wait for a better answer to who it was, and suspects for their judgement, by the thousand.
func TestAnAlertKeepsNothingOfItsLine(t *testing.T) {
	const alerts, size = 64, 1 << 20
	long := strings.Replace(oneAlert, `"location"`, `"full_log":"{\"auth\":{\"accessor\":\"abc\",\"metadata\":{\"k\":\"v\"}},\"request\":{\"data\":\"`+
		strings.Repeat("x", size)+`\"}}","location"`, 1)
	kept := make([]*Alert, alerts)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range kept {
		a, err := Parse([]byte(long))
		if err != nil {
			t.Fatal(err)
		}
		kept[i] = a
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > alerts*size/4 {
		t.Errorf("%d alerts of 1 MiB keep %d bytes", alerts, grown)
	}
	runtime.KeepAlive(kept)
}
