package escalation

import (
	"fmt"
	"time"
)

// clockSkew is how far a clock may run ahead before it is not believed.
const clockSkew = 2 * time.Minute

// holdStale: old alerts come back after an outage, or are replayed by somebody; what they warned of is over. A
// frequency alert is as old as its last event. Both clocks count: Wazuh's, and Vault's in the record, which the
// sender of a line cannot leave out without losing the record's time altogether.
func holdStale(in Input, _ Action) (string, bool) {
	if reason, stale := staleBy("alert", in.Alert.Timestamp, in); stale {
		return reason, true
	}
	if in.Alert.Record != nil {
		return staleBy("audit record", in.Alert.Record.Time, in)
	}
	return "", false
}

func staleBy(what string, at time.Time, in Input) (string, bool) {
	age := in.Now.Sub(at)
	switch {
	case at.IsZero():
		return "the " + what + " has no time", true
	case age > in.State.StaleAfter:
		return fmt.Sprintf("the %s is %s old, more than %s", what, age.Round(time.Second), in.State.StaleAfter), true
	case age < -clockSkew:
		return fmt.Sprintf("the %s is dated %s ahead", what, (-age).Round(time.Second)), true
	}
	return "", false
}
