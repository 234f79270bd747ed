// Package pipeline wires the stages into one line: follow, accept, screen, identify, observe, decide, one commit. It
// owns the goroutines and their end, and holds no logic of its own: what a stage does is in the stage's package. It
// may import all of them; only commands may import it.
package pipeline

import (
	"context"
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
	Better    <-chan struct{}  // says that the resolver may have better answers than before; may be nil
	Observer  Observer         // nil for nobody
	Windows   *observe.Windows // those of the line before this one, which has ended; nil for new ones
}

// Pipeline is the line of stages. Handle is for one goroutine at a time.
type Pipeline struct {
	cfg       config.Config
	deps      Deps
	log       logrus.FieldLogger
	windows   *observe.Windows
	seen      Observer
	late      late
	indexed   map[string]bool // clusters with an index of hashed accessors
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
	if deps.Observer == nil {
		deps.Observer = nobody{}
	}
	if deps.Windows == nil {
		deps.Windows = observe.New(observe.MaxSubjects)
	}
	indexed := make(map[string]bool)
	for _, cluster := range cfg.Clusters {
		indexed[cluster.Name] = cluster.HashIndex.Enabled
	}
	return &Pipeline{
		indexed: indexed, cfg: cfg, deps: deps, log: deps.Log, windows: deps.Windows, seen: deps.Observer,
		incidents: otter.Must(&otter.Options[[2]string, *incident.Incident]{MaximumSize: 10_000}),
	}
}

// Batch is what a source gave, and where it is to be read on.
type Batch struct {
	Source   string
	Bookmark string
	Lines    []Line
	Gaps     []Gap
}

// Gap is a place where lines are known to be lost.
type Gap struct {
	event.Gap
	Offset int64  // where it begins in its file
	Behind string // the bookmark right behind it: read again, the same gap has the same
}

// Result is what became of a batch.
type Result struct {
	Decided []Decided
	Events  int
	Intents int
}

// Try takes lines through every stage but the commit.
func (p *Pipeline) Try(ctx context.Context, lines []Line) (Result, error) {
	j := p.newJob(Batch{Lines: lines})
	if err := p.prepare(ctx, j); err != nil {
		return Result{}, err
	}
	return j.result, nil
}

// Handle takes a batch through every stage and commits all that it led to, its bookmark included, in one
// transaction. Where it fails nothing was kept; what the windows have counted they keep, which is why Run goes on
// with the same job and not from the start.
func (p *Pipeline) Handle(ctx context.Context, batch Batch) (Result, error) {
	j := p.newJob(batch)
	err := p.work(ctx, j)
	return j.result, err
}

// work takes a job from where it is to its end.
func (p *Pipeline) work(ctx context.Context, j *job) error {
	if err := p.prepare(ctx, j); err != nil {
		p.seen.Kept(0, err)
		return err
	}
	if j.empty() {
		return nil
	}
	began := time.Now()
	err := p.deps.Store.Commit(ctx, j.commit)
	p.seen.Kept(time.Since(began), err)
	if err != nil {
		return err
	}
	for _, n := range j.commit.Incidents {
		p.incidents.Set([2]string{n.Cluster, n.Subject}, &n)
	}
	if j.result.Events+j.result.Intents > 0 {
		p.deps.Committed(j.result.Events, j.result.Intents)
	}
	return nil
}
