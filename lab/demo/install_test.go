package demo

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// What the installer leaves to be done names files as they are called, and programs may be run and folders entered
// as docs/install.md says, whatever umask it was run under.
func TestInstallerLeavesWhatItNames(t *testing.T) {
	t.Parallel()
	bin := t.TempDir()
	for _, name := range []string{"enrich", "custom-vault", "vault-seal"} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	root := t.TempDir()
	for _, role := range []string{"manager", "agent"} {
		install := exec.Command("sh", "-c", "umask 077 && bash packaging/install.sh "+role)
		install.Dir = filepath.Join("..", "..")
		install.Env = []string{"PATH=" + os.Getenv("PATH"), "DESTDIR=" + root, "BIN=" + bin}
		out, err := install.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", role, err, out)
		}
		for line := range strings.Lines(string(out)) {
			if words := strings.Fields(line); len(words) == 3 && words[0] == "chown" {
				if _, err := os.Lstat(filepath.Join(root, words[2])); err != nil {
					t.Errorf("%s: %q names what is not there", role, strings.TrimSpace(line))
				}
			}
		}
	}
	for name, mode := range map[string]os.FileMode{
		"usr/bin/enrich":                                 0o755,
		"usr/share/custom-vault":                         0o755,
		"var/ossec/integrations/custom-vault":            0o750,
		"var/ossec/queue/custom-vault":                   0o750,
		"var/ossec/queue/custom-vault/journal":           0o770,
		"etc/custom-vault":                               0o750,
		"etc/custom-vault/config.yml":                    0o640,
		"etc/custom-vault/secrets":                       0o700,
		"var/lib/custom-vault":                           0o700,
		"var/ossec/active-response/bin/vault-seal":       0o750,
		"var/ossec/var/vault-seal":                       0o700,
		"etc/vault.d/vault-seal.yml":                     0o640,
		"var/ossec/etc/decoders/0000-vault_decoders.xml": 0o660,
		"var/ossec/etc/rules/vault_rules.xml":            0o660,
	} {
		info, err := os.Lstat(filepath.Join(root, name))
		if err != nil {
			t.Error(err)
		} else if got := info.Mode().Perm(); got != mode {
			t.Errorf("%s has mode %04o, want %04o", name, got, mode)
		}
	}
}
