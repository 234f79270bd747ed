package escalation

// Guard is one reason not to act. Holds must be pure, must hold when it cannot tell, and is asked only about
// actions above Notify.
type Guard struct {
	Name  string
	Holds func(in Input, action Action) (reason string, held bool)
}

// Guards are all guards, in the order in which they are told.
func Guards() []Guard {
	return []Guard{
		{"observe-only", holdObserveOnly},
		{"mode", holdMode},
		{"halt", holdHalt},
		{"foreign-agent", holdForeignAgent},
		{"stale", holdStale},
		{"no-actor", holdNoActor},
		{"our-own", holdOurOwn},
		{"plan-running", holdPlanRunning},
		{"budget", holdBudget},
		{"not-built", holdNotBuilt},
	}
}
