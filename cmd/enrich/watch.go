package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"custom-vault/internal/config"
	"custom-vault/internal/follow"
	"custom-vault/internal/health"
	"custom-vault/internal/metrics"
	"custom-vault/internal/pipeline"
	"custom-vault/internal/response"
	"custom-vault/internal/store"
	"custom-vault/internal/systemd"
)

// watch knows how the running daemon stands. Its metrics are told by the line and the workers; the rest it looks at
// when it is asked.
type watch struct {
	*metrics.Metrics
	board                      *health.Board
	started                    time.Time
	line, publisher, responder *pulse

	mu       sync.Mutex
	app      *app // the one that serves
	troubles map[follow.Source]string
	refused  string // why the configuration was not read anew
	unclosed string // how the last plan ended, where it is not closed
	endedAt  time.Time
}

func newWatch() *watch {
	w := &watch{
		Metrics: metrics.New(version, nil), board: health.NewBoard(), started: time.Now(), troubles: make(map[follow.Source]string),
		line: newPulse("line of stages"), publisher: newPulse("publisher"), responder: newPulse("responder"),
	}
	w.Show(w.facts, w.board.Faults)
	return w
}

// serving says which app serves from now on.
func (w *watch) serving(a *app) {
	w.mu.Lock()
	w.app, w.troubles = a, make(map[follow.Source]string)
	w.mu.Unlock()
	// The longest that each may take for one thing, with a busy disk besides.
	w.line.within.Store(int64(time.Minute + a.cfg.Lookup.Timeout))
	w.responder.within.Store(int64(time.Minute + 2*a.cfg.Wazuh.API.Timeout))
	for _, p := range []*pulse{w.line, w.publisher, w.responder} {
		p.beat()
	}
}

func (w *watch) trouble(source follow.Source, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.troubles, source)
	if err != nil {
		w.troubles[source] = err.Error()
	}
}

// reloaded notes how reading the configuration anew went.
func (w *watch) reloaded(err error) {
	w.Reloaded(err == nil)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.refused = ""
	if err != nil {
		w.refused = err.Error()
	}
}

func (w *watch) planEnded(plan store.Plan, at time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.unclosed, w.endedAt = "", time.Time{}
	if plan.State != response.PlanClosed {
		w.unclosed, w.endedAt = fmt.Sprintf("plan %s for cluster %s ended %s", plan.ID, plan.Cluster, plan.State), at
	}
}

// facts looks at how the daemon stands.
func (w *watch) facts(ctx context.Context) health.Facts {
	w.mu.Lock()
	a, troubles := w.app, make(map[follow.Source]string)
	for source, trouble := range w.troubles {
		troubles[source] = trouble
	}
	f := health.Facts{At: time.Now(), Started: w.started, Refused: w.refused}
	f.Responding.Unclosed, f.Responding.UnclosedAt = w.unclosed, w.endedAt
	w.mu.Unlock()
	f.Workers = []health.Worker{w.line.worker(), w.publisher.worker(), w.responder.worker()}
	w.Add(&f)
	if a == nil {
		return f
	}
	backlog, err := a.store.Backlog(ctx)
	if err != nil && ctx.Err() == nil {
		f.StoreFailing = err.Error()
	}
	f.Store, f.StoreMost = backlog, int64(a.cfg.Store.MaxSize)<<20
	f.Suspects = a.screen.Waiting()
	f.Sources = []health.Source{
		{Name: string(follow.Alerts), Unread: a.unread(ctx, follow.Alerts), Trouble: troubles[follow.Alerts]},
		{Name: string(follow.Journal), Unread: a.unread(ctx, follow.Journal), Trouble: troubles[follow.Journal]},
	}
	f.Clusters = a.clusterFacts()
	f.Responding.Seal = sealWord(a.cfg)
	halted, err := pipeline.Halted(a.cfg.Decide)()
	if f.Responding.Halted = halted; err != nil {
		f.Responding.HaltUnknown = err.Error()
	}
	return f
}

// unread is how many bytes of a source are behind what was committed; 0 where it cannot be looked at, which the
// follower reports.
func (a *app) unread(ctx context.Context, source follow.Source) int64 {
	from, err := a.bookmarkOf(source)(ctx)
	if err != nil {
		return 0
	}
	var unread int64
	if source == follow.Alerts {
		unread, err = follow.UnreadAlerts(a.cfg.Wazuh.AlertsFile(), from)
	} else {
		unread, err = follow.UnreadJournal(a.cfg.Wazuh.JournalDir(), from)
	}
	if err != nil {
		return 0
	}
	return unread
}

func (a *app) clusterFacts() []health.Cluster {
	var facts []health.Cluster
	for _, cluster := range a.cfg.Clusters {
		if resolver, ok := a.resolvers.clusters[cluster.Name]; ok {
			facts = append(facts, health.Cluster{
				Name: cluster.Name, Nodes: len(cluster.Nodes), Own: resolver.Own(), Stats: resolver.Stats(),
			})
		}
	}
	return facts
}

// lookEvery is how often the board of faults is brought up to date.
const lookEvery = 5 * time.Second

// run keeps the board of faults, logs what changes on it, and feeds the service manager's watchdog until ctx ends.
func (w *watch) run(ctx context.Context, manager systemd.Manager, feed time.Duration, log logrus.FieldLogger) {
	looking := time.NewTicker(lookEvery)
	defer looking.Stop()
	var feeding <-chan time.Time
	if feed > 0 {
		ticker := time.NewTicker(feed)
		defer ticker.Stop()
		feeding = ticker.C
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-looking.C:
			w.look(ctx, log)
		case now := <-feeding:
			w.feed(now, manager, log)
		}
	}
}

// feed feeds the watchdog, unless a worker hangs: then the service manager restarts the daemon.
func (w *watch) feed(now time.Time, manager systemd.Manager, log logrus.FieldLogger) {
	for _, p := range []*pulse{w.line, w.publisher, w.responder} {
		if p.worker().Stuck(now) {
			log.WithField("worker", p.name).Error("serve: hangs; the watchdog is not fed any more")
			return
		}
	}
	if err := manager.Alive(); err != nil {
		log.WithError(err).Warn("serve: the watchdog is not fed")
	}
}

// look brings the board up to date, and logs what changed.
func (w *watch) look(ctx context.Context, log logrus.FieldLogger) health.Facts {
	ctx, cancel := context.WithTimeout(ctx, lookEvery)
	defer cancel()
	f := w.facts(ctx)
	raised, cleared := w.board.Update(f.At, health.Assess(f))
	for _, fault := range raised {
		entry := log.WithFields(logrus.Fields{"fault": fault.Code, "do": fault.Do})
		switch fault.Severity {
		case health.Error:
			entry.Error("health: " + fault.Text)
		case health.Warning:
			entry.Warn("health: " + fault.Text)
		default:
			entry.Info("health: " + fault.Text)
		}
	}
	for _, fault := range cleared {
		log.WithField("fault", fault.Code).Info("health: over: " + fault.Text)
	}
	return f
}

// apiOf is the API with its watch; nil stays nil, which says that none is configured.
func (w *watch) apiOf(api response.API) response.API {
	if api == nil {
		return nil
	}
	return apiWatched{API: api, watch: w}
}

// sealWord is what becomes of a decision to seal, in a word.
func sealWord(cfg config.Config) string {
	switch {
	case cfg.Decide.ObserveOnly:
		return "off"
	case cfg.Decide.Seal == config.ModeArmed:
		return "armed"
	}
	return "observe"
}
