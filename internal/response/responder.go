package response

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sirupsen/logrus"

	"custom-vault/internal/escalation"
	"custom-vault/internal/store"
	"custom-vault/internal/wazuhapi"
)

// Ledger is where intents come from and plans are kept.
type Ledger interface {
	NextIntent(ctx context.Context) (store.Intent, bool, error)
	DropIntent(ctx context.Context, id, reason string, at time.Time, events ...store.Event) error
	BeginPlan(ctx context.Context, plan store.Plan, budget store.Budget, events ...store.Event) (refusal string, err error)
	SavePlan(ctx context.Context, plan store.Plan, at time.Time, events ...store.Event) error
	RunningPlans(ctx context.Context) ([]store.Plan, error)
}

// API tells agents what to run.
type API interface {
	ActiveResponse(ctx context.Context, agents wazuhapi.AgentIDs, order wazuhapi.Order) (wazuhapi.Outcome, error)
}

// Prober asks a node itself whether it is sealed.
type Prober interface {
	Sealed(ctx context.Context, cluster, node string) (bool, error)
}

// Target is a cluster as a plan needs it.
type Target struct {
	Name  string
	Nodes []TargetNode
}

// TargetNode is a node and the agent that runs on it.
type TargetNode struct {
	Name  string
	Agent string
}

// Config is what the responder works with.
type Config struct {
	Ledger  Ledger
	API     API // nil: no API is configured, and every intent is dropped with that reason
	Prober  Prober
	Targets []Target
	Command string // of the active response on the agents

	ObserveOnly bool
	SealsPerDay int
	// StaleAfter is how old an intent may be when its turn comes, which after a long outage is long; 0 is no limit.
	StaleAfter time.Duration
	// Halted looks at the kill switch; an error holds back like a yes.
	Halted func() (bool, error)

	PlanTime   time.Duration // how long a plan may try; default 1 min
	ProbeEvery time.Duration // default 100 ms
	TellAgain  time.Duration // how long an agent has before it is told again; default 15 s

	Now  func() time.Time
	Log  logrus.FieldLogger
	Told func() // called after events were written, so that the publisher looks
}

// Responder is the worker that carries intents out, one after the other: a plan is a matter of seconds, and there
// is at most one for a cluster.
type Responder struct {
	Config
	wake chan struct{}
}

// New returns a responder; Run does the work.
func New(cfg Config) *Responder {
	if cfg.PlanTime <= 0 {
		cfg.PlanTime = time.Minute
	}
	if cfg.ProbeEvery <= 0 {
		cfg.ProbeEvery = 100 * time.Millisecond
	}
	if cfg.TellAgain <= 0 {
		cfg.TellAgain = 15 * time.Second
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Told == nil {
		cfg.Told = func() {}
	}
	return &Responder{Config: cfg, wake: make(chan struct{}, 1)}
}

// Wake says that there may be a new intent. It never blocks.
func (r *Responder) Wake() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// idleLook is how often the ledger is looked at without having been woken.
const idleLook = 5 * time.Second

// Run first carries plans through that a crash interrupted, then works on intents until ctx ends. A fault of the
// ledger is logged and tried again: giving up would lose the response.
func (r *Responder) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		worked, err := r.Step(ctx)
		if err != nil && ctx.Err() == nil {
			r.Log.WithError(err).Error("response: trying again")
		}
		if worked && err == nil {
			continue
		}
		select {
		case <-ctx.Done():
		case <-r.wake:
		case <-time.After(idleLook):
		}
	}
	return nil
}

// Step carries through whatever is under way, then one intent; worked is false where there was nothing to do.
func (r *Responder) Step(ctx context.Context) (worked bool, err error) {
	rows, err := r.Ledger.RunningPlans(ctx)
	if err != nil {
		return false, err
	}
	for _, row := range rows {
		plan, err := planOf(row)
		if err != nil { // its cluster stays blocked; the others must not be
			r.Log.WithError(err).Error("response: a plan that is running cannot be carried through")
			continue
		}
		r.Log.WithField("plan", plan.ID).Warn("response: carrying an interrupted plan through")
		if err := r.carryOut(ctx, plan); err != nil {
			return false, err
		}
		worked = true
	}
	intent, ok, err := r.Ledger.NextIntent(ctx)
	if err != nil || !ok {
		return worked, err
	}
	return true, r.take(ctx, intent)
}

