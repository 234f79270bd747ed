package escalation

import "custom-vault/internal/identity"

// holdNoActor: what anybody can cause without a valid token must never lead to an act.
func holdNoActor(in Input, _ Action) (string, bool) {
	rung := in.Identity.Rung
	return "there is no authenticated actor behind the alert", rung == identity.RungNobody || rung == identity.RungNone
}
