package alert

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// FuzzValid holds the check of JSON to encoding/json's, which goes 10,000 deep.
func FuzzValid(f *testing.F) {
	f.Add(oneAlert)
	f.Add(strings.Repeat("[", 3000) + strings.Repeat("]", 3000))
	f.Add(strings.Repeat(`{"":`, 3000) + "1" + strings.Repeat("}", 2999))
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Count(text, "[")+strings.Count(text, "{") > 9_000 {
			return
		}
		want := json.Valid([]byte(text))
		if valid(text) != want || valid([]byte(text)) != want {
			t.Errorf("valid %v, for encoding/json %v", !want, want)
		}
	})
}

// FuzzParse holds, of whatever may stand in alerts.json, that a line is either refused for one of the reasons or gives
// an alert within all bounds, which written down again as an alert is read as the same one.
func FuzzParse(f *testing.F) {
	f.Add([]byte(oneAlert))
	f.Add([]byte(strings.Replace(oneAlert, `"data":{`, `"data":{"deep":`+strings.Repeat("[", 1500)+strings.Repeat("]", 1500)+`,`, 1)))
	f.Add([]byte(strings.Replace(oneAlert, `"policies":[`, `"policies":[`+strings.Repeat(`"p",`, 200), 1)))
	f.Add([]byte(strings.Replace(oneAlert, `"path":"secret/`, `"path":"secret/`+strings.Repeat("é", 3000), 1)))
	f.Fuzz(func(t *testing.T, line []byte) {
		a, err := Parse(line)
		checkRefusal(t, line, err)
		if err != nil {
			return
		}
		if a.Key != KeyOf(bytes.TrimSuffix(line, []byte("\n"))) {
			t.Error("the key is not that of the line")
		}
		if !MayConcern(line) && !bytes.Contains(line, []byte(`\u`)) {
			t.Error("the cheap test would have dropped it")
		}
		checkBounds(t, "alert", reflect.ValueOf(*a))
		checkKind(t, a)
		if a.Record != nil {
			if actor := a.Record.Actor(); actor.Acting == "" {
				t.Errorf("nobody acts in %+v", a.Record)
			}
		}
		again, err := Parse(written(t, a))
		if err != nil {
			t.Fatalf("written down again: %v\n%s", err, written(t, a))
		}
		if r := a.Record; r != nil && len(r.UserAgent) > maxName { // several headers, which one text cannot tell
			r.UserAgent, again.Record.UserAgent = "", ""
		}
		if diff := cmp.Diff(a, again, cmpopts.IgnoreFields(Alert{}, "Key", "Cut"), cmpopts.EquateEmpty(), cmpopts.EquateApproxTime(0)); diff != "" {
			t.Errorf("written down again it is another one:\n%s", diff)
		}
	})
}

func checkRefusal(t *testing.T, line []byte, err error) {
	t.Helper()
	text := bytes.TrimSuffix(line, []byte("\n"))
	switch {
	case errors.Is(err, ErrTooLong):
		if len(text) <= MaxLine {
			t.Errorf("%d bytes are too long", len(text))
		}
	case errors.Is(err, ErrNotJSON):
		if bytes.HasPrefix(text, []byte("{")) && json.Valid(text) {
			t.Error("it is an object")
		}
	case err != nil && RefusalOf(err) == RefusalOther && !errors.Is(err, ErrNotVault):
		t.Errorf("refused without a reason: %v", err)
	}
}

// checkBounds walks over all that a value holds.
func checkBounds(t *testing.T, name string, v reflect.Value) {
	t.Helper()
	switch v.Kind() {
	case reflect.String:
		if s := v.String(); !utf8.ValidString(s) || strings.ContainsRune(s, 0) || len(s) > maxList*(maxName+len(", ")) {
			t.Errorf("%s is unbounded or no text: %.80q (%d bytes)", name, s, len(s))
		}
	case reflect.Slice:
		if v.Len() > maxList {
			t.Errorf("%s has %d items", name, v.Len())
		}
		for i := range v.Len() {
			checkBounds(t, name, v.Index(i))
		}
	case reflect.Map:
		if v.Len() > maxPairs {
			t.Errorf("%s has %d pairs", name, v.Len())
		}
		for _, key := range v.MapKeys() {
			checkBounds(t, name, key)
			checkBounds(t, name, v.MapIndex(key))
		}
	case reflect.Int, reflect.Int64:
		if v.Int() < 0 {
			t.Errorf("%s is %d", name, v.Int())
		}
	case reflect.Pointer:
		if !v.IsNil() {
			checkBounds(t, name, v.Elem())
		}
	case reflect.Struct:
		if _, isTime := v.Interface().(time.Time); isTime {
			return
		}
		for i := range v.NumField() {
			checkBounds(t, name+"."+v.Type().Field(i).Name, v.Field(i))
		}
	}
}

