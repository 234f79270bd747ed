package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"custom-vault/lab/snippets"
	"custom-vault/lab/vault"
	"custom-vault/lab/vault/vaulttest"

	"github.com/google/go-cmp/cmp"
)

// sealOrder is what execd writes to the program for an order of the manager.
const sealOrder = `{"version":1,"origin":{"name":"node01","module":"wazuh-execd"},"command":"add",` +
	`"parameters":{"extra_args":["plan=%s"],"alert":{},"program":"active-response/bin/vault-seal"}}` + "\n"

// sealHost is a host with a real Vault and the product's vault-seal, whose token is its own.
type sealHost struct {
	vault  *vault.Server
	sealer vault.Auth
	home   string // the agent's
	config string
	audit  string // the file of Vault's only audit device, if there is one
}

// newSealHost starts a Vault of one node with an audit device.
func newSealHost(t testing.TB) *sealHost {
	t.Helper()
	server := vaulttest.StartUnsealed(t, vault.Config{Storage: vault.File})
	audit := filepath.Join(server.Dir(), "audit.log")
	fatalIf(t, server.Root().EnableFileAudit(t.Context(), "file", vault.FileAudit{File: audit, RawAccessors: true}))
	h := hostOf(t, server, sealerOf(t, server))
	h.audit = audit
	return h
}

// sealerOf makes the token that docs and policy ask for: orphan, periodic, with wazuh-seal and nothing else.
func sealerOf(t testing.TB, server *vault.Server) vault.Auth {
	t.Helper()
	policy, err := os.ReadFile("../../ossec-snippets/vault-policies/wazuh-seal.hcl")
	fatalIf(t, err)
	fatalIf(t, server.Root().WritePolicy(t.Context(), "wazuh-seal", string(policy)))
	sealer, err := server.Root().CreateOrphanPeriodicToken(t.Context(), vault.Token{DisplayName: "sealer", Policies: []string{"wazuh-seal"}, Period: time.Hour})
	fatalIf(t, err)
	return sealer
}

func hostOf(t testing.TB, server *vault.Server, sealer vault.Auth) *sealHost {
	t.Helper()
	h := &sealHost{vault: server, sealer: sealer, home: t.TempDir()}
	fatalIf(t, sealer.WriteTokenFile(filepath.Join(h.home, "token")))
	fatalIf(t, os.Mkdir(filepath.Join(h.home, "logs"), 0o750))
	h.configure(t, "5s")
	return h
}

func (h *sealHost) configure(t testing.TB, timeout string) {
	t.Helper()
	h.config = filepath.Join(h.home, "vault-seal.yml")
	text := fmt.Sprintf("nodes: [{name: vault-1, address: %q}]\nca_file: %s\ntoken_file: %s\ntimeout: %s\n",
		h.vault.Address(), h.vault.CAFile(), filepath.Join(h.home, "token"), timeout)
	fatalIf(t, os.WriteFile(h.config, []byte(text), 0o600))
}

// order runs vault-seal for a plan and gives its exit code.
func (h *sealHost) order(t *testing.T, plan string) int {
	t.Helper()
	code, err := h.run(t.Context(), vaultSealBinary(t), plan)
	fatalIf(t, err)
	return code
}

// run runs the program as execd does, with stdin open until it has ended.
func (h *sealHost) run(ctx context.Context, program, plan string) (exitCode int, err error) {
	childIn, stdin, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	defer stdin.Close()
	var stdout bytes.Buffer
	cmd := exec.CommandContext(ctx, program, "-config", h.config)
	cmd.Dir, cmd.Env, cmd.Stdin, cmd.Stdout = h.home, []string{"PATH=/usr/bin:/bin"}, childIn, &stdout
	if err := errors.Join(cmd.Start(), childIn.Close()); err != nil {
		return 0, err
	}
	_, err = fmt.Fprintf(stdin, sealOrder, plan)
	if err := errors.Join(err, endedByItself(cmd.Wait())); err != nil {
		return 0, err
	}
	if stdout.Len() > 0 {
		return 0, fmt.Errorf("vault-seal printed on stdout, which execd takes for a key message: %q", stdout.String())
	}
	return cmd.ProcessState.ExitCode(), nil
}

