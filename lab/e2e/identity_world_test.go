package e2e

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"custom-vault/lab/vault"
	"custom-vault/lab/vault/vaulttest"
)

// identity is what `enrich lookup --json` and `enrich alert --json` say of somebody, as their documentation has it.
type identity struct {
	Rung         string `json:"rung"`
	Confidence   string `json:"confidence"`
	Why          string `json:"why"`
	Accessor     string `json:"accessor"`
	AccessorHash string `json:"accessor_hash"`
	Token        struct {
		Type        string            `json:"type"`
		DisplayName string            `json:"display_name"`
		Path        string            `json:"path"`
		Period      int64             `json:"period_s"`
		TTL         int64             `json:"ttl_s"`
		Orphan      bool              `json:"orphan"`
		UsesLeft    int               `json:"uses_left"`
		BoundCIDRs  []string          `json:"bound_cidrs"`
		Metadata    map[string]string `json:"metadata"`
		State       string            `json:"state"`
	} `json:"token"`
	Entity *struct {
		ID              string  `json:"id"`
		Name            string  `json:"name"`
		Aliases         []named `json:"aliases"`
		DirectGroups    []named `json:"direct_groups"`
		InheritedGroups []named `json:"inherited_groups"`
		Disabled        bool    `json:"disabled"`
		Gone            bool    `json:"gone"`
		Confirmed       bool    `json:"confirmed"`
	} `json:"entity"`
	Policies struct {
		Token    []string `json:"token"`
		Identity []string `json:"identity"`
		All      []string `json:"all"`
	} `json:"policies"`
	Reach *struct {
		Powers []string `json:"powers"`
	} `json:"reach"`
}

type named struct {
	Name string `json:"name"`
}

// world is a real Vault with three audit devices, one raw and two that hash, and an enrich that may ask it.
type world struct {
	server *vault.Server
	root   *vault.Client
	http   *http.Client
	dir    string
	enrich string
	config string
	own    vault.Auth
	admin  string // a token of policy root
}

// newWorld starts it; extra lines go into the cluster's configuration.
func newWorld(t *testing.T, extra string) *world {
	t.Helper()
	w := &world{server: vaulttest.StartUnsealed(t, vault.Config{}), dir: t.TempDir()}
	w.root = w.server.Root()
	w.enrich = binary(t, "enrich")
	pem, err := os.ReadFile(w.server.CAFile())
	must(t, err)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}
	t.Cleanup(transport.CloseIdleConnections)
	w.http = &http.Client{Transport: transport, Timeout: 2 * time.Minute}
	ctx := t.Context()
	must(t, w.root.EnableKV2(ctx, "secret"))
	must(t, w.root.EnableUserpass(ctx))
	for _, policy := range []string{"wazuh-lookup", "wazuh-lookup-list"} {
		hcl, err := os.ReadFile(filepath.Join(repository(t), "ossec-snippets/vault-policies", policy+".hcl"))
		must(t, err)
		must(t, w.root.WritePolicy(ctx, policy, string(hcl)))
	}
	must(t, w.root.WritePolicy(ctx, "readonly", `path "secret/data/*" { capabilities = ["read"] }`))
	must(t, w.root.WritePolicy(ctx, "maker", `path "auth/token/create" { capabilities = ["update"] }
path "auth/token/revoke-self" { capabilities = ["update"] }`))
	must(t, w.root.EnableFileAudit(ctx, "raw", vault.FileAudit{File: w.audit("raw"), RawAccessors: true, Prefix: vault.ArticlePrefix}))
	must(t, w.root.EnableFileAudit(ctx, "file", vault.FileAudit{File: w.audit("file"), Prefix: vault.ArticlePrefix}))
	must(t, w.root.EnableFileAudit(ctx, "second", vault.FileAudit{File: w.audit("second"), Prefix: vault.ArticlePrefix}))
	w.own, err = w.root.CreateOrphanPeriodicToken(ctx, vault.Token{DisplayName: "custom-vault", Policies: []string{"wazuh-lookup-list"}, Period: time.Hour})
	must(t, err)
	must(t, w.own.WriteTokenFile(filepath.Join(w.dir, "token")))
	w.admin = w.rootToken(t)
	w.configure(t, extra)
	return w
}

func (w *world) audit(device string) string { return filepath.Join(w.server.Dir(), device+".log") }

func (w *world) configure(t *testing.T, extra string) {
	t.Helper()
	w.config = filepath.Join(w.dir, "config.yml")
	store := filepath.Join(w.dir, "store")
	must(t, os.MkdirAll(store, 0o700))
	must(t, os.WriteFile(w.config, []byte(fmt.Sprintf(`wazuh: {home: %q}
clusters:
  - name: main
    ca_file: %q
    token_file: %q
    nodes: [{name: n1, address: %q, agent: "001"}]
    audit_devices: [{name: raw/}, {name: file/, hashed: true}, {name: second/, hashed: true}]
    secret_mounts: [secret/]
%s
lookup: {timeout: 20s}
store: {dir: %q}
publish: {what: all}
log: {file: ""}
`, w.dir, w.server.CAFile(), filepath.Join(w.dir, "token"), w.server.Address(), extra, store)), 0o600))
}

