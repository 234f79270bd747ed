package vaultlookup

import (
	"strings"
	"sync"
	"sync/atomic"
	"time"

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

// flushEvery is how often records may empty the caches. A Vault whose clients revoke tokens all the time would otherwise
// have every alert looked up; answers are then stale by so much at most.
const flushEvery = 5 * time.Second

// flush is the wish to empty the caches.
type flush struct {
	wanted atomic.Bool
	mu     sync.Mutex
	last   time.Time
}

// flushIfDue fulfils the wish, unless the caches were emptied just now.
func (r *Resolver) flushIfDue() {
	if !r.flush.wanted.Load() {
		return
	}
	r.flush.mu.Lock()
	now := r.opts.Now()
	due := now.Sub(r.flush.last) >= flushEvery && r.flush.wanted.Swap(false)
	if due {
		r.flush.last = now
	}
	r.flush.mu.Unlock()
	if due {
		r.ForgetAll()
	}
}

func (r *Resolver) flushSoon() {
	r.flush.wanted.Store(true)
	r.flushIfDue()
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
		r.flushSoon()
	case strings.HasPrefix(path, "sys/policies/acl/"), strings.HasPrefix(path, "sys/policy/"), strings.HasPrefix(path, "sys/auth/"):
		r.flushSoon()
	case strings.HasPrefix(path, "identity/entity/id/"):
		r.ForgetEntity(strings.TrimPrefix(path, "identity/entity/id/"))
	case strings.HasPrefix(path, "identity/entity"), strings.HasPrefix(path, "identity/group"), strings.HasPrefix(path, "identity/alias"):
		r.flushSoon()
	case strings.HasPrefix(path, "sys/audit/"):
		r.life.rehash()
		if r.index != nil {
			r.index.doubt()
		}
	}
}
