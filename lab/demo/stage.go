package demo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"custom-vault/lab/site"
)

// stage is everything that runs: the site, and the daemon as a process.
type stage struct {
	*site.Site
	enrich *exec.Cmd
	log    string // the daemon's
	ended  chan error
}

// set brings everything up in the order in which an operator would. What was started is ended when it fails.
func set(ctx context.Context, tell *teller, o Options) (*stage, error) {
	done := func(step string) { tell.tell(KindStage, "%s", step) }
	bin := filepath.Join(o.Repository, "build", "bin")
	s := new(stage)
	var err error
	s.Site, err = site.Start(ctx, site.Config{
		Dir: o.Dir, Repository: o.Repository, Bin: bin, VaultServer: filepath.Join(bin, "vaultserver"), Done: done,
	})
	if err != nil {
		return nil, err
	}
	const step = "write the configuration and start enrich serve"
	if err := s.startEnrich(ctx, o.Mode); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", step, err), s.close())
	}
	done(step)
	return s, nil
}

// startEnrich starts the daemon as a process and waits until it follows alerts.json. Only the demo arms what the
// published article arms.
func (s *stage) startEnrich(ctx context.Context, mode Mode) error {
	settings := site.Settings{Rules: "article", Seal: "armed", SealsPerDay: 1, Publish: "all", SeenWithin: time.Minute, Store: s.Path("state")}
	if mode == Observe {
		settings.Seal = "observe"
	}
	config, err := s.Configure(settings)
	if err != nil {
		return err
	}
	check := exec.CommandContext(ctx, s.Enrich(), "config", "check", "--config", config)
	if out, err := check.CombinedOutput(); err != nil {
		return fmt.Errorf("enrich config check: %w\n%s", err, out)
	}
	s.log = s.Path("enrich.log")
	log, err := os.Create(s.log)
	if err != nil {
		return err
	}
	defer log.Close()
	// The demo's end, not ctx, ends the daemon: in order, with a signal.
	s.enrich = exec.Command(s.Enrich(), "serve", "--config", config)
	s.enrich.Stderr = log
	s.enrich.Env = []string{"PATH=/usr/bin:/bin"}
	s.enrich.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := s.enrich.Start(); err != nil {
		return err
	}
	s.ended = make(chan error, 1)
	go func() { s.ended <- s.enrich.Wait() }()
	return s.waitForLog(ctx, `"msg":"serve: following"`)
}

// waitForLog waits until the daemon's log holds a text, or the daemon has ended.
func (s *stage) waitForLog(ctx context.Context, want string) error {
	for {
		text, err := os.ReadFile(s.log)
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

// endTime bounds the wait for the daemon's end. Where something hangs, it ends by itself well before, and says so.
const endTime = time.Minute

// close ends what runs, the last first.
func (s *stage) close() error {
	var errs []error
	if s.ended != nil {
		if err := s.enrich.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
			errs = append(errs, err)
		}
		select {
		case err := <-s.ended:
			if err != nil {
				errs = append(errs, fmt.Errorf("enrich serve: %w: see %s", err, s.log))
			}
		case <-time.After(endTime):
			errs = append(errs, fmt.Errorf("enrich serve did not end within %s of SIGTERM", endTime), s.enrich.Process.Kill())
		}
	}
	return errors.Join(append(errs, s.Stop())...)
}