// do sends one request and gives its answer's whole body. It does not fail for Vault's refusals.
func (w *world) do(t *testing.T, token, method, path string, body map[string]any, headers ...string) map[string]any {
	t.Helper()
	content, err := json.Marshal(body)
	must(t, err)
	request, err := http.NewRequestWithContext(t.Context(), method, w.server.Address()+"/v1/"+path, bytes.NewReader(content))
	must(t, err)
	if token != "" {
		request.Header.Set("X-Vault-Token", token)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	answer, err := w.http.Do(request)
	must(t, err)
	defer answer.Body.Close()
	all, err := io.ReadAll(answer.Body)
	must(t, err)
	out := map[string]any{}
	if len(all) > 0 {
		must(t, json.Unmarshal(all, &out))
	}
	return out
}

// rootToken makes a token of policy root, because the server keeps its first one to itself.
func (w *world) rootToken(t *testing.T) string {
	t.Helper()
	answer, err := w.root.Do(t.Context(), http.MethodPost, "auth/token/create", map[string]any{"policies": []string{"root"}, "display_name": "helper"})
	must(t, err)
	body := map[string]any{}
	must(t, json.Unmarshal(answer.Body, &body))
	return authOf(t, body).ClientToken
}

// create makes a token as somebody.
func (w *world) create(t *testing.T, maker, path string, body map[string]any) vault.Auth {
	t.Helper()
	return authOf(t, w.do(t, maker, http.MethodPost, path, body))
}

func authOf(t *testing.T, answer map[string]any) vault.Auth {
	t.Helper()
	content, err := json.Marshal(answer["auth"])
	must(t, err)
	var auth vault.Auth
	must(t, json.Unmarshal(content, &auth))
	if auth.ClientToken == "" {
		t.Fatalf("no token in %v", answer)
	}
	return auth
}

// user makes a userpass user and logs them in.
func (w *world) user(t *testing.T, name string, policies ...string) vault.Auth {
	t.Helper()
	must(t, w.root.CreateUser(t.Context(), name, "pass-"+name, policies...))
	auth, err := w.root.Login(t.Context(), name, "pass-"+name)
	must(t, err)
	return auth
}

// read reads a secret, that need not exist, and gives the path that its records carry.
func (w *world) read(t *testing.T, token, name string) string {
	t.Helper()
	w.do(t, token, http.MethodGet, "secret/data/"+name, nil)
	return "secret/data/" + name
}

// record finds the last record of a kind for a path in a device's file.
func (w *world) record(t *testing.T, device, kind, path string) vault.AuditRecord {
	t.Helper()
	records, err := vault.ReadAudit(w.audit(device))
	must(t, err)
	for i := len(records) - 1; i >= 0; i-- {
		if records[i].Type == kind && records[i].Request.Path == path {
			return records[i]
		}
	}
	t.Fatalf("device %s has no %s record of %s", device, kind, path)
	return vault.AuditRecord{}
}

// who asks enrich who is behind a record, as an alert of analysisd.
func (w *world) who(t *testing.T, record vault.AuditRecord) identity {
	t.Helper()
	line, err := json.Marshal(map[string]any{
		"timestamp": time.Now().Format("2006-01-02T15:04:05.000-0700"), "id": fmt.Sprintf("%d.1", time.Now().UnixNano()),
		"rule":  map[string]any{"level": 3, "description": "Vault: request", "id": "100601", "firedtimes": 1, "groups": []string{"vault"}},
		"agent": map[string]any{"id": "001", "name": "vault-1"}, "manager": map[string]any{"name": "wazuh"},
		"full_log": string(record.Line), "decoder": map[string]any{"name": "vault-audit"}, "data": map[string]any{"type": record.Type},
		"location": "/var/log/vault/audit.log",
	})
	must(t, err)
	file := filepath.Join(t.TempDir(), "alert")
	must(t, os.WriteFile(file, append(line, '\n'), 0o600))
	out, code := w.run(t, "alert", file, "--dry-run", "--json")
	if code != 0 {
		t.Fatalf("enrich alert: exit code %d: %s", code, out)
	}
	var shown struct {
		Identity identity `json:"identity"`
	}
	must(t, json.Unmarshal([]byte(out), &shown))
	return shown.Identity
}

// lookup asks enrich for a key.
func (w *world) lookup(t *testing.T, key string) (identity, int) {
	t.Helper()
	out, code := w.run(t, "lookup", key, "--json")
	var id identity
	if strings.HasPrefix(out, "{") {
		must(t, json.Unmarshal([]byte(out), &id))
	}
	return id, code
}

// run runs enrich in an environment that must not matter.
func (w *world) run(t *testing.T, args ...string) (stdout string, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, w.enrich, append(args, "--config", w.config)...)
	command.Env = []string{"VAULT_ADDR=https://127.0.0.1:1", "VAULT_TOKEN=hvs.hostile", "VAULT_SKIP_VERIFY=banana", "VAULT_WRAP_TTL=60s", "HTTPS_PROXY=http://127.0.0.1:1"}
	var out, errs bytes.Buffer
	command.Stdout, command.Stderr = &out, &errs
	err := command.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	for _, text := range []string{out.String(), errs.String()} {
		if strings.Contains(text, w.own.ClientToken) {
			t.Errorf("enrich %v prints its token: %s", args, text)
		}
	}
	if errs.Len() > 0 {
		t.Logf("enrich %s: %s", args[0], errs.String())
	}
	return out.String(), command.ProcessState.ExitCode()
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func repository(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	must(t, err)
	for ; dir != "/"; dir = filepath.Dir(dir) {
		mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && bytes.HasPrefix(mod, []byte("module custom-vault\n")) {
			return dir
		}
	}
	t.Fatal("the tests do not run inside the repository")
	return ""
}

// binary finds one of the product's binaries, which `make build` makes.
func binary(t *testing.T, name string) string {
	t.Helper()
	path := filepath.Join(repository(t), "build/bin", name)
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%v: run make build", err)
	}
	return path
}
