// Package pipeline wires the stages into one line: follow, accept, screen, identify, observe, decide, one commit. It
// owns the goroutines and their end, and holds no logic of its own: what a stage does is in the stage's package. It
// may import all of them; only commands may import it.
package pipeline

import (
	"context"
	"fmt"
	"time"

	"github.com/maypok86/otter/v2"
	"github.com/sirupsen/logrus"

	"custom-vault/internal/alert"
	"custom-vault/internal/config"
	"custom-vault/internal/escalation"
	"custom-vault/internal/event"
	"custom-vault/internal/identity"
	"custom-vault/internal/incident"
	"custom-vault/internal/observe"
	"custom-vault/internal/screen"
	"custom-vault/internal/store"
)

// lookupsAtOnce bounds how many alerts of a batch wait for Vault at the same time.
const lookupsAtOnce = 16

// Store is what the line needs of the state.
type Store interface {
	Known(ctx context.Context, keys []alert.Key) (map[alert.Key]bool, error)
	LastIncident(ctx context.Context, cluster, subject string) (*incident.Incident, error)
	PlanState(ctx context.Context, cluster string, action escalation.Action, since time.Time) (running bool, used int, err error)
	Commit(ctx context.Context, c store.Commit) error
}

// Resolver answers who acted. With ask false it may use the record alone.
type Resolver interface {
	Resolve(ctx context.Context, cluster string, a *alert.Alert, ask bool) identity.Identity
}

// Deps is what the line works with.
type Deps struct {
	Store    Store
	Resolver Resolver
	Screen   *screen.Screen
	Rules    *escalation.RuleSet
	Now      func() time.Time
	Log      logrus.FieldLogger
	// Committed is called after a commit that left events or intents; it must not block.
	Committed func(events, intents int)
}

// Pipeline is the line of stages. Handle is for one goroutine at a time.
type Pipeline struct {
	cfg       config.Config
	deps      Deps
	log       logrus.FieldLogger
	windows   *observe.Windows
	incidents *otter.Cache[[2]string, *incident.Incident]
}

// New makes a line of stages.
func New(cfg config.Config, deps Deps) *Pipeline {
	if deps.Now == nil {
		deps.Now = time.Now
	}
	if deps.Committed == nil {
		deps.Committed = func(int, int) {}
	}
	return &Pipeline{
		cfg: cfg, deps: deps, log: deps.Log, windows: observe.New(observe.MaxSubjects),
		incidents: otter.Must(&otter.Options[[2]string, *incident.Incident]{MaximumSize: 10_000}),
	}
}

// lastIncident remembers the subjects that have none, which is nearly all of them.
func (p *Pipeline) lastIncident(ctx context.Context, key [2]string) (*incident.Incident, error) {
	if current, ok := p.incidents.GetIfPresent(key); ok {
		return current, nil
	}
	return p.deps.Store.LastIncident(ctx, key[0], key[1])
}

// Batch is what a source gave, and where it is to be read on.
type Batch struct {
	Source   string
	Bookmark string
	Lines    []Line
	Gaps     []event.Gap
}

// Result is what became of a batch.
type Result struct {
	Decided []Decided
	Events  int
	Intents int
}

// Try takes lines through every stage but the commit.
func (p *Pipeline) Try(ctx context.Context, lines []Line) (Result, error) {
	_, result, err := p.through(ctx, Batch{Lines: lines})
	return result, err
}

// Handle takes a batch through every stage and commits all that it led to, its bookmark included, in one
// transaction. Where it fails nothing was kept, and the same batch can be handled again.
func (p *Pipeline) Handle(ctx context.Context, batch Batch) (Result, error) {
	commit, result, err := p.through(ctx, batch)
	if err != nil {
		return Result{}, err
	}
	if err := p.deps.Store.Commit(ctx, commit); err != nil {
		return Result{}, err
	}
	for _, n := range commit.Incidents {
		p.incidents.Set([2]string{n.Cluster, n.Subject}, &n)
	}
	if result.Events+result.Intents > 0 {
		p.deps.Committed(result.Events, result.Intents)
	}
	return result, nil
}

func (p *Pipeline) through(ctx context.Context, batch Batch) (store.Commit, Result, error) {
	now := p.deps.Now()
	c := collector{commit: store.Commit{At: now}}
	if batch.Source != "" && batch.Bookmark != "" {
		c.commit.Bookmarks = map[string]string{batch.Source: batch.Bookmark}
	}
	accepted, err := p.accept(ctx, batch.Lines)
	if err != nil {
		return c.commit, Result{}, err
	}
	p.screen(accepted, now)
	guards := &guardReader{p: p, now: now, clusters: make(map[string]escalation.State)}
	incidents := &incidentReader{p: p, current: make(map[[2]string]*incident.Incident), changed: make(map[string]incident.Incident)}
	for _, identified := range p.identify(ctx, accepted) {
		if own := c.keepOwn(identified); own {
			continue
		}
		decided, err := p.decide(ctx, p.observe(identified), guards, incidents)
		if err != nil {
			return c.commit, Result{}, err
		}
		if err := c.keep(decided, guards); err != nil {
			return c.commit, Result{}, fmt.Errorf("alert %s: %w", decided.Alert.ID, err)
		}
	}
	for _, n := range incidents.changed {
		c.commit.Incidents = append(c.commit.Incidents, n)
	}
	for _, gap := range batch.Gaps {
		p.log.WithFields(logrus.Fields{"source": gap.Source, "file": gap.File, "reason": gap.Reason, "bytes": gap.Bytes}).Error("follow: alerts were lost")
		if err := c.publish(event.Lost(gap, batch.Bookmark)); err != nil {
			return c.commit, Result{}, err
		}
	}
	for _, intruder := range p.deps.Screen.Due(now) {
		if err := c.publish(event.Intruder(intruder)); err != nil {
			return c.commit, Result{}, err
		}
	}
	c.commit.Own = p.deps.Screen.TakeFresh()
	c.result.Events, c.result.Intents = len(c.commit.Events), len(c.commit.Intents)
	return c.commit, c.result, nil
}