// checkKind holds that what the kind promises is there, and nothing else.
func checkKind(t *testing.T, a *Alert) {
	t.Helper()
	has := map[Kind]bool{KindAudit: a.Record != nil, KindOperational: a.Operational != nil, KindReport: a.Report != nil, KindOwn: a.Own != nil}
	for kind, there := range has {
		if there != (kind == a.Kind) {
			t.Errorf("an alert of kind %q has the part of kind %q: %v", a.Kind, kind, there)
		}
	}
	if !a.InGroup(GroupVault) && !a.InGroup(GroupEnriched) && !a.InGroup(GroupResponse) {
		t.Errorf("in the groups %q", a.Rule.Groups)
	}
}

type fields = map[string]any

// written is an alert about a as analysisd would write it.
func written(t *testing.T, a *Alert) []byte {
	t.Helper()
	doc := fields{
		"timestamp": a.Timestamp.Format(timeLayout), "id": a.ID, "location": a.Location,
		"manager": fields{"name": a.Node}, "decoder": fields{"name": a.Decoder},
		"agent": fields{"id": a.Agent.ID, "name": a.Agent.Name, "ip": a.Agent.IP},
		"rule": fields{
			"id": a.Rule.ID, "level": a.Rule.Level, "description": a.Rule.Description, "groups": a.Rule.Groups,
			"frequency": a.Rule.Frequency, "firedtimes": a.Rule.Firedtimes, "mitre": fields{"id": a.Rule.Techniques},
		},
	}
	switch a.Kind {
	case KindAudit:
		doc["full_log"] = "[vault audit] " + string(encoded(t, recorded(a.Record)))
	case KindOperational:
		doc["data"] = fields{"vault_level": a.Operational.Level, "vault_component": a.Operational.Component, "vault_message": a.Operational.Message}
	case KindReport:
		doc["data"] = fields{"vault_seal_level": a.Report.Level, "vault_seal_message": a.Report.Message}
	case KindOwn:
		doc["data"] = fields{"integration": "custom-vault", "custom_vault": fields{"event": a.Own.Event, "event_id": a.Own.EventID}}
	case KindOther:
	}
	return encoded(t, doc)
}

// recorded is an audit record about r as Vault would write it.
func recorded(r *Record) fields {
	var granting []fields
	for _, name := range r.Auth.GrantingPolicies {
		granting = append(granting, fields{"name": name, "type": "acl"})
	}
	doc := fields{
		"type": r.Type, "time": r.Time.Format(time.RFC3339Nano), "error": r.Error,
		"request": fields{
			"id": r.RequestID, "operation": r.Operation, "path": r.Path, "mount_type": r.MountType, "mount_point": r.MountPoint,
			"mount_class": r.MountClass, "namespace": fields{"path": r.Namespace}, "remote_address": r.RemoteAddress,
			"headers": fields{"user-agent": r.UserAgent}, "client_id": r.ClientID, "client_token": r.ClientToken,
			"client_token_accessor": r.ClientTokenAccessor, "wrap_ttl": r.WrapTTL,
		},
	}
	if r.HasAuth {
		auth := fields{
			"accessor": r.Auth.Accessor, "display_name": r.Auth.DisplayName, "entity_id": r.Auth.EntityID,
			"entity_created": r.Auth.EntityCreated, "metadata": r.Auth.Metadata, "policies": r.Auth.Policies,
			"token_policies": r.Auth.TokenPolicies, "identity_policies": r.Auth.IdentityPolicies, "token_type": r.Auth.TokenType,
			"token_ttl": int64(r.Auth.TokenTTL / time.Second), "token_issue_time": r.Auth.IssueTime.Format(time.RFC3339Nano),
			"remaining_uses": r.Auth.RemainingUses,
		}
		if r.Auth.Judged {
			auth["policy_results"] = fields{"allowed": r.Auth.Allowed, "granting_policies": granting}
		}
		doc["auth"] = auth
	}
	response := fields{
		"auth": fields{
			"accessor": r.Response.AuthAccessor, "policies": r.Response.AuthPolicies, "entity_id": r.Response.AuthEntityID,
			"display_name": r.Response.AuthDisplayName,
		},
		"wrap_info": fields{
			"accessor": r.Response.WrapAccessor, "wrapped_accessor": r.Response.WrappedAccessor, "creation_path": r.Response.WrapCreationPath,
		},
	}
	if r.Response.Failed {
		response["data"] = fields{"error": "hmac-sha256:0"}
	}
	doc["response"] = response
	return doc
}

func encoded(t *testing.T, v any) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(fmt.Errorf("%w of %+v", err, v))
	}
	return text
}
