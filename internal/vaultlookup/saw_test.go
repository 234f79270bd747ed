package vaultlookup

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"custom-vault/internal/alert"
)

func TestRecordsForgetWhatTheyMakeUntrue(t *testing.T) {
	t.Parallel()
	done := func(operation, path string) *alert.Record {
		return &alert.Record{Type: "response", Operation: operation, Path: path, HasAuth: true, Auth: alert.Auth{Accessor: bob, Judged: true, Allowed: true, Policies: []string{"x"}}}
	}
	refused := done("update", "sys/policies/acl/x")
	refused.Auth.Allowed = false
	asked := done("update", "sys/policies/acl/x")
	asked.Type = "request"
	failed := done("update", "sys/policies/acl/x")
	failed.Error = "internal error"
	for _, c := range []struct {
		name   string
		record *alert.Record
		again  bool // bob's token is asked for again
	}{
		{"a policy is written", done("update", "sys/policies/acl/readonly"), true},
		{"a policy is deleted", done("delete", "sys/policy/readonly"), true},
		{"some token is revoked", done("update", "auth/token/revoke-accessor"), true},
		{"bob's token revokes itself", done("update", "auth/token/revoke-self"), true},
		{"leases are revoked", done("update", "sys/leases/revoke-prefix/auth/userpass/login/bob"), true},
		{"an auth method is disabled", done("delete", "sys/auth/userpass"), true},
		{"bob's entity is changed", done("update", "identity/entity/id/"+bobEntity), true},
		{"another entity is changed", done("update", "identity/entity/id/other"), false},
		{"entities are merged", done("update", "identity/entity/merge"), true},
		{"a group is changed", done("update", "identity/group/id/g-ops"), true},
		{"an alias is removed", done("delete", "identity/entity-alias/id/x"), true},
		{"a policy is read", done("read", "sys/policies/acl/readonly"), false},
		{"entities are listed", done("list", "identity/entity/id/"), false},
		{"a secret is written", done("update", "secret/data/auth/token/revoke"), false},
		{"a token is renewed", done("update", "auth/token/renew-self"), false},
		{"a change is refused", refused, false},
		{"a change is asked for", asked, false},
		{"a change fails", failed, false},
		{"no record", nil, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			fake := start(t)
			bobs(fake)
			r := resolver(t, nil, fake)
			r.Resolve(context.Background(), read(bob, bobEntity))
			r.Saw(c.record)
			r.Resolve(context.Background(), read(bob, bobEntity))
			if again := fake.Count("auth/token/lookup-accessor") == 2; again != c.again {
				t.Errorf("asked again: %v", again)
			}
		})
	}
}

func TestManyRevocationsDoNotHaveEveryAlertLookedUp(t *testing.T) {
	t.Parallel()
	var clock atomic.Int64
	clock.Store(time.Now().UnixNano())
	fake := start(t)
	bobs(fake)
	r := resolver(t, func(o *Options) { o.Now = func() time.Time { return time.Unix(0, clock.Load()) } }, fake)
	revoked := &alert.Record{Type: "response", Operation: "update", Path: "auth/token/revoke", HasAuth: true, Auth: alert.Auth{Accessor: "nomad", Judged: true, Allowed: true}}
	for range 100 {
		r.Saw(revoked)
		r.Resolve(context.Background(), read(bob, bobEntity))
	}
	if n := fake.Count("auth/token/lookup-accessor"); n != 1 {
		t.Errorf("%d lookups for 100 alerts among 100 revocations", n)
	}
	clock.Add(int64(flushEvery))
	r.Resolve(context.Background(), read(bob, bobEntity))
	if n := fake.Count("auth/token/lookup-accessor"); n != 2 {
		t.Errorf("%d lookups: what was revoked meanwhile is believed for ever", n)
	}
}
