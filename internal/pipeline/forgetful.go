package pipeline

import (
	"context"
	"errors"
	"time"

	"custom-vault/internal/alert"
	"custom-vault/internal/escalation"
	"custom-vault/internal/incident"
	"custom-vault/internal/store"
)

// Forgetful is the Store of a trial: it knows of nothing before, and keeps nothing.
type Forgetful struct{}

// Known knows no alert.
func (Forgetful) Known(context.Context, []alert.Key) (map[alert.Key]bool, error) {
	return make(map[alert.Key]bool), nil
}

// LastIncident knows no incident.
func (Forgetful) LastIncident(context.Context, string, string) (*incident.Incident, error) {
	return nil, nil
}

// PlanState knows no plan.
func (Forgetful) PlanState(context.Context, string, escalation.Action, time.Time) (bool, int, error) {
	return false, 0, nil
}

// Commit refuses: a trial has nothing to commit.
func (Forgetful) Commit(context.Context, store.Commit) error {
	return errors.New("a trial keeps nothing")
}
