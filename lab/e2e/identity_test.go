// Package e2e runs the product's binaries against a real Vault and the lab's stand-ins for Wazuh. It knows of the
// product only what an operator does: files, commands, exit codes.
package e2e

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"custom-vault/lab/vault"
)

// TestWhoWasIt has a row for every kind of token and every rung: what somebody did on a real Vault, and who enrich
// says it was, from Vault's own audit record.
func TestWhoWasIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	for _, c := range []struct {
		name  string
		act   func(*testing.T) vault.AuditRecord
		rung  string
		why   string
		state string
		check func(identity) bool
	}{
		{"root", func(t *testing.T) vault.AuditRecord {
			_, err := w.root.List(t.Context(), "sys/policies/acl")
			must(t, err)
			return w.record(t, "raw", "response", "sys/policies/acl/")
		}, "accessor", "", "live", func(id identity) bool {
			return id.Token.DisplayName == "root" && slices.Equal(id.Reach.Powers, []string{"root-equivalent"}) && id.Entity == nil && id.Token.Path == "auth/token/root"
		}},
		{"child root", func(t *testing.T) vault.AuditRecord {
			return w.record(t, "raw", "response", w.read(t, w.admin, "child-root"))
		}, "accessor", "", "live", func(id identity) bool {
			return id.Token.DisplayName == "token-helper" && slices.Equal(id.Policies.All, []string{"root"}) && slices.Equal(id.Reach.Powers, []string{"root-equivalent"})
		}},
		{"service, with entity", func(t *testing.T) vault.AuditRecord {
			return w.record(t, "raw", "response", w.read(t, w.user(t, "bob", "readonly").ClientToken, "with-entity"))
		}, "accessor", "", "live", func(id identity) bool {
			return id.Entity.Confirmed && id.Entity.Aliases[0].Name == "bob" && id.Token.Metadata["username"] == "bob" && id.Token.Path == "auth/userpass/login/bob" &&
				slices.Equal(id.Reach.Powers, []string{"reads all of secret/"}) && slices.Contains(id.Policies.All, "readonly")
		}},
		{"service, without entity", func(t *testing.T) vault.AuditRecord {
			return w.record(t, "raw", "response", w.read(t, w.create(t, w.admin, "auth/token/create", map[string]any{"policies": []string{"readonly"}, "display_name": "job"}).ClientToken, "no-entity"))
		}, "accessor", "", "live", func(id identity) bool {
			return id.Entity == nil && id.Token.DisplayName == "token-job" && !id.Token.Orphan
		}},
		{"orphan", func(t *testing.T) vault.AuditRecord {
			return w.record(t, "raw", "response", w.read(t, w.create(t, w.admin, "auth/token/create-orphan", map[string]any{"policies": []string{"readonly"}}).ClientToken, "orphan"))
		}, "accessor", "", "live", func(id identity) bool { return id.Token.Orphan && id.Entity == nil }},
		{"periodic", func(t *testing.T) vault.AuditRecord {
			return w.record(t, "raw", "response", w.read(t, w.create(t, w.admin, "auth/token/create", map[string]any{"policies": []string{"readonly"}, "period": "1h"}).ClientToken, "periodic"))
		}, "accessor", "", "live", func(id identity) bool { return id.Token.Period == 3600 }},
		{"of a role, bound to loopback", func(t *testing.T) vault.AuditRecord {
			must(t, write(w.root, t, "auth/token/roles/bound", map[string]any{"allowed_policies": "readonly", "token_period": "1h", "token_bound_cidrs": "127.0.0.0/8"}))
			return w.record(t, "raw", "response", w.read(t, w.create(t, w.admin, "auth/token/create/bound", map[string]any{"policies": []string{"readonly"}}).ClientToken, "role"))
		}, "accessor", "", "live", func(id identity) bool {
			// The role's period is not in the answer.
			return id.Token.TTL > 3540 && id.Token.TTL <= 3600 && id.Token.Path == "auth/token/create/bound" && slices.Equal(id.Token.BoundCIDRs, []string{"127.0.0.0/8"})
		}},
		{"use-limited", func(t *testing.T) vault.AuditRecord {
			return w.record(t, "raw", "response", w.read(t, w.create(t, w.admin, "auth/token/create", map[string]any{"policies": []string{"readonly"}, "num_uses": 3}).ClientToken, "uses"))
		}, "accessor", "", "live", func(id identity) bool { return id.Token.UsesLeft == 2 }},
		{"use-limited, used up", func(t *testing.T) vault.AuditRecord {
			return w.record(t, "raw", "response", w.read(t, w.create(t, w.admin, "auth/token/create", map[string]any{"policies": []string{"readonly"}, "num_uses": 1, "display_name": "once"}).ClientToken, "used-up"))
		}, "record", "token is gone", "gone", func(id identity) bool { return id.Token.DisplayName == "token-once" }},
		{"batch, with entity", func(t *testing.T) vault.AuditRecord {
			maker := w.user(t, "carol", "readonly", "maker")
			return w.record(t, "raw", "response", w.read(t, w.create(t, maker.ClientToken, "auth/token/create", map[string]any{"type": "batch", "policies": []string{"readonly"}}).ClientToken, "batch-entity"))
		}, "entity", "record has no accessor", "unknown", func(id identity) bool {
			return id.Entity.Aliases[0].Name == "carol" && id.Token.Type == "batch" && id.Accessor == ""
		}},
		{"batch, without entity", func(t *testing.T) vault.AuditRecord {
			return w.record(t, "raw", "response", w.read(t, w.create(t, w.admin, "auth/token/create", map[string]any{"type": "batch", "policies": []string{"readonly"}, "display_name": "crunch"}).ClientToken, "batch"))
		}, "record", "record has no accessor", "unknown", func(id identity) bool {
			return id.Token.DisplayName == "token-crunch" && slices.Contains(id.Policies.All, "readonly")
		}},
		{"child, carries its maker's entity", func(t *testing.T) vault.AuditRecord {
			maker := w.user(t, "dora", "readonly", "maker")
			child := w.create(t, maker.ClientToken, "auth/token/create", map[string]any{"policies": []string{"readonly"}, "display_name": "innocent", "meta": map[string]any{"owner": "alice"}})
			return w.record(t, "raw", "response", w.read(t, child.ClientToken, "child"))
		}, "accessor", "", "live", func(id identity) bool {
			return id.Entity.Aliases[0].Name == "dora" && id.Token.DisplayName == "token-innocent" && id.Token.Metadata["owner"] == "alice" && id.Token.Path == "auth/token/create"
		}},
		{"wrapping token unwraps", func(t *testing.T) vault.AuditRecord {
			wrapped := w.do(t, w.admin, http.MethodPost, "auth/token/create", map[string]any{"policies": []string{"readonly"}}, "X-Vault-Wrap-TTL", "60s")
			token, _ := wrapped["wrap_info"].(map[string]any)["token"].(string)
			inside := authOf(t, w.do(t, token, http.MethodPost, "sys/wrapping/unwrap", nil))
			w.read(t, inside.ClientToken, "unwrapped")
			return w.record(t, "raw", "response", "sys/wrapping/unwrap")
		}, "record", "token is gone", "gone", func(id identity) bool { return slices.Equal(id.Policies.All, []string{"response-wrapping"}) }},
		{"unwrapped token", func(t *testing.T) vault.AuditRecord { return w.record(t, "raw", "response", "secret/data/unwrapped") },
			"accessor", "", "live", func(id identity) bool { return slices.Contains(id.Policies.All, "readonly") && !id.Token.Orphan }},
		{"revoked", func(t *testing.T) vault.AuditRecord {
			auth := w.user(t, "eve", "readonly")
			path := w.read(t, auth.ClientToken, "revoked")
			must(t, w.root.RevokeAccessor(t.Context(), auth.Accessor))
			return w.record(t, "raw", "response", path)
		}, "entity", "token is gone", "gone", func(id identity) bool {
			return id.Entity.Aliases[0].Name == "eve" && id.Token.DisplayName == "userpass-eve"
		}},
		{"expired", func(t *testing.T) vault.AuditRecord {
			auth := w.create(t, w.admin, "auth/token/create", map[string]any{"policies": []string{"readonly"}, "ttl": "5s", "explicit_max_ttl": "5s", "display_name": "short"})
			path := w.read(t, auth.ClientToken, "expired")
			await(t, "expiry", func() bool {
				_, err := w.root.LookupAccessor(t.Context(), auth.Accessor)
				return vault.StatusOf(err) == http.StatusBadRequest
			})
			return w.record(t, "raw", "response", path)
		}, "record", "token is gone", "gone", func(id identity) bool { return id.Token.DisplayName == "token-short" }},
		{"entity disabled", func(t *testing.T) vault.AuditRecord {
			auth := w.user(t, "frank", "readonly")
			must(t, w.root.DisableEntity(t.Context(), auth.EntityID))
			return w.record(t, "raw", "response", w.read(t, auth.ClientToken, "disabled"))
		}, "accessor", "", "live", func(id identity) bool {
			return id.Entity.Disabled && id.Entity.Aliases[0].Name == "frank" && len(id.Reach.Powers) == 0
		}},
		{"batch, entity disabled: no trace of whose it is, but it is not called invalid", func(t *testing.T) vault.AuditRecord {
			maker := w.user(t, "olga", "readonly", "maker")
			batch := w.create(t, maker.ClientToken, "auth/token/create", map[string]any{"type": "batch", "policies": []string{"readonly"}})
			must(t, w.root.DisableEntity(t.Context(), maker.EntityID))
			return w.record(t, "raw", "response", w.read(t, batch.ClientToken, "batch-disabled"))
		}, "nobody", "record has no accessor", "unknown", nil},
		{"entity deleted", func(t *testing.T) vault.AuditRecord {
			auth := w.user(t, "grace", "readonly")
			path := w.read(t, auth.ClientToken, "deleted")
			w.do(t, w.admin, http.MethodDelete, "identity/entity/id/"+auth.EntityID, nil)
			return w.record(t, "raw", "response", path)
		}, "accessor", "", "live", func(id identity) bool { return id.Entity.Gone && id.Token.DisplayName == "userpass-grace" }},
		{"entity merged", func(t *testing.T) vault.AuditRecord {
			from := w.user(t, "heidi", "readonly")
			into, _ := w.do(t, w.admin, http.MethodPost, "identity/entity", map[string]any{"name": "ivan"})["data"].(map[string]any)
			path := w.read(t, from.ClientToken, "merged")
			must(t, write(w.root, t, "identity/entity/merge", map[string]any{"from_entity_ids": []string{from.EntityID}, "to_entity_id": into["id"]}))
			return w.record(t, "raw", "response", path)
		}, "accessor", "", "live", func(id identity) bool { return id.Entity.Gone && id.Token.Metadata["username"] == "heidi" }},
		{"alias removed", func(t *testing.T) vault.AuditRecord {
			auth := w.user(t, "judy", "readonly")
			path := w.read(t, auth.ClientToken, "alias")
			entity, _ := w.do(t, w.admin, http.MethodGet, "identity/entity/id/"+auth.EntityID, nil)["data"].(map[string]any)
			alias, _ := entity["aliases"].([]any)[0].(map[string]any)
			w.do(t, w.admin, http.MethodDelete, "identity/entity-alias/id/"+alias["id"].(string), nil)
			return w.record(t, "raw", "response", path)
		}, "accessor", "", "live", func(id identity) bool {
			return len(id.Entity.Aliases) == 0 && id.Entity.Confirmed && id.Token.DisplayName == "userpass-judy"
		}},
		{"group, direct and inherited", func(t *testing.T) vault.AuditRecord {
			must(t, w.root.WritePolicy(t.Context(), "sealer", `path "sys/seal" { capabilities = ["update", "sudo"] }`))
			auth := w.user(t, "ken", "readonly")
			ops, _ := w.do(t, w.admin, http.MethodPost, "identity/group", map[string]any{"name": "ops", "member_entity_ids": []string{auth.EntityID}})["data"].(map[string]any)
			must(t, write(w.root, t, "identity/group", map[string]any{"name": "staff", "policies": []string{"sealer"}, "member_group_ids": []any{ops["id"]}}))
			return w.record(t, "raw", "response", w.read(t, auth.ClientToken, "groups"))
		}, "accessor", "", "live", func(id identity) bool {
			return id.Entity.DirectGroups[0].Name == "ops" && id.Entity.InheritedGroups[0].Name == "staff" && slices.Equal(id.Policies.Identity, []string{"sealer"}) &&
				slices.Equal(id.Reach.Powers, []string{"can seal", "reads all of secret/"})
		}},
		{"hashed, not indexed: the entity answers", func(t *testing.T) vault.AuditRecord {
			return w.record(t, "file", "response", w.read(t, w.user(t, "leo", "readonly").ClientToken, "hashed"))
		}, "entity", "accessor is hashed", "unknown", func(id identity) bool {
			return id.Entity.Aliases[0].Name == "leo" && strings.HasPrefix(id.AccessorHash, "hmac-sha256:")
		}},
		{"hashed, without entity: the record answers", func(t *testing.T) vault.AuditRecord {
			return w.record(t, "second", "response", w.read(t, w.admin, "hashed-root"))
		}, "record", "accessor is hashed", "unknown", func(id identity) bool { return slices.Equal(id.Policies.All, []string{"root"}) }},
		{"refused by policy", func(t *testing.T) vault.AuditRecord {
			token := w.user(t, "mia", "readonly").ClientToken
			w.do(t, token, http.MethodPut, "sys/policies/acl/x", map[string]any{"policy": ""})
			return w.record(t, "raw", "response", "sys/policies/acl/x")
		}, "accessor", "", "live", func(id identity) bool { return id.Entity.Aliases[0].Name == "mia" }},
		{"login", func(t *testing.T) vault.AuditRecord {
			w.user(t, "nina", "readonly")
			return w.record(t, "raw", "response", "auth/userpass/login/nina")
		}, "accessor", "", "live", func(id identity) bool { return id.Entity.Aliases[0].Name == "nina" }},
		{"login asked for", func(t *testing.T) vault.AuditRecord { return w.record(t, "raw", "request", "auth/userpass/login/nina") },
			"nobody", "login is under way", "unknown", nil},
		{"failed login", func(t *testing.T) vault.AuditRecord {
			_, err := w.root.Login(t.Context(), "nina", "wrong")
			if vault.StatusOf(err) != http.StatusBadRequest {
				t.Fatal(err)
			}
			return w.record(t, "raw", "response", "auth/userpass/login/nina")
		}, "nobody", "login was refused", "unknown", nil},
		{"failed login, a token sent along", func(t *testing.T) vault.AuditRecord {
			sender := w.user(t, "pia", "readonly")
			w.do(t, sender.ClientToken, http.MethodPost, "auth/userpass/login/nina", map[string]any{"password": "wrong"})
			return w.record(t, "raw", "response", "auth/userpass/login/nina")
		}, "nobody", "login was refused", "unknown", nil},
		{"unauthenticated", func(t *testing.T) vault.AuditRecord {
			return w.record(t, "raw", "response", w.read(t, "", "unauthenticated"))
		}, "nobody", "request carried no token", "unknown", nil},
		{"invalid token", func(t *testing.T) vault.AuditRecord {
			return w.record(t, "raw", "response", w.read(t, "hvs.nonsense", "invalid"))
		}, "nobody", "request carried an invalid token", "unknown", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			id := w.who(t, c.act(t))
			if id.Rung != c.rung || id.Why != c.why || id.Token.State != c.state {
				t.Errorf("rung %q, why %q, token %q; wanted %q, %q, %q: %+v", id.Rung, id.Why, id.Token.State, c.rung, c.why, c.state, id)
			}
			if c.check != nil && !c.check(id) {
				t.Errorf("%+v\nentity %+v\nreach %+v", id, id.Entity, id.Reach)
			}
		})
	}
}

