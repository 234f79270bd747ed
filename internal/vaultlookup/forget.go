package vaultlookup

import (
	"strings"

	"custom-vault/internal/alert"
)

// ForgetAccessor makes the next Resolve ask anew about an accessor, raw or hashed.
func (r *Resolver) ForgetAccessor(accessor string) {
	r.caches.generation.Add(1)
	if alert.Hashed(accessor) {
		if r.index == nil {
			return
		}
		if accessor = r.index.find(accessor, false); accessor == "" {
			return
		}
	}
	r.caches.tokens.Invalidate(accessor)
	r.flights.Forget("accessor:" + accessor)
}

// ForgetEntity makes the next Resolve ask anew about an entity and all its tokens.
func (r *Resolver) ForgetEntity(id string) {
	r.caches.generation.Add(1)
	r.caches.entities.Invalidate(id)
	r.flights.Forget("entity:" + id)
	for accessor, known := range r.caches.tokens.All() {
		if known.value.entityID == id {
			r.caches.tokens.Invalidate(accessor)
			r.flights.Forget("accessor:" + accessor)
		}
	}
}

// ForgetAll makes every next Resolve ask anew.
func (r *Resolver) ForgetAll() {
	r.caches.generation.Add(1)
	r.caches.tokens.InvalidateAll()
	r.caches.entities.InvalidateAll()
	r.caches.groups.InvalidateAll()
}

// Saw forgets what an audit record makes untrue: revoked tokens, changed policies, entities and groups, and hashes of
// a device that was enabled anew. The record must be of a request that succeeded; others change nothing.
func (r *Resolver) Saw(record *alert.Record) {
	if record == nil || record.Outcome() != alert.Done || record.Operation == "read" || record.Operation == "list" {
		return
	}
	path := strings.Trim(record.Path, "/")
	switch {
	case path == "auth/token/revoke-self":
		r.ForgetAccessor(record.Actor().Accessor)
	case strings.HasPrefix(path, "auth/token/revoke"), strings.HasPrefix(path, "sys/leases/revoke"), strings.HasPrefix(path, "sys/revoke"):
		// Whose token it was is hashed even on devices that do not hash accessors.
		r.ForgetAll()
	case strings.HasPrefix(path, "sys/policies/acl/"), strings.HasPrefix(path, "sys/policy/"), strings.HasPrefix(path, "sys/auth/"):
		r.ForgetAll()
	case strings.HasPrefix(path, "identity/entity/id/"):
		r.ForgetEntity(strings.TrimPrefix(path, "identity/entity/id/"))
	case strings.HasPrefix(path, "identity/entity"), strings.HasPrefix(path, "identity/group"), strings.HasPrefix(path, "identity/alias"):
		r.ForgetAll()
	case strings.HasPrefix(path, "sys/audit/"):
		r.life.rehash()
		if r.index != nil {
			r.index.doubt()
		}
	}
}
