package response

import (
	"context"
	"fmt"
	"sync"
	"time"

	"custom-vault/internal/store"
	"custom-vault/internal/wazuhapi"
)

// probeTime bounds one question to one node.
const probeTime = 2 * time.Second

// round asks every node that is not proved to be sealed, and tells the agents of those that serve. Asking comes
// first: after a crash an order may have been obeyed already.
func (r *Responder) round(ctx context.Context, plan *Plan) error {
	r.probe(ctx, plan)
	agents := r.toTell(plan)
	if len(agents) == 0 {
		return nil
	}
	if reason := r.heldBack(); reason != "" {
		for i := range plan.Work.Nodes {
			plan.Work.Nodes[i].Reason = reason
		}
		plan.Deadline = r.Now() // nothing more is sent; the plan ends with what its nodes say
		return nil
	}
	r.dispatch(ctx, plan, agents)
	row, err := plan.row(store.PlanRunning, time.Time{})
	if err != nil {
		return err
	}
	return r.Ledger.SavePlan(ctx, row, r.Now())
}

// probe asks all nodes at once.
func (r *Responder) probe(ctx context.Context, plan *Plan) {
	var asked sync.WaitGroup
	for i := range plan.Work.Nodes {
		node := &plan.Work.Nodes[i]
		if node.State == NodeSealed {
			continue
		}
		asked.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, probeTime)
			defer cancel()
			sealed, err := r.Prober.Sealed(ctx, plan.Cluster, node.Name)
			switch {
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
