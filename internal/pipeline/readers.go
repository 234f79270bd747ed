package pipeline

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"time"

	"custom-vault/internal/config"
	"custom-vault/internal/escalation"
	"custom-vault/internal/incident"
	"custom-vault/internal/screen"
)

// guardReader reads the state of the guards, once for each batch and cluster, and keeps it true within the batch.
type guardReader struct {
	p        *Pipeline
	now      time.Time
	clusters map[string]escalation.State
}

func (g *guardReader) state(ctx context.Context, in Observed) (escalation.State, error) {
	state, ok := g.clusters[in.Cluster]
	if !ok {
		var err error
		if state, err = g.read(ctx, in.Cluster); err != nil {
			return state, err
		}
		g.clusters[in.Cluster] = state
	}
	state.OurToken = in.Verdict == screen.Suspect
	return state, nil
}

func (g *guardReader) read(ctx context.Context, cluster string) (escalation.State, error) {
	decide := g.p.cfg.Decide
	state := escalation.State{
		Cluster: cluster, Armed: armed(decide), ObserveOnly: decide.ObserveOnly, StaleAfter: decide.StaleAfter,
	}
	halted, err := Halted(decide)()
	if state.Halted = halted; err != nil {
		state.HaltUnknown = err.Error()
	}
	running, used, err := g.p.deps.Store.PlanState(ctx, cluster, escalation.Seal, g.now.Add(-24*time.Hour))
	if err != nil {
		return state, err
	}
	state.PlanRunning, state.SealBudget = running, decide.SealsPerDay-used
	return state, nil
}

// planned notes that an alert of this batch has led to an intent: the next one of its cluster finds it under way.
func (g *guardReader) planned(cluster string) {
	state := g.clusters[cluster]
	state.PlanRunning = true
	g.clusters[cluster] = state
}

// Halted returns the look at the kill switch.
func Halted(decide config.Decide) func() (bool, error) {
	return func() (bool, error) {
		_, err := os.Lstat(decide.HaltFile)
		switch {
		case err == nil:
			return true, nil
		case errors.Is(err, fs.ErrNotExist):
			return false, nil
		}
		return false, err
	}
}

// incidentReader keeps incidents that a batch has touched, so that its alerts join one another.
type incidentReader struct {
	p       *Pipeline
	current map[[2]string]*incident.Incident
	changed map[string]incident.Incident
}

func (r *incidentReader) join(ctx context.Context, d Decided) (*incident.Incident, error) {
	key := [2]string{d.Cluster, d.Seen.Subject}
	if d.Seen.Subject == "" {
		return nil, nil
	}
	current, ok := r.current[key]
	if !ok {
		var err error
		if current, err = r.p.lastIncident(ctx, key); err != nil {
			return nil, err
		}
	}
	next := incident.Join(current, incident.Sighting{
		Key: d.Alert.Key.String(), Cluster: d.Cluster, Subject: d.Seen.Subject, Name: d.Identity.Name(),
		At: d.Alert.Timestamp, Decision: d.Decision,
	})
	if next == nil {
		r.current[key] = current
		return nil, nil
	}
	r.current[key] = next
	r.changed[next.ID] = *next
	return next, nil
}