func write(c *vault.Client, t *testing.T, path string, body map[string]any) error {
	t.Helper()
	_, err := c.Write(t.Context(), path, body)
	return err
}

// await waits for something that Vault does in its own time.
func await(t *testing.T, what string, happened func() bool) {
	t.Helper()
	awaitFor(t, 5*time.Minute, what, happened)
}

func awaitFor(t *testing.T, longest time.Duration, what string, happened func() bool) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	limit := time.NewTimer(longest)
	defer limit.Stop()
	for !happened() {
		select {
		case <-tick.C:
		case <-limit.C:
			t.Fatalf("%s did not happen within %v", what, longest)
		}
	}
}

// TestHashedAccessors goes from a hash to its owner, on two devices, over a device that is enabled anew.
func TestHashedAccessors(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "    hash_index: {enabled: true, per_second: 1000}\n")
	auth := w.user(t, "bob", "readonly")
	path := w.read(t, auth.ClientToken, "app")
	first, second := w.record(t, "file", "response", path), w.record(t, "second", "response", path)
	for _, record := range []vault.AuditRecord{first, second} {
		id, code := w.lookup(t, record.Auth.Accessor)
		if code != 0 || id.Rung != "hash" || id.Accessor != auth.Accessor || id.AccessorHash != record.Auth.Accessor || id.Entity.Aliases[0].Name != "bob" {
			t.Errorf("exit code %d: %+v", code, id)
		}
		// The index is kept, so an alert finds it, too.
		if id := w.who(t, record); id.Rung != "hash" || id.Accessor != auth.Accessor || id.Confidence != "confirmed" {
			t.Errorf("%+v", id)
		}
	}
	must(t, w.root.DisableAudit(t.Context(), "file"))
	must(t, w.root.EnableFileAudit(t.Context(), "file", vault.FileAudit{File: w.audit("file"), Prefix: vault.ArticlePrefix}))
	anew := w.record(t, "file", "response", w.read(t, auth.ClientToken, "anew"))
	if anew.Auth.Accessor == first.Auth.Accessor {
		t.Fatal("the device hashes as before")
	}
	if id, code := w.lookup(t, anew.Auth.Accessor); code != 0 || id.Accessor != auth.Accessor {
		t.Errorf("after the device was enabled anew: exit code %d, %+v", code, id)
	}
	if id, code := w.lookup(t, first.Auth.Accessor); code != 4 || id.Accessor != "" {
		t.Errorf("the old hash: exit code %d, %+v", code, id)
	}
	if id := w.who(t, first); id.Rung != "entity" || id.Entity.Aliases[0].Name != "bob" {
		t.Errorf("the old record: %+v", id)
	}
	must(t, w.root.RevokeAccessor(t.Context(), auth.Accessor))
	if _, code := w.lookup(t, second.Auth.Accessor); code != 3 {
		t.Errorf("a revoked token's hash: exit code %d, wanted 3", code)
	}
	for _, device := range []string{"raw", "file", "second"} {
		records, err := vault.ReadAudit(w.audit(device))
		must(t, err)
		for _, record := range records {
			if record.Request.Path == "auth/token/lookup-accessor" && record.Error != "" && !strings.Contains(record.Error, "invalid accessor") {
				t.Errorf("a lookup failed: %s", record.Line)
			}
		}
	}
}

