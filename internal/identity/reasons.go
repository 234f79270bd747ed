package identity

// Reasons is the closed set but for ReasonNone, for metrics that begin at zero.
func Reasons() []Reason {
	return []Reason{
		ReasonHashed, ReasonNoAccessor, ReasonGone, ReasonUnreachable, ReasonSealed, ReasonTimeout, ReasonThrottled,
		ReasonNotPermitted, ReasonOwnTokenInvalid, ReasonBadAnswer, ReasonOff, ReasonOwnToken, ReasonUnauthenticated, ReasonInvalidToken,
		ReasonFailedLogin, ReasonLogin, ReasonNoRecord,
	}
}