// endedByItself makes an exit code no error.
func endedByItself(err error) error {
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.Exited() {
		return nil
	}
	return err
}

// wantReport wants the report's last line to be of that level, with that text, for that plan, and Wazuh to make of it,
// with the decoders and rules that are installed on the manager, what it says.
func (h *sealHost) wantReport(t *testing.T, level, text, plan string) {
	t.Helper()
	report, err := os.ReadFile(filepath.Join(h.home, "logs/active-responses.log"))
	fatalIf(t, err)
	if strings.Contains(string(report), h.sealer.ClientToken) {
		t.Error("the report tells the token")
	}
	lines := strings.Split(strings.TrimSuffix(string(report), "\n"), "\n")
	last := lines[len(lines)-1]
	manager, err := snippets.NewManager(os.DirFS("../../ossec-snippets"))
	fatalIf(t, err)
	verdict, err := manager.Session().Judge(last, time.Now())
	fatalIf(t, err)
	message, _ := verdict.Fields["vault_seal_message"].(string)
	got := []any{verdict.Rule, verdict.Decoder, verdict.Fields["vault_seal_level"], verdict.Fields["vault_seal_plan"], verdict.Fields["vault_seal_node"]}
	rule := map[string]int{"SUCCESS": 100621, "ERROR": 100622, "INFO": 100623}[level]
	if diff := cmp.Diff([]any{rule, "vault-seal", level, plan, "vault-1"}, got); diff != "" || !strings.Contains(message, text) {
		t.Errorf("of %q Wazuh makes (-want +got), and the message should have %q:\n%s", last, text, diff)
	}
}

// vaultSealBinary is the product's, as `make build` leaves it.
func vaultSealBinary(t testing.TB) string {
	t.Helper()
	path, err := filepath.Abs("../../build/bin/vault-seal")
	fatalIf(t, err)
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("the product is not built, run make build: %v", err)
	}
	return path
}

func fatalIf(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// blockAudit makes Vault fail to reopen the file of its only audit device, because a folder has its name.
func (h *sealHost) blockAudit(t *testing.T) {
	t.Helper()
	fatalIf(t, os.Rename(h.audit, h.audit+".1"))
	fatalIf(t, os.Mkdir(h.audit, 0o700))
	fatalIf(t, h.vault.Signal(syscall.SIGHUP))
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		if _, err := h.vault.Root().Read(t.Context(), "sys/mounts"); vault.StatusOf(err) == 500 {
			return
		}
		select {
		case <-again.C:
		case <-t.Context().Done():
			t.Fatal("the audit device goes on working")
		}
	}
}

func (h *sealHost) wantSealed(t testing.TB, want bool) {
	t.Helper()
	status, err := h.vault.SealStatus(t.Context())
	fatalIf(t, err)
	if status.Sealed != want {
		t.Errorf("sealed: %v, want %v", status.Sealed, want)
	}
}

func TestVaultSealSealsARealVault(t *testing.T) {
	t.Parallel()
	h := newSealHost(t)
	if code := h.order(t, "plan-1"); code != 0 {
		t.Errorf("exit code %d", code)
	}
	h.wantSealed(t, true)
	h.wantReport(t, "SUCCESS", "sealed", "plan-1")

	records, err := vault.ReadAudit(h.audit)
	fatalIf(t, err)
	var seals []vault.AuditRecord
	for _, r := range records {
		if r.Request.Path == "sys/seal" {
			seals = append(seals, r)
		}
	}
	if len(seals) != 1 || seals[0].Auth.Accessor != h.sealer.Accessor {
		t.Errorf("requests to seal in the audit file: %+v; want one, of accessor %s", seals, h.sealer.Accessor)
	}

	if code := h.order(t, "plan-2"); code != 0 {
		t.Errorf("second order: exit code %d", code)
	}
	h.wantReport(t, "INFO", "already sealed", "plan-2")

	fatalIf(t, h.vault.Unseal(t.Context()))
	if code := h.order(t, "plan-3"); code != 0 { // the sealer's token has outlived the seal
		t.Errorf("order after the unseal: exit code %d", code)
	}
	h.wantSealed(t, true)
	h.wantReport(t, "SUCCESS", "sealed", "plan-3")
}