// TestLookupCommand holds the exit codes to a real Vault's refusals.
func TestLookupCommand(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	auth := w.user(t, "bob", "readonly")
	expect := func(key string, wanted int) identity {
		t.Helper()
		id, code := w.lookup(t, key)
		if code != wanted {
			t.Errorf("lookup %s: exit code %d, wanted %d", key, code, wanted)
		}
		return id
	}
	if id := expect(auth.Accessor, 0); id.Rung != "accessor" || id.Entity.ID != auth.EntityID {
		t.Errorf("%+v", id)
	}
	if id := expect(auth.EntityID, 0); id.Rung != "entity" || id.Entity.Aliases[0].Name != "bob" {
		t.Errorf("%+v", id)
	}
	expect("00000000-0000-0000-0000-000000000000", 4)
	expect("hmac-sha256:"+strings.Repeat("0", 64), 4)
	expect("NoSuchAccessor0000000000", 3)
	must(t, w.root.RevokeAccessor(t.Context(), auth.Accessor))
	expect(auth.Accessor, 3)
	bob := w.user(t, "bob", "readonly")
	path := w.read(t, bob.ClientToken, "faults")
	record := w.record(t, "raw", "response", path)

	// A quota: the record answers, in time, and says why.
	must(t, write(w.root, t, "sys/quotas/rate-limit/lookups", map[string]any{"path": "auth/token/", "rate": 1, "interval": "1h"}))
	expect(bob.Accessor, 0) // the first one is allowed
	expect(bob.Accessor, 5)
	if id := w.who(t, record); id.Rung != "entity" || id.Why != "vault rate limit" || id.Token.DisplayName != "userpass-bob" {
		t.Errorf("under a quota: %+v", id)
	}
	w.do(t, w.admin, http.MethodDelete, "sys/quotas/rate-limit/lookups", nil)

	// Our policy is taken away.
	must(t, w.root.WritePolicy(t.Context(), "wazuh-lookup-list", `path "auth/token/lookup-self" { capabilities = ["read"] }`))
	expect(bob.Accessor, 6)
	if id := w.who(t, record); id.Rung != "record" || id.Why != "own token lacks permission" || id.Confidence != "unconfirmed" {
		t.Errorf("without permission: %+v", id)
	}
	// Our token is revoked under us.
	must(t, w.root.RevokeAccessor(t.Context(), w.own.Accessor))
	expect(bob.Accessor, 6)
	if id := w.who(t, record); id.Rung != "record" || id.Why != "own token is invalid" || id.Confidence != "unconfirmed" {
		t.Errorf("with a revoked token: %+v", id)
	}
	// Vault is sealed, and then gone.
	if _, err := w.root.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	expect(bob.Accessor, 5)
	if id := w.who(t, record); id.Rung != "record" || id.Why != "vault sealed" || id.Entity == nil {
		t.Errorf("sealed: %+v", id)
	}
	must(t, w.server.Stop(t.Context()))
	expect(bob.Accessor, 5)
	if id := w.who(t, record); id.Rung != "record" || id.Why != "vault unreachable" {
		t.Errorf("stopped: %+v", id)
	}
}
