package wazuhapi

import (
	"errors"
	"fmt"
	"strings"
)

// MaxAgents is how many agents one call may name. The API itself stops at 500 per node (its default query limit); a
// Vault cluster has a handful.
const MaxAgents = 100

// maxAgentIDDigits bounds an id: Wazuh counts agents up from 001 and pads to three digits.
const maxAgentIDDigits = 9

// ErrNoAgents says that a list of agents is empty. It is what the zero AgentIDs answers wherever it is used.
var ErrNoAgents = errors.New("no agent is named: an active response without a list of agents would go to every agent")

// AgentIDs is a list of one or more agents, each named by its id, none of them the manager. Only NewAgentIDs makes
// one that a call accepts.
type AgentIDs struct {
	ids []string
}

// NewAgentIDs checks ids as Wazuh writes them ("001", "1024"). It refuses an empty list, more than MaxAgents, the
// manager ("000"), "all", anything that is not digits, forms that Wazuh does not write ("1", "0001") and repeats.
func NewAgentIDs(ids ...string) (AgentIDs, error) {
	if len(ids) == 0 {
		return AgentIDs{}, ErrNoAgents
	}
	if len(ids) > MaxAgents {
		return AgentIDs{}, fmt.Errorf("%d agents are named, at most %d can be in one call", len(ids), MaxAgents)
	}
	seen := make(map[string]bool, len(ids))
	list := make([]string, 0, len(ids))
	for _, id := range ids {
		if err := checkAgentID(id); err != nil {
			return AgentIDs{}, err
		}
		if seen[id] {
			return AgentIDs{}, fmt.Errorf("agent %s is named twice", id)
		}
		seen[id] = true
		list = append(list, id)
	}
	return AgentIDs{ids: list}, nil
}

func checkAgentID(id string) error {
	if len(id) < 3 || len(id) > maxAgentIDDigits {
		return fmt.Errorf("agent id %.20q is not of 3 to %d digits", id, maxAgentIDDigits)
	}
	for _, c := range []byte(id) {
		if c < '0' || c > '9' {
			return fmt.Errorf("agent id %.20q has something other than digits", id)
		}
	}
	if strings.Trim(id, "0") == "" {
		return fmt.Errorf("agent id %q is the manager, which takes no active response: the API would answer 200 and do nothing", id)
	}
	if len(id) > 3 && id[0] == '0' {
		return fmt.Errorf("agent id %q is not written as Wazuh writes it: ids over three digits have no leading zero", id)
	}
	return nil
}

// Len is the number of agents; 0 only for the zero value.
func (a AgentIDs) Len() int { return len(a.ids) }

// All returns the ids in the order in which they were given.
func (a AgentIDs) All() []string { return append([]string(nil), a.ids...) }

// String is the list as the API takes it: "001,002".
func (a AgentIDs) String() string { return strings.Join(a.ids, ",") }
