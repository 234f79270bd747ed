package escalation

// holdPlanRunning: one plan at a time for a cluster; the running one covers this alert too.
func holdPlanRunning(in Input, _ Action) (string, bool) {
	return "a plan for cluster " + in.State.Cluster + " is already running", in.State.PlanRunning
}
