package snippets

import (
	"bufio"
	"context"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"custom-vault/lab/vault"
	"custom-vault/lab/vault/vaulttest"
)

// call is one request to a Vault.
type call struct {
	method, path string
	body         any
}

// What a Vault writes today is what the rules were written for. Each act leads to its rule.
func TestRulesOnALivingVault(t *testing.T) {
	t.Parallel()
	server := vaulttest.StartUnsealed(t, vault.Config{})
	root := server.Root()
	ctx := t.Context()
	must(t, root.EnableFileAudit(ctx, "file", vault.FileAudit{File: "audit.log", RawAccessors: true, Prefix: vault.ArticlePrefix, ElideListResponses: true}))
	must(t, root.WritePolicy(ctx, "admin", `path "*" { capabilities = ["create", "read", "update", "delete", "list", "sudo"] }`))
	must(t, root.EnableUserpass(ctx))
	must(t, root.CreateUser(ctx, "alice", "training", "admin"))
	must(t, root.EnableKV2(ctx, "secret"))
	alice, err := root.Login(ctx, "alice", "training")
	must(t, err)
	admin := server.Client(alice.ClientToken)
	acts := []struct {
		call
		rule int
	}{
		{call{http.MethodPost, "secret/data/app", map[string]any{"data": map[string]string{"k": "v"}}}, 100870},
		{call{http.MethodGet, "secret/data/app", nil}, 100612},
		{call{http.MethodPut, "sys/audit/second", map[string]any{"type": "file", "options": map[string]string{"file_path": "second.log"}}}, 100702},
		{call{http.MethodDelete, "sys/audit/second", nil}, 100700},
		{call{http.MethodPost, "sys/mounts/secret/tune", map[string]any{"audit_non_hmac_request_keys": []string{"k"}}}, 100705},
		{call{http.MethodPost, "sys/loggers", map[string]any{"level": "error"}}, 100710},
		{call{http.MethodPost, "sys/rotate", nil}, 100752},
		{call{http.MethodPut, "sys/policies/acl/team", map[string]any{"policy": `path "x" { capabilities = ["read"] }`}}, 100760},
		{call{http.MethodPost, "sys/auth/approle", map[string]any{"type": "approle"}}, 100763},
		{call{http.MethodPost, "auth/token/create-orphan", map[string]any{"ttl": "1h"}}, 100770},
		{call{http.MethodGet, "secret/data/vault-canary", nil}, 100800},
		{call{http.MethodPost, "secret/destroy/app", map[string]any{"versions": []int{1}}}, 100830},
		{call{http.MethodPost, "secret/config", map[string]any{"delete_version_after": "72h"}}, 100835},
		{call{http.MethodDelete, "sys/auth/approle", nil}, 100764},
		{call{http.MethodGet, "sys/host-info", nil}, 100853},
		{call{http.MethodPut, "sys/seal", nil}, 100744},
	}
	want := make([]int, 0, len(acts))
	for _, a := range acts {
		_, err := admin.Do(ctx, a.method, a.path, a.body)
		must(t, err)
		want = append(want, a.rule)
	}
	fired := rulesOf(t, filepath.Join(server.Dir(), "audit.log"))
	for _, rule := range want {
		if !slices.Contains(fired, rule) {
			t.Errorf("rule %d did not fire", rule)
		}
	}
}

// rulesOf are the rules that the lines of a file lead to.
func rulesOf(t *testing.T, file string) []int {
	t.Helper()
	f, err := os.Open(file)
	must(t, err)
	defer f.Close()
	session := managerOf(t, packDir).Session()
	var out []int
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		v, err := session.Judge(lines.Text(), timeOf(lines.Text(), noon))
		must(t, err)
		out = append(out, v.Rule)
	}
	must(t, lines.Err())
	return out
}

// The policies permit what their token has to do, and nothing that would make it worth stealing.
func TestVaultPoliciesOnALivingVault(t *testing.T) {
	t.Parallel()
	server := vaulttest.StartUnsealed(t, vault.Config{})
	root := server.Root()
	ctx := t.Context()
	must(t, root.EnableFileAudit(ctx, "file", vault.FileAudit{File: "audit.log"}))
	must(t, root.EnableUserpass(ctx))
	must(t, root.CreateUser(ctx, "bob", "training", "default"))
	must(t, root.EnableKV2(ctx, "secret"))
	bob, err := root.Login(ctx, "bob", "training")
	must(t, err)
	accessor := map[string]string{"accessor": bob.Accessor}
	var (
		lookup = call{http.MethodPost, "auth/token/lookup-accessor", accessor}
		hash   = call{http.MethodPost, "sys/audit-hash/file", map[string]string{"input": "x"}}
		entity = call{http.MethodGet, "identity/entity/id/" + bob.EntityID, nil}
		policy = call{http.MethodGet, "sys/policies/acl/default", nil}
		able   = call{http.MethodPost, "sys/capabilities-accessor", map[string]any{"accessor": bob.Accessor, "paths": []string{"secret/data/x"}}}
		self   = call{http.MethodGet, "auth/token/lookup-self", nil}
		renew  = call{http.MethodPost, "auth/token/renew-self", nil}
		list   = call{"LIST", "auth/token/accessors", nil}
		seal   = call{http.MethodPut, "sys/seal", nil}
		revoke = call{http.MethodPost, "auth/token/revoke-accessor", accessor}
		read   = call{http.MethodGet, "secret/data/x", nil}
		write  = call{http.MethodPut, "sys/policies/acl/x", map[string]string{"policy": ""}}
		audit  = call{http.MethodGet, "sys/audit", nil}
		change = call{http.MethodPost, "identity/entity/id/" + bob.EntityID, map[string]any{"disabled": true}}
	)
	looking := []call{lookup, hash, entity, policy, able, self, renew}
	for _, test := range []struct {
		policy          string
		allowed, denied []call
	}{
		{"wazuh-lookup", looking, []call{list, revoke, read, write, audit, change, seal}},
		{"wazuh-lookup-list", append(slices.Clone(looking), list), []call{revoke, read, write, audit, change, seal}},
		{"wazuh-seal", []call{self, renew, seal}, []call{lookup, hash, entity, policy, able, list, revoke, read, write, audit, change}}, // last: it seals
	} {
		client := server.Client(tokenOf(ctx, t, root, test.policy))
		for _, c := range test.denied {
			wantStatus(ctx, t, client, test.policy, c, true)
		}
		for _, c := range test.allowed {
			wantStatus(ctx, t, client, test.policy, c, false)
		}
	}
}

// tokenOf makes a token with a policy of the pack, as the policy's file says.
func tokenOf(ctx context.Context, t *testing.T, root *vault.Client, policy string) string {
	t.Helper()
	hcl, err := os.ReadFile(filepath.Join(packDir, "vault-policies", policy+".hcl"))
	must(t, err)
	must(t, root.WritePolicy(ctx, policy, string(hcl)))
	auth, err := root.CreateOrphanPeriodicToken(ctx, vault.Token{Policies: []string{policy}, Period: 24 * time.Hour})
	must(t, err)
	return auth.ClientToken
}

func wantStatus(ctx context.Context, t *testing.T, client *vault.Client, policy string, c call, denied bool) {
	t.Helper()
	answer, err := client.Do(ctx, c.method, c.path, c.body)
	must(t, err)
	if got := answer.Status == http.StatusForbidden; got != denied {
		t.Errorf("%s: %s %s answered %d, denied should be %t", policy, c.method, c.path, answer.Status, denied)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
