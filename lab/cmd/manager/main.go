// Command manager runs the lab's stand-in for a Wazuh manager and one agent in the foreground, for trying things by hand:
//
//	manager -home /tmp/m -rules ossec-snippets -conf ossec-snippets/ossec.conf/manager.xml -watch /tmp/vault_audit.log
//
// Programs for integrations belong in HOME/integrations, programs for active responses in HOME/agents/001/active-response/bin. It ends with Ctrl-C.
// Exit status: 0 ended by a signal, 1 could not start, 2 wrong usage.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"custom-vault/lab/agent"
	"custom-vault/lab/manager"
	"custom-vault/lab/release"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// The real daemons ignore it as well.
	signal.Ignore(syscall.SIGHUP)
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// startTimeout bounds the start.
const startTimeout = 2 * time.Minute

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	cfg, err := configure(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		fmt.Fprintln(stderr, "manager:", err)
		return 2
	}
	starting, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	m, err := manager.Start(starting, cfg)
	if err != nil {
		fmt.Fprintln(stderr, "manager:", err)
		return 1
	}
	defer m.Stop()
	if err := tell(m, cfg, stdout); err != nil {
		fmt.Fprintln(stderr, "manager:", err)
		return 1
	}
	<-ctx.Done()
	return 0
}

func configure(args []string, stderr io.Writer) (manager.Config, error) {
	flags := flag.NewFlagSet("manager", flag.ContinueOnError)
	flags.SetOutput(stderr)
	cfg := manager.Config{}
	rules, version := "", release.Latest.String()
	var files []agent.File
	flags.StringVar(&cfg.Home, "home", "", "folder that becomes the manager's /var/ossec")
	flags.StringVar(&rules, "rules", "", "folder with decoders/ and rules/")
	flags.StringVar(&version, "release", version, "release of Wazuh to behave as, 4.3 to 4.14.4")
	flags.StringVar(&cfg.API.Address, "api", "127.0.0.1:55000", "address of the server API")
	flags.Func("conf", "file with <integration>, <command>, <active-response>; may be repeated", func(path string) error {
		text, err := os.ReadFile(path)
		cfg.OssecConf += string(text)
		return err
	})
	flags.Func("watch", "file that agent 001 watches; may be repeated", func(path string) error {
		files = append(files, agent.File{Path: path})
		return nil
	})
	if err := flags.Parse(args); err != nil {
		return cfg, err
	}
	if cfg.Home == "" || rules == "" {
		return cfg, errors.New("-home and -rules have to be given")
	}
	home, err := filepath.Abs(cfg.Home)
	if err != nil {
		return cfg, fmt.Errorf("find %s: %w", cfg.Home, err)
	}
	cfg.Home, cfg.Rules = home, manager.Snippets(rules)
	cfg.Agents = []agent.Config{{ID: "001", Name: "vault-1", Groups: []string{"vault"}, Files: files}}
	cfg.Release, err = release.Parse(version)
	return cfg, err
}

// tell prints where everything is. Passwords go to a file that only its owner can read.
func tell(m *manager.Manager, cfg manager.Config, stdout io.Writer) error {
	var lines strings.Builder
	for _, name := range []string{"wazuh", "vault-seal"} {
		u, err := m.User(name)
		if err != nil {
			return err
		}
		fmt.Fprintf(&lines, "%s:%s\n", u.Name, u.Password)
	}
	passwords := filepath.Join(cfg.Home, "api/passwords")
	if err := os.WriteFile(passwords, []byte(lines.String()), 0o600); err != nil {
		return fmt.Errorf("write the passwords of the server API: %w", err)
	}
	for _, line := range []struct{ what, where string }{
		{"server API", m.URL()}, {"its CA", m.CAFile()}, {"users and passwords", passwords}, {"queue socket", m.QueueSocket()}, {"alerts", m.AlertsFile()},
		{"log", m.LogFile()}, {"agent 001", m.Agent("001").Home()},
	} {
		fmt.Fprintf(stdout, "%-20s %s\n", line.what, line.where)
	}
	return nil
}
