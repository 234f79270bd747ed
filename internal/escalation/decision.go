// Package escalation decides what follows from an alert: rules ask for an action, guards hold it back, and the
// Decision says both. It is pure: everything it looks at is an argument, the time included. It may import the
// standard library, expr, and the packages alert, identity and observe; it must never read a clock, a file or the
// network, and it cannot send anything.
package escalation

import (
	"fmt"
	"time"

	"custom-vault/internal/alert"
	"custom-vault/internal/identity"
	"custom-vault/internal/observe"
)

// Action is a rung of the ladder; a higher one is graver.
type Action int

// The ladder.
const (
	Record  Action = iota // keep and count
	Watch                 // raise the subject's weight
	Notify                // an event with a level of its own
	Revoke                // kill the token
	Disable               // disable the entity
	Seal                  // seal the cluster
)

var actionNames = [...]string{"record", "watch", "notify", "revoke", "disable", "seal"}

func (a Action) String() string {
	if a < 0 || int(a) >= len(actionNames) {
		return "unknown"
	}
	return actionNames[a]
}

// MarshalText writes the action's name.
func (a Action) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// ParseAction reads an action's name.
func ParseAction(name string) (Action, bool) {
	for i, known := range actionNames {
		if known == name {
			return Action(i), true
		}
	}
	return Record, false
}

// Input is all that a decision may depend on.
type Input struct {
	Alert    *alert.Alert
	Identity identity.Identity
	Seen     observe.Observations
	State    State
	Now      time.Time
}

// State is how things stand with the guards, as read just before the decision.
type State struct {
	Cluster     string              // the alert's cluster; empty: its agent is in none
	Armed       map[Action]struct{} // actions that the configuration has armed
	ObserveOnly bool                // one-way: nothing but events leaves this machine
	Halted      bool                // the halt file exists
	HaltUnknown string              // why it could not be looked at
	SealBudget  int                 // seals that the cluster may still have today
	PlanRunning bool                // a plan for the cluster is under way
	StaleAfter  time.Duration
	OurToken    bool // the actor is the daemon itself
}

// Decision is the outcome, with its grounds.
type Decision struct {
	Action   Action   `json:"action"`             // what is done
	Wanted   Action   `json:"wanted"`             // what the rules asked for
	Rule     string   `json:"rule"`               // the rule that asked for Wanted
	Severity int      `json:"severity"`           // the graver, the higher: 0 to 15, like Wazuh's levels
	Alone    bool     `json:"alone,omitempty"`    // the rule acts on a single signal, without corroboration
	Reasons  []string `json:"reasons,omitempty"`  // why the rule matched, in words
	Held     []Held   `json:"held,omitempty"`     // guards that hold Wanted back
	Matched  []string `json:"matched,omitempty"`  // every rule that matched
	Problems []string `json:"problems,omitempty"` // rules that could not be evaluated
}

// Held is a guard that holds an action back.
type Held struct {
	Guard  string `json:"guard"`
	Reason string `json:"reason"`
}

// Decide lets every rule look, takes the highest action that is asked for, and asks every guard about it. An action
// that is held back becomes a notification that says so.
func Decide(rules *RuleSet, in Input) Decision {
	decision := rules.ask(in)
	decision.Action = decision.Wanted
	if decision.Wanted <= Notify {
		return decision
	}
	for _, guard := range Guards() {
		if reason, held := guard.Holds(in, decision.Wanted); held {
			decision.Held = append(decision.Held, Held{Guard: guard.Name, Reason: reason})
		}
	}
	if len(decision.Held) > 0 {
		decision.Action = Notify
	}
	return decision
}

// UnmarshalText reads an action's name.
func (a *Action) UnmarshalText(text []byte) error {
	action, ok := ParseAction(string(text))
	if !ok {
		return fmt.Errorf("no action is called %q", text)
	}
	*a = action
	return nil
}
