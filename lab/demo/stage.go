package demo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"custom-vault/lab/agent"
	"custom-vault/lab/manager"
	"custom-vault/lab/story"
	"custom-vault/lab/vault"
)

// Names of the demo's one cluster.
const (
	clusterName = "demo"
	nodeName    = "vault-1"
	agentID     = "001"
	apiUser     = "vault-seal"
)

// stage is everything that runs.
type stage struct {
	dir     string // of this run
	bin     string
	repo    string
	vault   *vault.Server
	story   *story.Stage
	manager *manager.Manager
	enrich  *exec.Cmd
	ended   chan error
}

func (s *stage) path(parts ...string) string {
	return filepath.Join(append([]string{s.dir}, parts...)...)
}
func (s *stage) managerHome() string { return s.path("manager", "var", "ossec") }
func (s *stage) agentHome() string   { return s.path("agent", "var", "ossec") }
func (s *stage) journal() string {
	return filepath.Join(s.managerHome(), "queue", "custom-vault", "journal")
}

// set brings everything up in the order in which an operator would.
func (s *stage) set(ctx context.Context, tell *teller, mode Mode) error {
	for _, step := range []struct {
		what string
		do   func(context.Context, Mode) error
	}{
		{"start a real Vault, with TLS, and initialise it", s.startVault},
		{"install the integration as on a real manager and agent", s.install},
		{"start the Wazuh manager's and agent's stand-ins", s.startManager},
		{"write the configuration and start enrich serve", s.startEnrich},
	} {
		if err := step.do(ctx, mode); err != nil {
			return fmt.Errorf("%s: %w", step.what, err)
		}
		tell.tell(KindStage, "%s", step.what)
	}
	return nil
}

func (s *stage) startVault(ctx context.Context, _ Mode) (err error) {
	s.vault, err = vault.Start(ctx, vault.Config{Binary: filepath.Join(s.bin, "vaultserver"), Dir: s.path("vault"), Storage: vault.File, LogLevel: "info"})
	if err != nil {
		return err
	}
	if err := s.vault.InitAndUnseal(ctx); err != nil {
		return err
	}
	s.story, err = story.Prepare(ctx, s.vault, story.Setup{
		PolicyDir: filepath.Join(s.repo, "ossec-snippets", "vault-policies"), AuditFile: s.path("vault", "vault_audit.log"),
	})
	return err
}

// install runs the same script as make install, so that what the demo shows is what a manager gets.
func (s *stage) install(ctx context.Context, _ Mode) error {
	for _, role := range []string{"manager", "agent"} {
		install := exec.CommandContext(ctx, "bash", "packaging/install.sh", role)
		install.Dir = s.repo
		install.Env = append(os.Environ(), "DESTDIR="+s.path(role), "BIN="+s.bin)
		if out, err := install.CombinedOutput(); err != nil {
			return fmt.Errorf("packaging/install.sh %s: %w\n%s", role, err, out)
		}
	}
	// On a manager the hook belongs to root and integratord is wazuh, so integratord cannot write it. Here both may be one user.
	if err := os.Chmod(filepath.Join(s.managerHome(), "integrations", "custom-vault"), 0o550); err != nil {
		return err
	}
	// The journal belongs to the user whom integratord runs the hook as, which here is ours and on a manager wazuh.
	if err := os.Chown(s.journal(), os.Geteuid(), -1); err != nil {
		return err
	}
	return s.configureSeal()
}

func (s *stage) startManager(ctx context.Context, _ Mode) error {
	conf, err := os.ReadFile(filepath.Join(s.repo, "ossec-snippets", "ossec.conf", "manager.xml"))
	if err != nil {
		return err
	}
	if err := os.MkdirAll(s.path("tmp"), 0o700); err != nil {
		return err
	}
	s.manager, err = manager.Start(ctx, manager.Config{
		Home: s.managerHome(), Rules: manager.Snippets(filepath.Join(s.managerHome(), "etc")), OssecConf: string(conf), TmpDir: s.path("tmp"),
		Agents: []agent.Config{{
			ID: agentID, Name: nodeName, Home: s.agentHome(),
			Files: []agent.File{
				{Path: s.story.AuditFile, Location: "/var/log/vault_audit.log"},
				{Path: s.vault.LogFile(), Location: "/var/log/vault/vault.log", OutFormat: "$(timestamp) $(hostname) vault: $(log)"},
			},
		}},
	})
	return err
}

// startEnrich starts the daemon as a process and waits until it follows alerts.json.
func (s *stage) startEnrich(ctx context.Context, mode Mode) error {
	if err := s.configureEnrich(mode); err != nil {
		return err
	}
	check := exec.CommandContext(ctx, filepath.Join(s.bin, "enrich"), "config", "check", "--config", s.path("config.yml"))
	if out, err := check.CombinedOutput(); err != nil {
		return fmt.Errorf("enrich config check: %w\n%s", err, out)
	}
	log, err := os.Create(s.path("enrich.log"))
	if err != nil {
		return err
	}
	defer log.Close()
	// The demo's end, not ctx, ends the daemon: in order, with a signal.
	s.enrich = exec.Command(filepath.Join(s.bin, "enrich"), "serve", "--config", s.path("config.yml"))
	s.enrich.Stderr = log
	s.enrich.Env = []string{"PATH=/usr/bin:/bin"}
	s.enrich.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := s.enrich.Start(); err != nil {
		return err
	}
	s.ended = make(chan error, 1)
	go func() { s.ended <- s.enrich.Wait() }()
	return s.waitForLog(ctx, log.Name(), `"msg":"serve: following"`)
}

// close ends what runs, the last first.
func (s *stage) close() error {
	var errs []error
	if s.enrich != nil && s.ended != nil {
		errs = append(errs, s.enrich.Process.Signal(syscall.SIGTERM))
		select {
		case err := <-s.ended:
			if err != nil {
				errs = append(errs, fmt.Errorf("enrich serve: %w: see %s", err, s.path("enrich.log")))
			}
		case <-time.After(10 * time.Second):
			errs = append(errs, errors.New("enrich serve did not end within 10 s of SIGTERM"), s.enrich.Process.Kill())
		}
	}
	if s.manager != nil {
		s.manager.Stop()
	}
	if s.vault != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		errs = append(errs, s.vault.Stop(ctx))
	}
	return errors.Join(errs...)
}
