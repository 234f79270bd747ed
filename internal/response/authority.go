// Package response carries a decision out: a plan, written before anything is sent; orders through the Wazuh server
// API to the agents that are named, and no others; and proof from each Vault node itself. It is the only place from
// which a response can leave. It may import wazuhapi, store, escalation and event, and must never believe an answer
// of the API: only a node's own seal-status says that it is sealed.
package response

import (
	"encoding/json"
	"fmt"

	"custom-vault/internal/escalation"
	"custom-vault/internal/event"
)

// Ground is what a response rests on. It travels as the detail of an intent.
type Ground struct {
	Decision escalation.Decision `json:"decision"`
	AlertID  string              `json:"alert_id"`
	AlertKey string              `json:"alert_key"`
	Agent    event.Agent         `json:"agent"`
	Subject  string              `json:"subject"`
	Name     string              `json:"name"` // of the subject
	Incident string              `json:"incident"`
}

// Detail is the ground as an intent keeps it.
func (g Ground) Detail() (string, error) {
	text, err := json.Marshal(g)
	if err != nil {
		return "", fmt.Errorf("encode the ground of an intent: %w", err)
	}
	return string(text), nil
}

// Authority is the right to send one response. It cannot be made but by the constructors of this package, and
// nothing is sent without one.
type Authority struct {
	action  escalation.Action
	ordered string // by whom or what, in words
	ground  Ground
}

// ByArmedDecision gives the authority of a decision that rules asked for, the configuration armed and no guard
// held back.
func ByArmedDecision(detail string) (Authority, error) {
	var ground Ground
	if err := json.Unmarshal([]byte(detail), &ground); err != nil {
		return Authority{}, fmt.Errorf("read the ground of an intent: %w", err)
	}
	d := ground.Decision
	switch {
	case len(d.Held) > 0:
		return Authority{}, fmt.Errorf("the decision is held back by guard %s", d.Held[0].Guard)
	case d.Action != d.Wanted || d.Action != escalation.Seal:
		return Authority{}, fmt.Errorf("the decision is to %s, which is no response that can be sent", d.Action)
	}
	return Authority{action: d.Action, ordered: "rule " + d.Rule, ground: ground}, nil
}
