package escalation

// holdOurOwn: the daemon's own token does what the daemon does.
func holdOurOwn(in Input, _ Action) (string, bool) {
	return "the actor is this daemon's own token", in.State.OurToken
}
