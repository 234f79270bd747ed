// Package demo plays bob's story with everything real but Wazuh itself: a real Vault, the product's three binaries as
// processes, and the lab's stand-in for manager and agent. It proves the end by asking Vault. It must never make
// anything up: what did not happen is an error that names the step.
package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"custom-vault/lab/story"
	"custom-vault/lab/vault"
)

// Mode says whether the seal is armed.
type Mode string

// The modes.
const (
	Seal    Mode = "seal"
	Observe Mode = "observe"
)

// Options of a run.
type Options struct {
	Mode       Mode
	Keep       bool
	Repository string
	Dir        string // of the run; empty: build/demo of the repository
	Out        io.Writer
}

// Bounds of the story's parts.
const (
	setTime   = 3 * time.Minute // a busy machine takes long
	storyTime = 5 * time.Minute
	// quiet is how long observe mode is watched for a request that must not come, after all has been decided and shown.
	quiet = 2 * time.Second
	// pace between bob's reads: ten within a second, so that even a quick product does not seal before the tenth.
	pace = 40 * time.Millisecond
)

// Run plays the story. It leaves timeline.json in build/demo, whether it succeeds or not.
func Run(ctx context.Context, o Options) (err error) {
	if o.Repository, err = filepath.Abs(o.Repository); err != nil {
		return err
	}
	if o.Dir == "" {
		o.Dir = filepath.Join(o.Repository, "build", "demo")
	}
	if err := os.RemoveAll(o.Dir); err != nil {
		return fmt.Errorf("clear the folder of the last run: %w", err)
	}
	if err := os.MkdirAll(o.Dir, 0o755); err != nil {
		return err
	}
	tell := newTeller(o.Out, o.Mode)
	defer func() {
		err = errors.Join(err, tell.write(filepath.Join(o.Dir, "timeline.json")))
	}()
	setting, cancel := context.WithTimeout(ctx, setTime)
	defer cancel()
	s, err := set(setting, tell, o)
	if err != nil {
		return fmt.Errorf("set-up: %w", err)
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if err := s.play(ctx, tell, o.Mode); err != nil {
		return err
	}
	if !o.Keep {
		return nil
	}
	if err := tell.write(filepath.Join(o.Dir, "timeline.json")); err != nil { // it is looked at while all is running
		return err
	}
	s.keep(ctx, o)
	return nil
}

func (s *stage) play(ctx context.Context, tell *teller, mode Mode) error {
	ctx, cancel := context.WithTimeout(ctx, storyTime)
	defer cancel()
	before, err := s.sealStatus(ctx)
	if err != nil {
		return fmt.Errorf("before the story: %w", err)
	}
	tell.change(func(t *Timeline) { t.SealStatus.Before = before })
	tell.tell(KindSeal, "vault says: sealed %t", sealed(before))

	watching, stop := context.WithCancel(ctx)
	watch := newWatcher(tell)
	watched := make(chan error, 1)
	go func() { watched <- watch.follow(watching, s.Manager.AlertsFile()) }()
	err = s.act(ctx, tell, watch, mode)
	stop()
	return errors.Join(err, <-watched)
}

// act plays bob and follows what comes of it, up to the proof.
func (s *stage) act(ctx context.Context, tell *teller, watch *watcher, mode Mode) error {
	type answer struct {
		status vault.SealStatus
		at     time.Time
		err    error
	}
	waiting, stop := context.WithCancel(ctx)
	defer stop()
	asked := make(chan answer, 1)
	go func() {
		status, at, err := s.Vault.WaitSealed(waiting)
		asked <- answer{status, at, err}
	}()
	timeline, err := s.Story.Run(ctx, story.Pace{BetweenReads: pace}, func(step story.Step) {
		tell.tellAt(step.At, KindVault, "%s", strings.TrimSpace(fmt.Sprintf("%s: %d %s", step.Text, step.Status, step.Reason)))
	})
	if err != nil {
		return fmt.Errorf("bob's story: %w", err)
	}
	if err := watch.until(ctx, "the enriched alert of rule "+exfiltration, func(w *watcher) bool { return w.enriched.Exists() }); err != nil {
		return err
	}
	if err := s.proveHandOver(ctx, tell, watch); err != nil {
		return err
	}
	if mode == Observe {
		return s.proveNothingWasDone(ctx, tell, timeline)
	}
	first := <-asked
	if first.err != nil {
		return fmt.Errorf("vault was not sealed: %w", first.err)
	}
	took := first.at.Sub(timeline.LastRead).Milliseconds()
	tell.tellAt(first.at, KindSeal, "vault says: sealed true, %d ms after the tenth read", took)
	tell.change(func(t *Timeline) { t.TimeToSealMS = &took })
	if err := watch.until(ctx, "the agent's report and the product's word that every node is sealed", func(w *watcher) bool {
		return len(w.reports) > 0 && len(w.responses) > 0 && w.responses[len(w.responses)-1] == "sealed"
	}); err != nil {
		return err
	}
	return s.proveSealed(ctx, tell, timeline)
}

func (s *stage) sealStatus(ctx context.Context) (json.RawMessage, error) {
	answer, err := s.Vault.Client("").Do(ctx, http.MethodGet, "sys/seal-status", nil)
	if err != nil {
		return nil, fmt.Errorf("ask vault for its seal status: %w", err)
	}
	return json.RawMessage(answer.Body), nil
}

func sealed(status json.RawMessage) bool {
	var s vault.SealStatus
	return json.Unmarshal(status, &s) == nil && s.Sealed
}

// keep leaves all running until ctx ends, and says where to look.
func (s *stage) keep(ctx context.Context, o Options) {
	fmt.Fprintf(o.Out, `
Everything is still running; Ctrl-C ends it.
  Vault           %s
  its CA          %s
  ask it          curl --cacert %s %s/v1/sys/seal-status
  audit file      %s
  Wazuh API       %s (CA %s)
  queue socket    %s
  alerts          %s
  log of enrich   %s
  configuration   %s, as for: build/bin/enrich -c … status
  timeline        %s
`, s.Vault.Address(), s.Vault.CAFile(), s.Vault.CAFile(), s.Vault.Address(), s.Story.AuditFile, s.Manager.URL(), s.Manager.CAFile(),
		s.Manager.QueueSocket(), s.Manager.AlertsFile(), s.log, s.Path("config.yml"), filepath.Join(o.Dir, "timeline.json"))
	<-ctx.Done()
}
