package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"custom-vault/lab/vault"
)

// TestIdentityOutlivesFailover asks a raft cluster of three while its nodes are sealed one after the other.
func TestIdentityOutlivesFailover(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
	defer cancel()
	program, err := vault.Binary()
	must(t, err)
	cluster, err := vault.StartCluster(ctx, 3, vault.Config{Binary: program, Dir: t.TempDir()})
	must(t, err)
	t.Cleanup(cluster.Kill)
	root := cluster.Nodes[0].Root()
	hcl, err := os.ReadFile(filepath.Join(repository(t), "ossec-snippets/vault-policies/wazuh-lookup.hcl"))
	must(t, err)
	must(t, root.WritePolicy(ctx, "wazuh-lookup", string(hcl)))
	must(t, root.EnableUserpass(ctx))
	must(t, root.CreateUser(ctx, "bob", "pass", "default"))
	bob, err := root.Login(ctx, "bob", "pass")
	must(t, err)
	w := &world{dir: t.TempDir(), enrich: binary(t, "enrich")}
	w.own, err = root.CreateOrphanPeriodicToken(ctx, vault.Token{DisplayName: "custom-vault", Policies: []string{"wazuh-lookup"}, Period: time.Hour})
	must(t, err)
	must(t, w.own.WriteTokenFile(filepath.Join(w.dir, "token")))
	nodes := ""
	for i, node := range cluster.Nodes {
		nodes += fmt.Sprintf("      - {name: n%d, address: %q, agent: \"00%d\"}\n", i+1, node.Address(), i+1)
	}
	w.config = filepath.Join(w.dir, "config.yml")
	must(t, os.WriteFile(w.config, []byte(fmt.Sprintf(`clusters:
  - name: main
    ca_file: %q
    token_file: %q
    nodes:
%slookup: {timeout: 20s}
`, cluster.Nodes[0].CAFile(), filepath.Join(w.dir, "token"), nodes)), 0o600))

	asks := func(state string) {
		t.Helper()
		if id, code := w.lookup(t, bob.Accessor); code != 0 || id.Rung != "accessor" || id.Entity.Aliases[0].Name != "bob" {
			t.Errorf("%s: exit code %d, %+v", state, code, id)
		}
	}
	asks("all three")
	must(t, cluster.WaitVoters(ctx))
	active, err := cluster.WaitActive(ctx)
	must(t, err)
	if _, err := active.Root().Seal(ctx); err != nil {
		t.Fatal(err)
	}
	active, err = cluster.WaitActive(ctx)
	must(t, err)
	asks("one is sealed")
	if _, err := active.Root().Seal(ctx); err != nil {
		t.Fatal(err)
	}
	// The third is a standby without a quorum: it redirects to the sealed one, for ever.
	if id, code := w.lookup(t, bob.Accessor); code != 5 {
		t.Errorf("two are sealed: exit code %d, %+v", code, id)
	}
}
