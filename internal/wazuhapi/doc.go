// Package wazuhapi talks to the Wazuh server API, 4.3 to 4.14: it logs in, asks which agents there are, and hands
// active responses to agents that are named one by one.
//
// It may import resty, x/sync and the standard library, and reads nothing from the environment: addresses, CA and the
// reader of the password are its Config.
//
// It must never call PUT /active-response without a list of agents (the API would then address every agent there is),
// never follow a redirect, never speak to a server whose certificate it cannot verify, and never let a password, a
// token or an Authorization header into an error. It repeats no active response by itself once that may have left:
// whether to ask again is for the caller, who can look at the Vault first.
package wazuhapi
