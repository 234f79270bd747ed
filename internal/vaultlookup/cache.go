package vaultlookup

import (
	"sync/atomic"
	"time"

	"custom-vault/internal/identity"
	"custom-vault/internal/vaultclient"

	"github.com/maypok86/otter/v2"
)

// maxBytes bounds the memory that one cache takes, roughly, in bytes.
const maxBytes = 64 << 20

// knownToken is all that Vault said about one accessor at one moment.
type knownToken struct {
	at       time.Time
	token    identity.Token
	policies identity.Policies
	entityID string
	entity   *identity.Entity    // nil: none, or not to be had
	reach    *identity.Reach     // nil: not asked, or not to be had
	partly   vaultclient.Failure // why a part is missing
}

type knownEntity struct {
	at     time.Time
	entity *identity.Entity
}

// caches remember answers by accessor, entity id and group id, refusals too but shortly. What is in them is shared:
// nobody may change it.
type caches struct {
	tokens   *otter.Cache[string, result[knownToken]]
	entities *otter.Cache[string, result[knownEntity]]
	groups   *otter.Cache[string, result[string]]

	// generation rises with each invalidation. An answer that was asked for before is not remembered after it.
	generation *atomic.Int64
}

func newCaches(opts Options) (caches, error) {
	c := caches{generation: new(atomic.Int64)}
	var err error
	if c.tokens, err = newCache(opts, weighToken); err != nil {
		return caches{}, err
	}
	if c.entities, err = newCache(opts, func(e knownEntity) int { return weighEntity(e.entity) }); err != nil {
		return caches{}, err
	}
	c.groups, err = newCache(opts, func(name string) int { return len(name) })
	return c, err
}

func newCache[T any](opts Options, weigh func(T) int) (*otter.Cache[string, result[T]], error) {
	// Bounded by weight alone, an entry weighing its bytes, but never less than its share of the bound on entries.
	share := max(maxBytes/opts.Entries, 1)
	return otter.New(&otter.Options[string, result[T]]{
		MaximumWeight: uint64(share) * uint64(opts.Entries),
		Weigher: func(key string, r result[T]) uint32 {
			return uint32(max(share, len(key)+weigh(r.value)))
		},
		ExpiryCalculator: otter.ExpiryWritingFunc(func(entry otter.Entry[string, result[T]]) time.Duration {
			if entry.Value.failure != vaultclient.None || entry.Value.brief {
				return opts.TTL / 4
			}
			return opts.TTL
		}),
	})
}

// close ends the goroutines that clean up.
func (c caches) close() {
	if c.tokens != nil {
		c.tokens.StopAllGoroutines()
	}
	if c.entities != nil {
		c.entities.StopAllGoroutines()
	}
	if c.groups != nil {
		c.groups.StopAllGoroutines()
	}
}

// keep remembers an answer, or a refusal that is one: failures that say nothing are the breaker's affair.
func keep[T any](c caches, cache *otter.Cache[string, result[T]], key string, r result[T], generation int64) {
	switch r.failure {
	case vaultclient.None, vaultclient.Gone, vaultclient.NotFound, vaultclient.NotPermitted, vaultclient.Rejected, vaultclient.BadAnswer:
		if c.generation.Load() == generation {
			cache.Set(key, r)
		}
	}
}

// Weights, in bytes, of what grows with what others wrote; the structs themselves are added as a constant.
func weighToken(k knownToken) int {
	n := 512 + len(k.token.DisplayName) + len(k.token.Path) + weighPairs(k.token.Metadata) + weighList(k.token.BoundCIDRs) +
		weighList(k.policies.All)*2 + weighEntity(k.entity)
	if k.reach != nil {
		n += weighList(k.reach.Powers)
		for path, capabilities := range k.reach.Capabilities {
			n += len(path) + 64 + weighList(capabilities)
		}
	}
	return n
}

func weighEntity(e *identity.Entity) int {
	if e == nil {
		return 0
	}
	n := 256 + len(e.Name) + weighPairs(e.Metadata)
	for _, alias := range e.Aliases {
		n += 64 + len(alias.Name) + len(alias.Mount) + len(alias.MountType)
	}
	for _, groups := range [][]identity.Group{e.DirectGroups, e.InheritedGroups} {
		for _, group := range groups {
			n += 32 + len(group.ID) + len(group.Name)
		}
	}
	return n
}

func weighPairs(pairs map[string]string) int {
	n := 0
	for name, value := range pairs {
		n += 64 + len(name) + len(value)
	}
	return n
}

func weighList(list []string) int {
	n := 0
	for _, s := range list {
		n += 16 + len(s)
	}
	return n
}
