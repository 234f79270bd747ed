package vaultlookup

import (
	"context"
	"slices"
	"strings"

	"custom-vault/internal/identity"
	"custom-vault/internal/vaultclient"
)

// Place is a path whose capabilities give a token power. A policy's wildcard is seen by asking for a name that
// nobody would write into a policy: whoever may do something there may do it for every name.
type Place struct {
	Power string   // what it is called at a glance: "can seal"
	Path  string   // asked at Vault
	All   []string // capabilities that are needed together
	Any   []string // at least one of these
}

// Capabilities of Vault.
const (
	capCreate = "create"
	capRead   = "read"
	capUpdate = "update"
	capDelete = "delete"
	capList   = "list"
	capSudo   = "sudo"
	capRoot   = "root"
)

// PowerRoot is the power of a token that policies do not bind.
const PowerRoot = "root-equivalent"

// probe is a name that nobody uses.
const probe = "custom-vault-probe-5f1c2e"

// DefaultPlaces lists the sensitive paths of every Vault, and for each secret mount ("secret/") who reads all of it.
// Which capabilities a path asks for is of Vault 1.21's API documentation, sudo as in its list of root-protected paths.
func DefaultPlaces(secretMounts ...string) []Place {
	write := []string{capCreate, capUpdate}
	places := []Place{
		{Power: "can change policies", Path: "sys/policies/acl/" + probe, Any: write},
		{Power: "can mint tokens", Path: "auth/token/create", Any: write},
		{Power: "can mint orphan tokens", Path: "auth/token/create-orphan", All: []string{capSudo}, Any: write},
		{Power: "can change auth methods", Path: "sys/auth/" + probe, All: []string{capSudo}, Any: write},
		{Power: "can disable audit", Path: "sys/audit/" + probe, All: []string{capDelete, capSudo}},
		{Power: "can seal", Path: "sys/seal", All: []string{capUpdate, capSudo}},
		{Power: "can read raw storage", Path: "sys/raw/" + probe, All: []string{capRead, capSudo}},
		{Power: "can take snapshots", Path: "sys/storage/raft/snapshot", All: []string{capRead}},
		{Power: "can change plugins", Path: "sys/plugins/catalog/secret/" + probe, All: []string{capSudo}, Any: write},
		{Power: "can change identities", Path: "identity/entity/id/" + probe, Any: write},
		{Power: "can revoke any token", Path: "auth/token/revoke-accessor", Any: write},
		{Power: "can list all tokens", Path: "auth/token/accessors/", All: []string{capList, capSudo}},
	}
	for _, mount := range secretMounts {
		mount = strings.Trim(mount, "/") + "/"
		// Which version of kv it is is not known: version 2 keeps its values below data/.
		for _, path := range []string{mount + "data/" + probe, mount + probe} {
			places = append(places,
				Place{Power: "reads all of " + mount, Path: path, All: []string{capRead}},
				Place{Power: "writes all of " + mount, Path: path, Any: write},
				Place{Power: "deletes in all of " + mount, Path: path, All: []string{capDelete}})
		}
	}
	return places
}

// fetchReach asks Vault once what a token may do at all places. A disabled entity's token may do nothing, and Vault
// says so by refusing to answer (400 invalid token): reach is then empty, and the entity's state tells why.
func (r *Resolver) fetchReach(ctx context.Context, accessor string) (*identity.Reach, vaultclient.Failure) {
	var paths []string
	for _, place := range r.opts.Places {
		paths = append(paths, place.Path)
	}
	slices.Sort(paths)
	paths = slices.Compact(paths)
	answer, failure := r.vault.write(ctx, "sys/capabilities-accessor", map[string]any{"accessor": accessor, "paths": paths})
	switch failure {
	case vaultclient.None:
		return reachOf(r.opts.Places, paths, fields(answer)), vaultclient.None
	case vaultclient.Rejected:
		return &identity.Reach{}, vaultclient.None
	}
	return nil, failure
}

func reachOf(places []Place, paths []string, data fields) *identity.Reach {
	reach := &identity.Reach{Capabilities: make(map[string][]string)}
	for _, path := range paths {
		if capabilities := data.list(path); len(capabilities) > 0 && !slices.Contains(capabilities, "deny") {
			reach.Capabilities[path] = capabilities
		}
	}
	for _, capabilities := range reach.Capabilities {
		if slices.Contains(capabilities, capRoot) {
			return &identity.Reach{Powers: []string{PowerRoot}, Capabilities: reach.Capabilities}
		}
	}
	for _, place := range places {
		if place.given(reach.Capabilities[place.Path]) && !slices.Contains(reach.Powers, place.Power) {
			reach.Powers = append(reach.Powers, place.Power)
		}
	}
	return reach
}

func (p Place) given(capabilities []string) bool {
	has := func(capability string) bool { return slices.Contains(capabilities, capability) }
	for _, needed := range p.All {
		if !has(needed) {
			return false
		}
	}
	return len(capabilities) > 0 && (len(p.Any) == 0 || slices.ContainsFunc(p.Any, has))
}
