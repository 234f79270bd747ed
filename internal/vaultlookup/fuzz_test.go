package vaultlookup

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"custom-vault/internal/alert"
	"custom-vault/internal/identity"
	"custom-vault/internal/vaultclient"
)

const recordSeed = `{"type":"response","time":"2026-11-24T14:39:31.1Z","auth":{"accessor":"abc","client_token":"hmac-sha256:1",` +
	`"display_name":"userpass-bob","entity_id":"e-1","metadata":{"username":"bob"},"policies":["default"],"token_policies":["default"],` +
	`"token_issue_time":"2026-11-24T14:00:00Z","token_ttl":3600,"token_type":"service"},"request":{"id":"r","operation":"read","path":"secret/data/x"}}`

// FuzzQuestion: whatever an audit record says, Vault is never asked for a hashed accessor, nobody is named where there is
// no token, and without Vault no more is claimed than that it was recorded.
func FuzzQuestion(f *testing.F) {
	f.Add([]byte(recordSeed))
	f.Add([]byte(strings.Replace(recordSeed, `"abc"`, `"hmac-sha256:2"`, 1)))
	f.Add([]byte(strings.Replace(recordSeed, `"e-1"`, `"../../sys/seal"`, 1)))
	f.Add([]byte(`{"type":"request","error":"permission denied","request":{"client_token":"hmac-sha256:3","path":"auth/userpass/login/../x"}}`))
	f.Fuzz(func(t *testing.T, record []byte) {
		if !json.Valid(record) {
			return
		}
		line, err := json.Marshal(map[string]any{
			"rule": map[string]any{"groups": []string{"vault"}}, "decoder": map[string]any{"name": "vault-audit"}, "full_log": string(record),
		})
		if err != nil {
			t.Fatal(err)
		}
		a, err := alert.Parse(line)
		if err != nil {
			t.Fatal(err)
		}
		who, ask := question(a)
		if alert.Hashed(ask.accessor) || ask.hash != "" && !alert.Hashed(ask.hash) {
			t.Errorf("asks for %+v", ask)
		}
		if who.Rung == identity.RungNobody && (!ask.nothing() || who.Accessor != "" || who.Entity != nil) {
			t.Errorf("nobody is %+v, asked for by %+v", who, ask)
		}
		if who.Confidence != identity.Recorded || who.Token.State != identity.StateUnknown {
			t.Errorf("claims %q, token %q", who.Confidence, who.Token.State)
		}
		checkIdentity(t, who)
		for _, failure := range []vaultclient.Failure{vaultclient.Gone, vaultclient.Timeout, vaultclient.NotPermitted} {
			without := withoutToken(who, failure, ask)
			if without.Confidence == identity.Confirmed || without.Rung < who.Rung {
				t.Errorf("no answer (%s) is better than the record: %+v", failure, without)
			}
		}
	})
}

// FuzzAnswer: Vault, or whatever stands in its place, fills no memory and no event.
func FuzzAnswer(f *testing.F) {
	f.Add([]byte(`{"accessor":"abc","display_name":"bob","creation_time":1795531171,"ttl":3600,"num_uses":"3","meta":{"k":"v"},"policies":["default"],"orphan":true}`))
	f.Add([]byte(`{"id":"e-1","name":"bob","aliases":[{"name":"bob","mount_path":"auth/userpass/","mount_type":"userpass"}],"direct_group_ids":["g"],"metadata":{"a":"b"}}`))
	f.Add([]byte(`{"ttl":1e400,"creation_time":-1,"num_uses":9223372036854775807,"meta":[],"aliases":{"name":1},"policies":"root"}`))
	f.Add([]byte(`{"meta":{` + strings.Repeat(`"k":"v",`, 100) + `"z":"` + strings.Repeat("é", 500) + `"},"bound_cidrs":[` + strings.Repeat(`"10.0.0.0/8",`, 100) + `1]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var data fields
		d := json.NewDecoder(bytes.NewReader(text))
		d.UseNumber() // as vault/api does
		if d.Decode(&data) != nil {
			return
		}
		who := identity.Identity{V: identity.Version, Rung: identity.RungAccessor, Confidence: identity.Confirmed}
		who.Token, who.Entity = tokenOf(data), entityOf(data)
		who.Policies = policies(data.list("policies"), data.list("identity_policies"), nil)
		if who.Token.TTL < 0 || who.Token.UsesLeft < 0 || len(who.Entity.Aliases) > maxList {
			t.Errorf("%+v", who)
		}
		if !slices.IsSorted(who.Policies.All) {
			t.Errorf("policies %q", who.Policies.All)
		}
		checkIdentity(t, who)
	})
}

// checkIdentity holds that an identity is bounded text, and the same when it is read back from the store.
func checkIdentity(t *testing.T, who identity.Identity) {
	t.Helper()
	text, err := json.Marshal(who)
	if err != nil {
		t.Fatal(err)
	}
	// Four lists of 64 or 128 items, two maps of 32 pairs, a score of texts: each of at most 256 bytes, which JSON may
	// write six times as long.
	if most := (4*2*maxList + 2*2*maxPairs + 3*maxList + 20) * (6*maxText + 20); len(text) > most {
		t.Errorf("%d bytes", len(text))
	}
	var again identity.Identity
	if err := json.Unmarshal(text, &again); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(who, again, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("read back:\n%s", diff)
	}
	for _, s := range []string{who.Name(), who.Subject(), fmt.Sprint(who)} {
		if !utf8.ValidString(s) || strings.ContainsRune(s, 0) {
			t.Errorf("no text: %q", s)
		}
	}
	if who.Name() == "" {
		t.Errorf("without a name: %+v", who)
	}
}
