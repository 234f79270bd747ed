package response

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"custom-vault/internal/escalation"
	"custom-vault/internal/store"
	"custom-vault/internal/wazuhapi"
)

// NodeState is what a node has proved of itself.
type NodeState string

// The states of a node.
const (
	NodeSealed  NodeState = "sealed"  // its own seal-status says so
	NodeServing NodeState = "serving" // its own seal-status says that it is not sealed
	NodeUnknown NodeState = "unknown" // it could not be asked
)

// How a plan ends.
const (
	PlanClosed = "closed"         // every node is sealed, by its own word
	PlanPartly = "partly"         // some node is not, or cannot be asked
	PlanFailed = store.PlanFailed // no order can have left, and no node is sealed
)

// Plan is what is done about one intent, and how far it got.
type Plan struct {
	ID       string
	Intent   string
	Cluster  string
	Action   escalation.Action
	Started  time.Time
	Deadline time.Time
	Work     Work
}

// Work is the part of a plan that changes; it is stored as JSON.
type Work struct {
	Ground  Ground `json:"ground"`
	Ordered string `json:"ordered_by"`
	Nodes   []Node `json:"nodes"`
	Stopped string `json:"stopped,omitempty"` // why no more orders are sent, though nodes are not sealed
}

// Node is one Vault node in a plan.
type Node struct {
	Name     string    `json:"name"`
	Agent    string    `json:"agent,omitempty"`
	State    NodeState `json:"state"`
	Detail   string    `json:"detail,omitempty"`   // why the state is not known
	Delivery string    `json:"delivery,omitempty"` // of the last order
	Reason   string    `json:"reason,omitempty"`   // why it did not go out
	Retry    bool      `json:"retry,omitempty"`
	Reached  bool      `json:"reached,omitempty"` // some order may have arrived
	Told     time.Time `json:"told,omitzero"`     // when the agent was last told
	Proved   time.Time `json:"proved,omitzero"`
}

// newPlanID is random, so that nobody can guess the plan of an order, and two managers never make the same.
func newPlanID() string {
	var b [8]byte
	rand.Read(b[:]) // never fails (crypto/rand, since Go 1.24)
	return "plan-" + hex.EncodeToString(b[:])
}

func (p *Plan) closed() bool {
	return !slices.ContainsFunc(p.Work.Nodes, func(n Node) bool { return n.State != NodeSealed })
}

// told reports whether any agent was told anything.
func (p *Plan) told() bool {
	return slices.ContainsFunc(p.Work.Nodes, func(n Node) bool { return !n.Told.IsZero() })
}

// outcome says how the plan stands once nothing more is tried.
func (p *Plan) outcome() string {
	reached := func(n Node) bool { return n.State == NodeSealed || n.Reached }
	switch {
	case p.closed():
		return PlanClosed
	case slices.ContainsFunc(p.Work.Nodes, reached):
		return PlanPartly
	}
	return PlanFailed
}

// words tells each node's state in a line.
func (p *Plan) words() []string {
	lines := make([]string, len(p.Work.Nodes))
	for i, n := range p.Work.Nodes {
		lines[i] = fmt.Sprintf("%s: %s", n.Name, n.State)
		if n.State == NodeSealed {
			continue
		}
		if n.Agent == "" {
			lines[i] += ", has no agent"
		} else if n.Delivery != "" && n.Delivery != string(wazuhapi.Sent) {
			lines[i] += fmt.Sprintf(", order to agent %s %s (%s)", n.Agent, n.Delivery, n.Reason)
		}
		if n.Detail != "" {
			lines[i] += ", " + n.Detail
		}
	}
	return lines
}

func (p *Plan) row(state string, ended time.Time) (store.Plan, error) {
	detail, err := json.Marshal(p.Work)
	if err != nil {
		return store.Plan{}, fmt.Errorf("encode plan %s: %w", p.ID, err)
	}
	return store.Plan{
		ID: p.ID, Intent: p.Intent, Cluster: p.Cluster, Action: p.Action, State: state,
		Started: p.Started, Deadline: p.Deadline, Ended: ended, Detail: string(detail),
	}, nil
}

func planOf(row store.Plan) (*Plan, error) {
	p := &Plan{
		ID: row.ID, Intent: row.Intent, Cluster: row.Cluster, Action: row.Action,
		Started: row.Started, Deadline: row.Deadline,
	}
	if err := json.Unmarshal([]byte(row.Detail), &p.Work); err != nil {
		return nil, fmt.Errorf("read plan %s: %w", p.ID, err)
	}
	if p.Action != escalation.Seal {
		return nil, fmt.Errorf("plan %s is to %s, which this version cannot", p.ID, p.Action)
	}
	return p, nil
}

// DeliveryReasons are all reasons that a node's Reason can have from the API, for metrics that begin at zero.
func DeliveryReasons() []string {
	reasons := wazuhapi.Reasons()
	words := make([]string, len(reasons))
	for i, reason := range reasons {
		words[i] = string(reason)
	}
	return words
}
