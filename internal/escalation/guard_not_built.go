package escalation

// holdNotBuilt: revoking tokens and disabling entities is decided here but not carried out by this version.
func holdNotBuilt(_ Input, action Action) (string, bool) {
	return "this version cannot " + action.String(), action == Revoke || action == Disable
}
