package main

import (
	"context"
	"sync/atomic"
	"time"

	"custom-vault/internal/alert"
	"custom-vault/internal/health"
	"custom-vault/internal/identity"
	"custom-vault/internal/pipeline"
	"custom-vault/internal/publish"
	"custom-vault/internal/response"
	"custom-vault/internal/store"
	"custom-vault/internal/wazuhapi"
)

// pulse is when a worker last showed that it goes on: it began or ended something, or found nothing to do. A worker
// that hangs in one thing shows nothing, and so the watchdog is not fed.
type pulse struct {
	name string
	last atomic.Pointer[time.Time]
	// within is how long the worker may take for the longest of its things.
	within atomic.Int64
}

func newPulse(name string) *pulse {
	p := &pulse{name: name}
	p.within.Store(int64(time.Minute))
	p.beat()
	return p
}

func (p *pulse) beat() {
	now := time.Now()
	p.last.Store(&now)
}

func (p *pulse) worker() health.Worker {
	return health.Worker{Name: p.name, Last: *p.last.Load(), Within: time.Duration(p.within.Load())}
}

// lineWatched is the line's observer.
type lineWatched struct{ *watch }

func (l lineWatched) Turn() { l.line.beat() }

// resolverWatched shows that the line goes on while its alerts wait for Vault.
type resolverWatched struct {
	*resolvers
	line *pulse
}

func (r resolverWatched) Resolve(ctx context.Context, cluster string, a *alert.Alert, ask bool) identity.Identity {
	defer r.line.beat()
	return r.resolvers.Resolve(ctx, cluster, a, ask)
}

// outboxWatched shows that the publisher goes on.
type outboxWatched struct {
	publish.Outbox
	publisher *pulse
}

func (o outboxWatched) Due(ctx context.Context, now time.Time, limit int) ([]publish.Row, error) {
	defer o.publisher.beat()
	o.publisher.beat()
	return o.Outbox.Due(ctx, now, limit)
}

func (o outboxWatched) MarkSent(ctx context.Context, ids []string, at, again time.Time) error {
	defer o.publisher.beat()
	return o.Outbox.MarkSent(ctx, ids, at, again)
}

// ledgerWatched shows that the responder goes on, and counts how plans end.
type ledgerWatched struct {
	response.Ledger
	watch *watch
}

func (l ledgerWatched) RunningPlans(ctx context.Context) ([]store.Plan, error) {
	defer l.watch.responder.beat()
	l.watch.responder.beat()
	return l.Ledger.RunningPlans(ctx)
}

func (l ledgerWatched) DropIntent(ctx context.Context, id, reason string, at time.Time, events ...store.Event) error {
	defer l.watch.responder.beat()
	err := l.Ledger.DropIntent(ctx, id, reason, at, events...)
	if err == nil {
		l.watch.Planned("held")
	}
	return err
}

func (l ledgerWatched) BeginPlan(ctx context.Context, plan store.Plan, budget store.Budget, events ...store.Event) (string, error) {
	defer l.watch.responder.beat()
	refusal, err := l.Ledger.BeginPlan(ctx, plan, budget, events...)
	if err == nil && refusal == "" {
		l.watch.Planned("dispatched")
	}
	return refusal, err
}

func (l ledgerWatched) SavePlan(ctx context.Context, plan store.Plan, at time.Time, events ...store.Event) error {
	defer l.watch.responder.beat()
	err := l.Ledger.SavePlan(ctx, plan, at, events...)
	if err == nil && plan.State != store.PlanRunning {
		l.watch.Planned(plan.State)
		l.watch.planEnded(plan, at)
	}
	return err
}

// apiWatched shows that the responder goes on, and counts what became of its orders.
type apiWatched struct {
	response.API
	watch *watch
}

func (a apiWatched) ActiveResponse(ctx context.Context, agents wazuhapi.AgentIDs, order wazuhapi.Order) (wazuhapi.Outcome, error) {
	defer a.watch.responder.beat()
	a.watch.responder.beat()
	outcome, err := a.API.ActiveResponse(ctx, agents, order)
	for _, agent := range outcome.Agents {
		a.watch.Delivered(string(agent.Reason))
	}
	return outcome, err
}

// proberWatched shows that the responder goes on.
type proberWatched struct {
	response.Prober
	responder *pulse
}

func (p proberWatched) Sealed(ctx context.Context, cluster, node string) (bool, error) {
	defer p.responder.beat()
	return p.Prober.Sealed(ctx, cluster, node)
}

// publisherWatched tells several observers of the publisher.
type publisherWatched []publish.Observer

func (all publisherWatched) Sent(row publish.Row, at time.Time) {
	for _, o := range all {
		o.Sent(row, at)
	}
}

func (all publisherWatched) Faulted(row publish.Row, fault publish.Fault) {
	for _, o := range all {
		o.Faulted(row, fault)
	}
}

func (all publisherWatched) Away(err *publish.SendError) {
	for _, o := range all {
		o.Away(err)
	}
}

func (all publisherWatched) Back() {
	for _, o := range all {
		o.Back()
	}
}

func (all publisherWatched) OutboxFailed(err error) {
	for _, o := range all {
		o.OutboxFailed(err)
	}
}

// publisherPulse is an observer that shows that the publisher goes on, however slow its pace.
type publisherPulse struct{ *pulse }

func (p publisherPulse) Sent(publish.Row, time.Time)        { p.beat() }
func (p publisherPulse) Faulted(publish.Row, publish.Fault) { p.beat() }
func (p publisherPulse) Away(*publish.SendError)            { p.beat() }
func (p publisherPulse) Back()                              { p.beat() }
func (p publisherPulse) OutboxFailed(error)                 { p.beat() }

var _ pipeline.Observer = lineWatched{}
