package escalation

import "fmt"

// holdForeignAgent: any agent can send lines that look like Vault's; only those of the configured nodes may lead to
// an act.
func holdForeignAgent(in Input, _ Action) (string, bool) {
	return fmt.Sprintf("agent %q is in no configured cluster", in.Alert.Agent.ID), in.State.Cluster == ""
}
