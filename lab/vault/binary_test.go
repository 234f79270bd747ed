package vault_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"custom-vault/lab/vault"
	"custom-vault/lab/vault/vaulttest"
)

func TestVaultserverRefusesOptionsThatContradictEachOther(t *testing.T) {
	t.Parallel()
	binary, err := vault.Binary()
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct{ args, says string }{
		"certificate without key": {"-tls-cert c.pem", "-tls-cert and -tls-key"},
		"file without folder":     {"-storage file", "-storage file needs -dir"},
		"folder without file":     {"-dir d", "-dir needs -storage"},
		"raft without name":       {"-storage raft -dir d -cluster-listen 127.0.0.1:1", "-node-id and -cluster-listen"},
		"name without raft":       {"-node-id n1", "-node-id and -cluster-listen"},
		"unknown storage":         {"-storage consul", `"consul" is none of`},
		"unknown level":           {"-log-level loud", `"loud" is none of`},
		"not a network":           {"-trust-forwarded-from nowhere", "-trust-forwarded-from"},
		"argument":                {"server", `unexpected argument "server"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), binary, strings.Fields(tt.args)...)
			cmd.Dir = t.TempDir()
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			err := cmd.Run()
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.ExitCode() != 2 {
				t.Fatalf("vaultserver %s: %v, want exit code 2", tt.args, err)
			}
			if !strings.Contains(stderr.String(), tt.says) {
				t.Errorf("vaultserver %s says %q, want it to hold %q", tt.args, stderr.String(), tt.says)
			}
		})
	}
}

func TestOperationalLogAsJSON(t *testing.T) {
	t.Parallel()
	s := vaulttest.StartUnsealed(t, vault.Config{LogJSON: true})
	log, err := os.ReadFile(s.LogFile())
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(log)) {
		if !strings.HasPrefix(line, "{") {
			continue // the vault CLI's banners are plain text in either format
		}
		var event struct {
			Message string `json:"@message"`
			Module  string `json:"@module"`
		}
		if err := json.Unmarshal([]byte(line), &event); err != nil {
			t.Fatalf("line %q: %v", line, err)
		}
		if event.Module == "core" && event.Message == "vault is unsealed" {
			return
		}
	}
	t.Errorf("no event of core says %q in:\n%s", "vault is unsealed", log)
}