func TestVaultSealWithARevokedToken(t *testing.T) {
	t.Parallel()
	h := newSealHost(t)
	fatalIf(t, h.vault.Root().RevokeAccessor(t.Context(), h.sealer.Accessor))
	if code := h.order(t, "plan-1"); code != 1 {
		t.Errorf("exit code %d", code)
	}
	h.wantSealed(t, false)
	h.wantReport(t, "ERROR", "token is not valid", "plan-1")
}

func TestVaultSealWithATokenThatMayNotSeal(t *testing.T) {
	t.Parallel()
	h := newSealHost(t)
	// The capability alone is not enough: Vault wants sudo as well.
	fatalIf(t, h.vault.Root().WritePolicy(t.Context(), "wazuh-seal", `path "sys/seal" { capabilities = ["update"] }`))
	if code := h.order(t, "plan-1"); code != 1 {
		t.Errorf("exit code %d", code)
	}
	h.wantSealed(t, false)
	h.wantReport(t, "ERROR", "may not seal", "plan-1")
}

func TestVaultSealWhereTheOnlyAuditDeviceIsBlocked(t *testing.T) {
	t.Parallel()
	h := newSealHost(t)
	h.blockAudit(t)
	h.configure(t, "1s")
	if code := h.order(t, "plan-1"); code != 1 {
		t.Errorf("exit code %d", code)
	}
	h.wantSealed(t, false)
	h.wantReport(t, "ERROR", "audit device is blocked", "plan-1")
}

func TestVaultSealOfAVaultThatIsStopped(t *testing.T) {
	t.Parallel()
	h := newSealHost(t)
	fatalIf(t, h.vault.Stop(t.Context()))
	h.configure(t, "1s")
	if code := h.order(t, "plan-1"); code != 1 {
		t.Errorf("exit code %d", code)
	}
	h.wantReport(t, "ERROR", "unreachable, is it stopped?", "plan-1")
}

// In a raft cluster of three the leadership moves on when the active node is sealed, until no quorum is left: the third
// node is a standby for good, which Vault refuses to seal. It serves nothing, and yet is not sealed; its agent says so.
func TestVaultSealOnEachNodeOfACluster(t *testing.T) {
	t.Parallel()
	binary, err := vault.Binary()
	fatalIf(t, err)
	cluster, err := vault.StartCluster(t.Context(), 3, vault.Config{Binary: binary, Dir: t.TempDir()})
	fatalIf(t, err)
	t.Cleanup(cluster.Kill)
	fatalIf(t, cluster.WaitVoters(t.Context()))
	sealer := sealerOf(t, cluster.Nodes[0])

	codes, failures := make([]int, len(cluster.Nodes)), make([]error, len(cluster.Nodes))
	hosts := make([]*sealHost, len(cluster.Nodes))
	for i, node := range cluster.Nodes {
		hosts[i] = hostOf(t, node, sealer)
	}
	program := vaultSealBinary(t)
	var agents sync.WaitGroup
	for i, h := range hosts {
		agents.Go(func() { codes[i], failures[i] = h.run(t.Context(), program, "plan-1") })
	}
	agents.Wait()
	fatalIf(t, errors.Join(failures...))

	var sealed, left int
	for i, h := range hosts {
		if codes[i] == 0 {
			sealed++
			h.wantSealed(t, true)
			h.wantReport(t, "SUCCESS", "sealed", "plan-1")
			continue
		}
		left++
		h.wantSealed(t, false)
		h.wantReport(t, "ERROR", "it is a standby, which cannot be sealed", "plan-1")
		fatalIf(t, h.vault.Restart(t.Context())) // as the report says
		h.wantSealed(t, true)
		if code := h.order(t, "plan-2"); code != 0 {
			t.Errorf("after the restart: exit code %d", code)
		}
		h.wantReport(t, "INFO", "already sealed", "plan-2")
	}
	if sealed != 2 || left != 1 {
		t.Errorf("exit codes %v: want two nodes sealed and one left", codes)
	}
}
