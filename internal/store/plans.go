package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"custom-vault/internal/escalation"
)

// States of an intent and of a plan.
const (
	intentPlanned = "planned"
	intentDropped = "dropped"

	PlanRunning = "running"
	PlanFailed  = "failed" // no node was sealed and no order left: such a plan takes nothing off the budget
)

// Plan is what is done about an intent.
type Plan struct {
	ID       string
	Intent   string
	Cluster  string
	Action   escalation.Action
	State    string // PlanRunning, or how it ended
	Started  time.Time
	Deadline time.Time
	Ended    time.Time
	Detail   string
}

// NextIntent returns the gravest waiting intent, among equals the oldest; ok is false where there is none.
func (s *Store) NextIntent(ctx context.Context) (intent Intent, ok bool, err error) {
	var created int64
	var action string
	err = s.reader.QueryRowContext(ctx, `SELECT id, cluster, action, severity, created, detail FROM intents
  WHERE state='waiting' ORDER BY severity DESC, created LIMIT 1`).
		Scan(&intent.ID, &intent.Cluster, &action, &intent.Severity, &created, &intent.Detail)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return Intent{}, false, nil
	case err != nil:
		return Intent{}, false, fmt.Errorf("read the next intent: %w", err)
	}
	intent.Action, _ = escalation.ParseAction(action) // an unknown one is Record, which nobody carries out
	intent.Created = timeOf(created)
	return intent, true, nil
}

// DropIntent ends an intent without a plan, and keeps the event that says why.
func (s *Store) DropIntent(ctx context.Context, id, reason string, at time.Time, events ...Event) error {
	return s.write(ctx, func(w *writing) error {
		if err := w.exec(`UPDATE intents SET state=$2, reason=$3 WHERE id=$1 AND state='waiting'`, id, intentDropped, reason); err != nil {
			return fmt.Errorf("drop intent %s: %w", id, err)
		}
		return w.events(events, at)
	})
}

// Budget is what a plan may take: at most Max plans of its action for its cluster since a time.
type Budget struct {
	Since time.Time
	Max   int
}

// Reasons why a plan was not begun.
const (
	RefusedRunning = "a plan for the cluster is already running"
	RefusedBudget  = "the cluster's budget is used up"
)

// countPlans counts a cluster's running plans, and those of an action since a time that count against its budget.
const countPlans = `SELECT
  COALESCE(SUM(CASE WHEN state='running' THEN 1 ELSE 0 END), 0),
  COALESCE(SUM(CASE WHEN action=$2 AND started>=$3 AND state<>'failed' THEN 1 ELSE 0 END), 0)
  FROM plans WHERE cluster=$1`

// BeginPlan writes the plan, takes it off the budget and marks its intent as planned, in one transaction. Where the
// plan may not begin, refusal says why and nothing was written. An intent that is not waiting is an error: it has its
// plan, or was dropped.
func (s *Store) BeginPlan(ctx context.Context, plan Plan, budget Budget, events ...Event) (refusal string, err error) {
	err = s.write(ctx, func(w *writing) error {
		var running, used int
		err := w.tx.QueryRowContext(w.ctx, countPlans, plan.Cluster, plan.Action.String(), millis(budget.Since)).Scan(&running, &used)
		switch {
		case err != nil:
			return fmt.Errorf("count plans of %s: %w", plan.Cluster, err)
		case running > 0:
			refusal = RefusedRunning
			return nil
		case used >= budget.Max:
			refusal = RefusedBudget
			return nil
		}
		return w.begin(plan, events)
	})
	if err != nil {
		return "", err
	}
	return refusal, nil
}

func (w *writing) begin(plan Plan, events []Event) error {
	taken, err := w.changed(`UPDATE intents SET state=$2 WHERE id=$1 AND state='waiting'`, plan.Intent, intentPlanned)
	switch {
	case err != nil:
		return fmt.Errorf("mark intent %s as planned: %w", plan.Intent, err)
	case taken != 1:
		return fmt.Errorf("begin plan %s: intent %s is not waiting", plan.ID, plan.Intent)
	}
	if err := w.exec(`INSERT INTO plans (id, intent, cluster, action, state, started, deadline, ended, detail)
  VALUES ($1,$2,$3,$4,$5,$6,$7,0,$8)`, plan.ID, plan.Intent, plan.Cluster, plan.Action.String(), PlanRunning,
		millis(plan.Started), millis(plan.Deadline), plan.Detail); err != nil {
		return fmt.Errorf("keep plan %s: %w", plan.ID, err)
	}
	return w.events(events, plan.Started)
}

// SavePlan keeps a running plan's progress or its end, and the events that tell it. What has ended stays ended.
func (s *Store) SavePlan(ctx context.Context, plan Plan, at time.Time, events ...Event) error {
	return s.write(ctx, func(w *writing) error {
		kept, err := w.changed(`UPDATE plans SET state=$2, ended=$3, detail=$4 WHERE id=$1 AND state='running'`,
			plan.ID, plan.State, millis(plan.Ended), plan.Detail)
		switch {
		case err != nil:
			return fmt.Errorf("keep plan %s: %w", plan.ID, err)
		case kept != 1:
			return fmt.Errorf("keep plan %s: it is not running", plan.ID)
		}
		return w.events(events, at)
	})
}

// RunningPlans returns plans that did not end: after a crash they are carried through.
func (s *Store) RunningPlans(ctx context.Context) ([]Plan, error) {
	rows, err := s.reader.QueryContext(ctx, `SELECT id, intent, cluster, action, state, started, deadline, detail
  FROM plans WHERE state='running' ORDER BY started`)
	if err != nil {
		return nil, fmt.Errorf("read running plans: %w", err)
	}
	defer rows.Close()
	var plans []Plan
	for rows.Next() {
		var p Plan
		var action string
		var started, deadline int64
		if err := rows.Scan(&p.ID, &p.Intent, &p.Cluster, &action, &p.State, &started, &deadline, &p.Detail); err != nil {
			return nil, fmt.Errorf("read running plans: %w", err)
		}
		p.Action, _ = escalation.ParseAction(action) // as in NextIntent
		p.Started, p.Deadline = timeOf(started), timeOf(deadline)
		plans = append(plans, p)
	}
	return plans, rows.Err()
}

// PlanState tells whether a plan for the cluster is running or an intent for it waits, and how many plans of the action
// began since a time.
func (s *Store) PlanState(ctx context.Context, cluster string, action escalation.Action, since time.Time) (running bool, used int, err error) {
	var active, waiting int
	err = s.reader.QueryRowContext(ctx, `SELECT
  COALESCE(SUM(CASE WHEN state='running' THEN 1 ELSE 0 END), 0),
  COALESCE(SUM(CASE WHEN action=$2 AND started>=$3 AND state<>'failed' THEN 1 ELSE 0 END), 0),
  (SELECT COUNT(*) FROM intents WHERE cluster=$1 AND state='waiting')
  FROM plans WHERE cluster=$1`, cluster, action.String(), millis(since)).Scan(&active, &used, &waiting)
	if err != nil {
		return false, 0, fmt.Errorf("count plans of %s: %w", cluster, err)
	}
	return active+waiting > 0, used, nil
}
