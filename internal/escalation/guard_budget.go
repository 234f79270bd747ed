package escalation

// holdBudget: a seal is an outage, so a cluster has only so many a day. The budget is taken in the transaction that
// makes the plan; this looks at it beforehand.
func holdBudget(in Input, action Action) (string, bool) {
	return "the cluster's seals of the last 24 hours are used up (decide.seals_per_day)", action == Seal && in.State.SealBudget <= 0
}
