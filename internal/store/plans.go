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
	intent.Action, ok = escalation.ParseAction(action)
	if !ok {
		return Intent{}, false, fmt.Errorf("intent %s has the unknown action %q", intent.ID, action)
	}
	intent.Created = timeOf(created)
	return intent, true, nil
}

// DropIntent ends an intent without a plan, and keeps the event that says why.
func (s *Store) DropIntent(ctx context.Context, id, reason string, at time.Time, events ...Event) error {
	return s.write(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `UPDATE intents SET state=$2, reason=$3 WHERE id=$1 AND state='waiting'`,
			id, intentDropped, reason); err != nil {
			return fmt.Errorf("drop intent %s: %w", id, err)
		}
		return insertEvents(ctx, tx, events, at)
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

// BeginPlan writes the plan, takes it off the budget and marks its intent as planned, in one transaction. Where the
// plan may not begin, refusal says why and nothing was written.
func (s *Store) BeginPlan(ctx context.Context, plan Plan, budget Budget, events ...Event) (refusal string, err error) {
	err = s.write(ctx, func(tx *sql.Tx) error {
		var running, used int
		if err := tx.QueryRowContext(ctx, `SELECT
  COALESCE(SUM(CASE WHEN state='running' THEN 1 ELSE 0 END), 0),
  COALESCE(SUM(CASE WHEN action=$2 AND started>=$3 THEN 1 ELSE 0 END), 0)
  FROM plans WHERE cluster=$1`, plan.Cluster, plan.Action.String(), millis(budget.Since)).Scan(&running, &used); err != nil {
			return fmt.Errorf("count plans of %s: %w", plan.Cluster, err)
		}
		switch {
		case running > 0:
			refusal = RefusedRunning
			return nil
		case used >= budget.Max:
			refusal = RefusedBudget
			return nil
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO plans (id, intent, cluster, action, state, started, deadline, ended, detail)
  VALUES ($1,$2,$3,$4,$5,$6,$7,0,$8)`, plan.ID, plan.Intent, plan.Cluster, plan.Action.String(), PlanRunning,
			millis(plan.Started), millis(plan.Deadline), plan.Detail); err != nil {
			return fmt.Errorf("keep plan %s: %w", plan.ID, err)
		}
		if _, err := tx.ExecContext(ctx, `UPDATE intents SET state=$2 WHERE id=$1`, plan.Intent, intentPlanned); err != nil {
			return fmt.Errorf("mark intent %s as planned: %w", plan.Intent, err)
		}
		return insertEvents(ctx, tx, events, plan.Started)
	})
	return refusal, err
}

// SavePlan keeps a plan's progress, and the events that tell it.
func (s *Store) SavePlan(ctx context.Context, plan Plan, at time.Time, events ...Event) error {
	return s.write(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `UPDATE plans SET state=$2, ended=$3, detail=$4 WHERE id=$1`,
			plan.ID, plan.State, millis(plan.Ended), plan.Detail); err != nil {
			return fmt.Errorf("keep plan %s: %w", plan.ID, err)
		}
		return insertEvents(ctx, tx, events, at)
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
		p.Action, _ = escalation.ParseAction(action)
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
  COALESCE(SUM(CASE WHEN action=$2 AND started>=$3 THEN 1 ELSE 0 END), 0),
  (SELECT COUNT(*) FROM intents WHERE cluster=$1 AND state='waiting')
  FROM plans WHERE cluster=$1`, cluster, action.String(), millis(since)).Scan(&active, &used, &waiting)
	if err != nil {
		return false, 0, fmt.Errorf("count plans of %s: %w", cluster, err)
	}
	return active+waiting > 0, used, nil
}

func insertEvents(ctx context.Context, tx *sql.Tx, events []Event, at time.Time) error {
	for i, e := range events {
		if _, err := tx.ExecContext(ctx, insertEvent, e.ID, e.AgentID, e.AgentName, e.AgentIP, e.Body, millis(at), at.UnixNano()+int64(i)); err != nil {
			return fmt.Errorf("keep event %s: %w", e.ID, err)
		}
	}
	return nil
}
