package sealing

import (
	"strings"

	"custom-vault/internal/vaultclient"
)

// hopeless reports whether the failure stays for as long as nobody changes something.
func hopeless(err error) bool {
	switch vaultclient.Classify(err) {
	case vaultclient.OwnTokenInvalid, vaultclient.NotPermitted, vaultclient.TLS, vaultclient.Redirect, vaultclient.Rejected, vaultclient.NotFound:
		return true
	}
	return false
}

// explain says what a failure means for somebody who wants the node sealed, and what to do.
func explain(err error) string {
	switch vaultclient.Classify(err) {
	case vaultclient.OwnTokenInvalid:
		return "the sealer's token is not valid, it was revoked, has expired or is another Vault's: write a new one into token_file"
	case vaultclient.NotPermitted:
		return "the sealer's token may not seal: its policy needs update and sudo on sys/seal"
	case vaultclient.Standby:
		return "it is a standby, which cannot be sealed: seal the active node, then restart or stop this one"
	case vaultclient.Unreachable:
		return "unreachable, is it stopped? " + err.Error()
	case vaultclient.Timeout:
		return "it does not answer in time: " + err.Error()
	case vaultclient.TLS:
		return "its certificate or TLS is not believed, check ca_file, address and server_name: " + err.Error()
	case vaultclient.Redirect:
		return "it points elsewhere, address must be the node's own and not a proxy's: " + err.Error()
	case vaultclient.ServerError:
		if strings.Contains(err.Error(), "failed to audit request") { // Vault 1.21 says no more than that
			return "its audit device is blocked, and Vault does nothing that it cannot record: free space for it, or stop the process"
		}
	}
	return err.Error()
}
