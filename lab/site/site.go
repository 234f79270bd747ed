// Package site sets up a manager and an agent with the integration installed on them as an operator installs it: the
// lab's Wazuh, a real Vault, the product's own files by packaging/install.sh. It may import the lab, never the product,
// and starts no part of the product.
package site

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"custom-vault/lab/agent"
	"custom-vault/lab/manager"
	"custom-vault/lab/story"
	"custom-vault/lab/vault"
)

// Names of the site's one cluster.
const (
	Cluster = "prod"
	Node    = "vault-1"
	Agent   = "001"
	apiUser = "vault-seal"
)

// Config says what to install and where.
type Config struct {
	// Dir is to hold everything. Where its path will not do, another folder is made, which stays: see Path.
	Dir string
	// Repository is the checkout that is installed from.
	Repository string
	// Bin holds enrich, custom-vault and vault-seal; VaultServer is the lab's Vault.
	Bin         string
	VaultServer string
	// Manager is changed by the site where the site knows better: home, rules, agents, ossec.conf.
	Manager manager.Config
	// AgentPoll is how often the agent reads its files.
	AgentPoll time.Duration
	// Installed, if set, is called once everything is installed and before anything of Wazuh runs.
	Installed func(*Site) error
	// Done, if set, is told each step that was done.
	Done func(step string)
}

// Site is what runs.
type Site struct {
	cfg     Config
	dir     string
	Vault   *vault.Server
	Story   *story.Stage
	Manager *manager.Manager
}

// Start starts Vault, installs, and starts the manager and its agent. What was started is ended when it fails.
func Start(ctx context.Context, cfg Config) (*Site, error) {
	dir, err := place(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("find room for the site: %w", err)
	}
	s := &Site{cfg: cfg, dir: dir}
	for _, step := range []struct {
		what string
		do   func(context.Context) error
	}{
		{"start a real Vault, with TLS, and initialise it", s.startVault},
		{"install the integration as on a real manager and agent", s.install},
		{"start the Wazuh manager's and agent's stand-ins", s.startManager},
	} {
		if err := step.do(ctx); err != nil {
			return nil, errors.Join(fmt.Errorf("%s: %w", step.what, err), s.Stop())
		}
		if cfg.Done != nil {
			cfg.Done(step.what)
		}
	}
	return s, nil
}

// longest leaves room for the socket with the longest path below: a unix socket's may have 107 bytes (unix(7)).
const longest = 107 - len("/manager/var/ossec/queue/sockets/queue")

// place is dir, or where its path is too long or has a character that integratord's command line (integrator.c:432-444)
// or a script would split at, a new folder below /tmp.
func place(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	if len(dir) > longest || strings.ContainsAny(dir, " \t\n\\'") {
		return os.MkdirTemp("/tmp", "vault-site-")
	}
	return dir, os.MkdirAll(dir, 0o755)
}

// Path is a path below the site's folder.
func (s *Site) Path(parts ...string) string {
	return filepath.Join(append([]string{s.dir}, parts...)...)
}

// ManagerHome is the manager's /var/ossec.
func (s *Site) ManagerHome() string { return s.Path("manager", "var", "ossec") }

// AgentHome is the agent's /var/ossec.
func (s *Site) AgentHome() string { return s.Path("agent", "var", "ossec") }

// Journal is where the hook leaves alerts.
func (s *Site) Journal() string {
	return filepath.Join(s.ManagerHome(), "queue", "custom-vault", "journal")
}

// Enrich is the installed daemon.
func (s *Site) Enrich() string { return s.Path("manager", "usr", "bin", "enrich") }

func (s *Site) startVault(ctx context.Context) (err error) {
	s.Vault, err = vault.Start(ctx, vault.Config{Binary: s.cfg.VaultServer, Dir: s.Path("vault"), Storage: vault.File, LogLevel: "info"})
	if err != nil {
		return err
	}
	if err := s.Vault.InitAndUnseal(ctx); err != nil {
		return err
	}
	s.Story, err = story.Prepare(ctx, s.Vault, story.Setup{
		PolicyDir: filepath.Join(s.cfg.Repository, "ossec-snippets", "vault-policies"), AuditFile: s.Path("vault", "vault_audit.log"),
	})
	return err
}

func (s *Site) install(ctx context.Context) error {
	bin, err := filepath.Abs(s.cfg.Bin)
	if err != nil {
		return err
	}
	for _, role := range []string{"manager", "agent"} {
		install := exec.CommandContext(ctx, "bash", "packaging/install.sh", role)
		install.Dir = s.cfg.Repository
		install.Env = append(os.Environ(), "DESTDIR="+s.Path(role), "BIN="+bin)
		if out, err := install.CombinedOutput(); err != nil {
			return fmt.Errorf("packaging/install.sh %s: %w\n%s", role, err, out)
		}
	}
	if err := errors.Join(
		// On a manager the hook belongs to root and integratord is wazuh, so integratord cannot write it. Here both may be one user.
		os.Chmod(filepath.Join(s.ManagerHome(), "integrations", "custom-vault"), 0o550),
		// The journal belongs to the user whom integratord runs the hook as, which here is ours and on a manager wazuh.
		os.Chown(s.Journal(), os.Geteuid(), -1),
		s.configureSeal(),
	); err != nil || s.cfg.Installed == nil {
		return err
	}
	return s.cfg.Installed(s)
}

