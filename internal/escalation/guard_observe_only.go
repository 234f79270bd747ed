package escalation

// holdObserveOnly: the operator has said that nothing but events leaves this machine.
func holdObserveOnly(in Input, _ Action) (string, bool) {
	return "decide.observe_only is set", in.State.ObserveOnly
}
