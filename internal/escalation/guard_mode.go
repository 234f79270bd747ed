package escalation

import "fmt"

// holdMode: an action that is not armed is only told.
func holdMode(in Input, action Action) (string, bool) {
	_, armed := in.State.Armed[action]
	return fmt.Sprintf("%s is not armed (decide.%s: observe)", action, action), !armed
}
