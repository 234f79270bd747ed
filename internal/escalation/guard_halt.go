package escalation

// holdHalt: the kill switch is on, or nobody can tell whether it is.
func holdHalt(in Input, _ Action) (string, bool) {
	if in.State.HaltUnknown != "" {
		return "the halt file could not be looked at: " + in.State.HaltUnknown, true
	}
	return "the halt file exists", in.State.Halted
}
