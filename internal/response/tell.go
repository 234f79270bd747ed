package response

import (
	"fmt"
	"strings"

	"custom-vault/internal/event"
	"custom-vault/internal/store"
)

// States of a response as events tell them; rules 100640 and following go by them.
const (
	stateDispatched = "dispatched"
	stateSealed     = "sealed"
	statePartly     = "partly"
	stateFailed     = "failed"
	stateHeld       = "held"
)

// tell makes the event that says how a plan stands. Its id depends on plan and state alone, so a repeated step
// repeats the same event.
func (r *Responder) tell(plan *Plan, state, reason string) ([]store.Event, error) {
	ground := plan.Work.Ground
	e := event.Event{
		V: event.Version, Kind: event.KindResponse, ID: event.IDOf(event.KindResponse, plan.ID, state),
		AlertID: ground.AlertID, Agent: ground.Agent, Cluster: plan.Cluster, Incident: ground.Incident,
		Sentence: event.Visible(sentence(plan, state, reason)),
		Response: &event.Response{
			Plan: plan.ID, Action: plan.Action.String(), State: state, Nodes: plan.words(), Detail: reason,
			TookMS: r.Now().Sub(plan.Started).Milliseconds(), Ordered: plan.Work.Ordered,
		},
	}
	body, err := e.Encode()
	if err != nil {
		return nil, err
	}
	return []store.Event{{ID: e.ID, AgentID: e.Agent.ID, AgentName: e.Agent.Name, AgentIP: e.Agent.IP, Body: body}}, nil
}

func sentence(plan *Plan, state, reason string) string {
	who := plan.Work.Ground.Name
	if who == "" {
		who = "an unnamed actor"
	}
	switch state {
	case stateDispatched:
		return fmt.Sprintf("About to seal Vault cluster %s because of %s (%s).", plan.Cluster, who, plan.Work.Ordered)
	case stateSealed:
		if !plan.told() {
			return fmt.Sprintf("Vault cluster %s was sealed already: each of its %d nodes said so before any order went out. To be sealed because of: %s.", plan.Cluster, len(plan.Work.Nodes), who)
		}
		return fmt.Sprintf("Vault cluster %s is sealed: each of its %d nodes says so. Cause: %s.", plan.Cluster, len(plan.Work.Nodes), who)
	case statePartly:
		return fmt.Sprintf("Vault cluster %s is NOT proved to be sealed%s. Seal by hand: %s.", plan.Cluster, because(reason), left(plan))
	case stateFailed:
		return fmt.Sprintf("Vault cluster %s was NOT sealed%s: no order left. Seal by hand: %s.", plan.Cluster, because(reason), left(plan))
	}
	return fmt.Sprintf("Sealing Vault cluster %s because of %s was held back: %s.", plan.Cluster, who, reason)
}

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return " (" + reason + ")"
}

// left tells what is left to do, node by node.
func left(plan *Plan) string {
	var lines []string
	for i, line := range plan.words() {
		if plan.Work.Nodes[i].State != NodeSealed {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "; ")
}
