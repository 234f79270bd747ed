package response

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"custom-vault/internal/store"
	"custom-vault/internal/wazuhapi"
)

// How long one node may take to say whether it is sealed. While agents wait to be told it is less: a node that hangs
// must not hold up the order to the others.
const (
	probeTime       = 2 * time.Second
	probeBeforeTold = 500 * time.Millisecond
)

// round asks every node, and tells the agents of those that are not proved to be sealed. Asking comes first: after a
// crash an order may have been obeyed already.
func (r *Responder) round(ctx context.Context, plan *Plan) error {
	limit := probeTime
	if len(r.toTell(plan)) > 0 {
		limit = probeBeforeTold
	}
	r.probe(ctx, plan, limit)
	agents := r.toTell(plan)
	switch {
	case ctx.Err() != nil:
		return ctx.Err() // the nodes could not be asked, which says nothing about them
	case len(agents) == 0 || plan.Work.Stopped != "":
		return nil
	case !r.Now().Before(plan.Deadline):
		plan.Work.Stopped = "the plan's time is over"
		return nil
	}
	if plan.Work.Stopped = r.heldBack(); plan.Work.Stopped != "" {
		return nil
	}
	r.dispatch(ctx, plan, agents)
	row, err := plan.row(store.PlanRunning, time.Time{})
	if err != nil {
		return err
	}
	return r.Ledger.SavePlan(ctx, row, r.Now())
}

// probe asks all nodes at once: those that were sealed, too, for they may have been unsealed meanwhile. A sealed node
// that cannot be asked any more counts as sealed, since only somebody with the keys can change that.
func (r *Responder) probe(ctx context.Context, plan *Plan, limit time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var asked sync.WaitGroup
	for i := range plan.Work.Nodes {
		node := &plan.Work.Nodes[i]
		asked.Go(func() {
			sealed, err := r.Prober.Sealed(ctx, plan.Cluster, node.Name)
			switch {
			case err != nil && node.State == NodeSealed:
			case err != nil:
				node.State, node.Detail = NodeUnknown, err.Error()
			case sealed:
				node.State, node.Detail, node.Proved = NodeSealed, "", r.Now()
			default:
				node.State, node.Detail = NodeServing, ""
			}
		})
	}
	asked.Wait()
}

// toTell lists the agents of nodes that are not sealed, were not told lately, and could obey.
func (r *Responder) toTell(plan *Plan) []string {
	var agents []string
	listed := make(map[string]bool)
	for _, node := range plan.Work.Nodes {
		final := node.Delivery == string(wazuhapi.Refused) && !node.Retry
		recent := !node.Told.IsZero() && r.Now().Sub(node.Told) < r.again(node)
		if node.Agent == "" || node.State == NodeSealed || final || recent || listed[node.Agent] {
			continue
		}
		listed[node.Agent] = true
		agents = append(agents, node.Agent)
	}
	return agents
}

// again is how long after one order the next may follow: an order that surely did not leave can be repeated soon.
func (r *Responder) again(node Node) time.Duration {
	if node.Delivery == string(wazuhapi.Refused) {
		return min(r.TellAgain, 2*time.Second)
	}
	return r.TellAgain
}

// dispatch sends one order to exactly these agents, and keeps for each what became of it.
func (r *Responder) dispatch(ctx context.Context, plan *Plan, agents []string) {
	told := r.Now()
	outcome, err := r.send(ctx, plan, agents)
	if err != nil {
		r.Log.WithError(err).WithField("plan", plan.ID).Error("response: the order did not go out as it should")
	}
	if len(outcome.Unasked) > 0 {
		r.Log.WithFields(logrus.Fields{"plan": plan.ID, "agents": outcome.Unasked}).Error("response: the API says that it told agents that nobody named")
	}
	became := make(map[string]wazuhapi.AgentOutcome, len(outcome.Agents))
	for _, one := range outcome.Agents {
		became[one.Agent] = one
	}
	for _, agent := range agents {
		one, ok := became[agent]
		if !ok { // refused before anything was sent: no answer is to be awaited
			one = wazuhapi.AgentOutcome{Agent: agent, Delivery: wazuhapi.Refused, Reason: wazuhapi.ReasonBadRequest}
		}
		for i := range plan.Work.Nodes {
			if node := &plan.Work.Nodes[i]; node.Agent == agent {
				node.Delivery, node.Reason, node.Retry, node.Told = string(one.Delivery), string(one.Reason), one.Retry, told
				node.Reached = node.Reached || one.Delivery != wazuhapi.Refused
			}
		}
	}
}

func (r *Responder) send(ctx context.Context, plan *Plan, agents []string) (wazuhapi.Outcome, error) {
	ids, err := wazuhapi.NewAgentIDs(agents...)
	if err != nil {
		return wazuhapi.Outcome{}, fmt.Errorf("agents of plan %s: %w", plan.ID, err)
	}
	return r.API.ActiveResponse(ctx, ids, wazuhapi.Order{Command: r.Command, Arguments: []string{"plan=" + plan.ID}})
}