// configureSeal writes vault-seal's configuration. execd passes no arguments, so a script in the program's place names
// the file, which elsewhere is /etc/vault.d/vault-seal.yml.
func (s *Site) configureSeal() error {
	bin := filepath.Join(s.AgentHome(), "active-response", "bin")
	if err := os.Rename(filepath.Join(bin, "vault-seal"), filepath.Join(bin, "vault-seal.installed")); err != nil {
		return err
	}
	token := s.Path("agent", "etc", "vault.d", "vault-seal.token")
	if err := errors.Join(
		os.MkdirAll(filepath.Dir(token), 0o755),
		os.MkdirAll(filepath.Join(s.AgentHome(), "logs"), 0o750),
		s.Story.Seal.WriteTokenFile(token),
	); err != nil {
		return err
	}
	config := s.Path("agent", "etc", "vault.d", "vault-seal.yml")
	text := fmt.Sprintf("nodes:\n  - {name: %s, address: %q}\nca_file: %q\ntoken_file: %q\n", Node, s.Vault.Address(), s.Vault.CAFile(), token)
	script := fmt.Sprintf("#!/bin/sh\nexec active-response/bin/vault-seal.installed -config '%s'\n", config)
	return errors.Join(
		os.WriteFile(config, []byte(text), 0o600),
		os.WriteFile(filepath.Join(bin, "vault-seal"), []byte(script), 0o750),
	)
}

func (s *Site) startManager(ctx context.Context) error {
	conf, err := os.ReadFile(filepath.Join(s.cfg.Repository, "ossec-snippets", "ossec.conf", "manager.xml"))
	if err != nil {
		return err
	}
	if err := os.MkdirAll(s.Path("tmp"), 0o700); err != nil {
		return err
	}
	cfg := s.cfg.Manager
	cfg.Home, cfg.Rules, cfg.OssecConf, cfg.TmpDir = s.ManagerHome(), manager.Snippets(filepath.Join(s.ManagerHome(), "etc")), string(conf), s.Path("tmp")
	cfg.Agents = []agent.Config{{
		ID: Agent, Name: Node, Home: s.AgentHome(), Poll: s.cfg.AgentPoll,
		Files: []agent.File{
			{Path: s.Story.AuditFile, Location: "/var/log/vault_audit.log"},
			{Path: s.Vault.LogFile(), Location: "/var/log/vault/vault.log", OutFormat: "$(timestamp) $(hostname) vault: $(log)"},
		},
	}}
	s.Manager, err = manager.Start(ctx, cfg)
	return err
}

// Settings are what a configuration of the daemon may differ in.
type Settings struct {
	Rules       string // default or article
	Seal        string // observe or armed
	SealsPerDay int
	Publish     string // notable or all
	SeenWithin  time.Duration
	Store       string // the store's folder
}

// Configure writes the daemon's configuration and its secrets, and returns the file's path.
func (s *Site) Configure(set Settings) (string, error) {
	user, err := s.Manager.User(apiUser)
	if err != nil {
		return "", err
	}
	secrets := s.Path("secrets")
	password, token := filepath.Join(secrets, "wazuh-api-password"), filepath.Join(secrets, "vault-token")
	if err := errors.Join(
		os.MkdirAll(secrets, 0o700), os.MkdirAll(set.Store, 0o700),
		os.WriteFile(password, []byte(user.Password+"\n"), 0o400),
		s.Story.Lookup.WriteTokenFile(token),
	); err != nil {
		return "", err
	}
	text := fmt.Sprintf(`wazuh:
  home: %q
  api:
    addresses: [%q]
    ca_file: %q
    user: %s
    password_file: %q
clusters:
  - name: %s
    ca_file: %q
    token_file: %q
    nodes:
      - {name: %s, address: %q, agent: %q}
    audit_devices:
      - {name: file/, hashed: false}
lookup: {timeout: 10s} # a busy machine takes long
decide:
  rules: %s
  seal: %s
  seals_per_day: %d
  halt_file: %q
publish:
  what: %s
  seen_within: %s
store:
  dir: %q
control:
  socket: %q
`, s.ManagerHome(), s.Manager.URL(), s.Manager.CAFile(), apiUser, password,
		Cluster, s.Vault.CAFile(), token, Node, s.Vault.Address(), Agent,
		set.Rules, set.Seal, set.SealsPerDay, s.Path("halt"), set.Publish, set.SeenWithin, set.Store, s.Path("control.sock"))
	path := s.Path("config.yml")
	return path, os.WriteFile(path, []byte(text), 0o640)
}

// stopTime bounds the end of Vault.
const stopTime = time.Minute

// Stop ends everything, the last first.
func (s *Site) Stop() error {
	if s.Manager != nil {
		s.Manager.Stop()
	}
	if s.Vault == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), stopTime)
	defer cancel()
	return s.Vault.Stop(ctx)
}
