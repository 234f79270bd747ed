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

// look is how things stood just before a batch was decided, kept true while it is.
type look struct {
	now       time.Time
	guards    map[string]escalation.State // by cluster
	incidents map[[2]string]*incident.Incident
	changed   map[string]*incident.Incident // by id
}

// look reads what deciding about the batch needs.
func (p *Pipeline) look(ctx context.Context, batch []Identified) (*look, error) {
	l := &look{
		now: p.deps.Now(), guards: make(map[string]escalation.State),
		incidents: make(map[[2]string]*incident.Incident), changed: make(map[string]*incident.Incident),
	}
	for _, in := range batch {
		if in.own() {
			continue
		}
		if _, ok := l.guards[in.Cluster]; !ok {
			state, err := p.guards(ctx, in.Cluster, l.now)
			if err != nil {
				return nil, err
			}
			l.guards[in.Cluster] = state
		}
		key := [2]string{in.Cluster, in.subject()}
		if _, ok := l.incidents[key]; !ok && key[1] != "" {
			current, err := p.lastIncident(ctx, key)
			if err != nil {
				return nil, err
			}
			l.incidents[key] = current
		}
	}
	return l, nil
}

func (in Identified) own() bool { return in.Verdict == screen.Echo || in.Verdict == screen.Lookup }

// guards reads how things stand with a cluster's guards.
func (p *Pipeline) guards(ctx context.Context, cluster string, now time.Time) (escalation.State, error) {
	decide := p.cfg.Decide
	state := escalation.State{
		Cluster: cluster, Armed: armed(decide), ObserveOnly: decide.ObserveOnly, StaleAfter: decide.StaleAfter,
	}
	halted, err := Halted(decide)()
	if state.Halted = halted; err != nil {
		state.HaltUnknown = err.Error()
	}
	running, used, err := p.deps.Store.PlanState(ctx, cluster, escalation.Seal, now.Add(-24*time.Hour))
	if err != nil {
		return state, err
	}
	state.PlanRunning, state.SealBudget = running, decide.SealsPerDay-used
	return state, nil
}

// planned notes that an alert of this batch has led to an intent: the next one of its cluster finds it under way.
func (l *look) planned(cluster string) {
	state := l.guards[cluster]
	state.PlanRunning = true
	l.guards[cluster] = state
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

// lastIncident asks the store but once about each subject, most of which never have an incident.
func (p *Pipeline) lastIncident(ctx context.Context, key [2]string) (*incident.Incident, error) {
	if current, ok := p.incidents.GetIfPresent(key); ok {
		return current, nil
	}
	current, err := p.deps.Store.LastIncident(ctx, key[0], key[1])
	if err != nil {
		return nil, err
	}
	p.incidents.Set(key, current)
	return current, nil
}
