package demo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// configureSeal writes what the agent's side needs. vault-seal reads /etc/vault.d/vault-seal.yml; execd passes no arguments, so in the demo,
// which must not write to /etc, a script in its place names the demo's file.
func (s *stage) configureSeal() error {
	bin := filepath.Join(s.agentHome(), "active-response", "bin")
	if err := os.Rename(filepath.Join(bin, "vault-seal"), filepath.Join(bin, "vault-seal.installed")); err != nil {
		return err
	}
	token := s.path("agent", "etc", "vault.d", "vault-seal.token")
	if err := errors.Join(
		os.MkdirAll(filepath.Dir(token), 0o755),
		os.MkdirAll(filepath.Join(s.agentHome(), "logs"), 0o750),
		s.story.Seal.WriteTokenFile(token),
	); err != nil {
		return err
	}
	config := s.path("agent", "etc", "vault.d", "vault-seal.yml")
	text := fmt.Sprintf("nodes:\n  - {name: %s, address: %q}\nca_file: %q\ntoken_file: %q\n", nodeName, s.vault.Address(), s.vault.CAFile(), token)
	script := fmt.Sprintf("#!/bin/sh\nexec active-response/bin/vault-seal.installed -config '%s'\n", config)
	return errors.Join(
		os.WriteFile(config, []byte(text), 0o600),
		os.WriteFile(filepath.Join(bin, "vault-seal"), []byte(script), 0o750),
	)
}

// configureEnrich writes the daemon's configuration and its secrets. Only the demo arms what the published article arms.
func (s *stage) configureEnrich(mode Mode) error {
	user, err := s.manager.User(apiUser)
	if err != nil {
		return err
	}
	secrets := s.path("secrets")
	password := filepath.Join(secrets, "wazuh-api-password")
	token := filepath.Join(secrets, "vault-token")
	if err := errors.Join(
		os.MkdirAll(secrets, 0o700), os.MkdirAll(s.path("state"), 0o700),
		os.WriteFile(password, []byte(user.Password+"\n"), 0o400),
		s.story.Lookup.WriteTokenFile(token),
	); err != nil {
		return err
	}
	seal := "armed"
	if mode == Observe {
		seal = "observe"
	}
	var text strings.Builder
	fmt.Fprintf(&text, "wazuh:\n  home: %q\n  api:\n    addresses: [%q]\n    ca_file: %q\n    user: %s\n    password_file: %q\n",
		s.managerHome(), s.manager.URL(), s.manager.CAFile(), apiUser, password)
	fmt.Fprintf(&text, "clusters:\n  - name: %s\n    ca_file: %q\n    token_file: %q\n    nodes:\n      - {name: %s, address: %q, agent: %q}\n    audit_devices:\n      - {name: file/, hashed: false}\n",
		clusterName, s.vault.CAFile(), token, nodeName, s.vault.Address(), agentID)
	fmt.Fprintf(&text, "decide:\n  rules: article\n  seal: %s\n  halt_file: %q\npublish:\n  what: all\nstore:\n  dir: %q\ncontrol:\n  socket: %q\n",
		seal, s.path("halt"), s.path("state"), s.path("control.sock"))
	return os.WriteFile(s.path("config.yml"), []byte(text.String()), 0o640)
}

// waitForLog waits until a log holds a text, or the daemon has ended.
func (s *stage) waitForLog(ctx context.Context, path, want string) error {
	for {
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if strings.Contains(string(text), want) {
			return nil
		}
		select {
		case err := <-s.ended:
			s.ended <- err
			return fmt.Errorf("enrich serve ended: %w\n%s", err, text)
		case <-ctx.Done():
			return fmt.Errorf("enrich serve does not follow alerts.json: %w\n%s", ctx.Err(), text)
		case <-time.After(10 * time.Millisecond):
		}
	}
}