// take makes a plan of an intent, unless a guard that is looked at once more says no.
func (r *Responder) take(ctx context.Context, intent store.Intent) error {
	authority, err := ByArmedDecision(intent.Detail)
	if err != nil {
		return r.drop(ctx, intent, Ground{}, err.Error())
	}
	target, ok := r.target(intent.Cluster)
	switch reason, age := r.heldBack(), r.Now().Sub(intent.Created); {
	case reason != "":
		return r.drop(ctx, intent, authority.ground, reason)
	case intent.Action != authority.action:
		return r.drop(ctx, intent, authority.ground, fmt.Sprintf("the intent is to %s, its ground is a decision to %s", intent.Action, authority.action))
	case r.StaleAfter > 0 && age > r.StaleAfter:
		return r.drop(ctx, intent, authority.ground, fmt.Sprintf("the decision is %s old, more than %s", age.Round(time.Second), r.StaleAfter))
	case r.API == nil:
		return r.drop(ctx, intent, authority.ground, "no wazuh.api is configured")
	case !ok:
		return r.drop(ctx, intent, authority.ground, "the cluster is no longer in the configuration")
	}
	plan := r.newPlan(intent, authority, target)
	row, err := plan.row(store.PlanRunning, time.Time{})
	if err != nil {
		return err
	}
	events, err := r.tell(plan, stateDispatched, "")
	if err != nil {
		return err
	}
	refusal, err := r.Ledger.BeginPlan(ctx, row, store.Budget{Since: plan.Started.Add(-24 * time.Hour), Max: r.SealsPerDay}, events...)
	switch {
	case err != nil:
		return err
	case refusal != "":
		return r.drop(ctx, intent, authority.ground, refusal)
	}
	r.Told()
	r.Log.WithFields(logrus.Fields{"plan": plan.ID, "cluster": plan.Cluster, "ordered_by": authority.ordered}).Warn("response: sealing")
	return r.carryOut(ctx, plan)
}

// heldBack looks once more at the guards that may have changed since the decision.
func (r *Responder) heldBack() string {
	if r.ObserveOnly {
		return "decide.observe_only is set"
	}
	halted, err := r.Halted()
	switch {
	case err != nil:
		return fmt.Sprintf("the halt file could not be looked at: %v", err)
	case halted:
		return "the halt file exists"
	}
	return ""
}

func (r *Responder) drop(ctx context.Context, intent store.Intent, ground Ground, reason string) error {
	r.Log.WithFields(logrus.Fields{"intent": intent.ID, "cluster": intent.Cluster, "reason": reason}).Warn("response: held back")
	plan := &Plan{ID: intent.ID, Cluster: intent.Cluster, Action: intent.Action, Started: intent.Created, Work: Work{Ground: ground}}
	events, err := r.tell(plan, stateHeld, reason)
	if err != nil {
		return err
	}
	if err := r.Ledger.DropIntent(ctx, intent.ID, reason, r.Now(), events...); err != nil {
		return err
	}
	r.Told()
	return nil
}

func (r *Responder) target(name string) (Target, bool) {
	for _, t := range r.Targets {
		if t.Name == name {
			return t, true
		}
	}
	return Target{}, false
}

func (r *Responder) newPlan(intent store.Intent, authority Authority, target Target) *Plan {
	now := r.Now()
	plan := &Plan{
		ID: newPlanID(), Intent: intent.ID, Cluster: intent.Cluster, Action: authority.action,
		Started: now, Deadline: now.Add(r.PlanTime), Work: Work{Ground: authority.ground, Ordered: authority.ordered},
	}
	for _, node := range target.Nodes {
		plan.Work.Nodes = append(plan.Work.Nodes, Node{Name: node.Name, Agent: node.Agent, State: NodeUnknown})
	}
	return plan
}

// carryOut asks nodes and tells agents until all nodes are sealed, the plan's time is over, or something holds it
// back. What became of each order is kept before the next round, so that a crash repeats no more than one order.
func (r *Responder) carryOut(ctx context.Context, plan *Plan) error {
	for {
		if err := r.round(ctx, plan); err != nil {
			return err
		}
		if plan.closed() || plan.Work.Stopped != "" || !r.Now().Before(plan.Deadline) {
			return r.end(ctx, plan)
		}
		select {
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("plan %s goes on after the restart", plan.ID), ctx.Err())
		case <-time.After(r.ProbeEvery):
		}
	}
}

func (r *Responder) end(ctx context.Context, plan *Plan) error {
	now, outcome := r.Now(), plan.outcome()
	row, err := plan.row(outcome, now)
	if err != nil {
		return err
	}
	state := map[string]string{PlanClosed: stateSealed, PlanPartly: statePartly, PlanFailed: stateFailed}[outcome]
	events, err := r.tell(plan, state, plan.Work.Stopped)
	if err != nil {
		return err
	}
	if err := r.Ledger.SavePlan(ctx, row, now, events...); err != nil {
		return err
	}
	r.Told()
	entry := r.Log.WithFields(logrus.Fields{"plan": plan.ID, "cluster": plan.Cluster, "outcome": outcome, "nodes": plan.words()})
	if outcome == PlanClosed && plan.Action == escalation.Seal {
		entry.Warn("response: every node is sealed")
	} else {
		entry.Error("response: not every node is proved to be sealed: look at each of them now")
	}
	return nil
}
