package vaultlookup

import (
	"context"
	"sync"

	"custom-vault/internal/identity"
	"custom-vault/internal/vaultclient"
)

// maxGroups bounds the groups of one entity whose names are asked for; the others stay ids.
const maxGroups = 16

// token gives what Vault knows of an accessor, from the cache or by one flight.
func (r *Resolver) token(ctx context.Context, accessor string) (knownToken, vaultclient.Failure) {
	answer, ok := r.caches.tokens.GetIfPresent(accessor)
	if !ok {
		answer = fly(ctx, r, "accessor:"+accessor, func(ctx context.Context) result[knownToken] {
			generation := r.caches.generation.Load()
			answer := r.fetchToken(ctx, accessor)
			keep(r.caches, r.caches.tokens, accessor, answer, generation)
			return answer
		})
	}
	return answer.value, answer.failure
}

// entity gives what Vault knows of an entity.
func (r *Resolver) entity(ctx context.Context, id string) (knownEntity, vaultclient.Failure) {
	answer, ok := r.caches.entities.GetIfPresent(id)
	if !ok {
		answer = fly(ctx, r, "entity:"+id, func(ctx context.Context) result[knownEntity] {
			generation := r.caches.generation.Load()
			answer := r.fetchEntity(ctx, id)
			keep(r.caches, r.caches.entities, id, answer, generation)
			return answer
		})
	}
	return answer.value, answer.failure
}

func (r *Resolver) fetchToken(ctx context.Context, accessor string) result[knownToken] {
	answer, failure := r.vault.write(ctx, "auth/token/lookup-accessor", map[string]any{"accessor": accessor})
	if failure != vaultclient.None {
		return result[knownToken]{failure: failure}
	}
	data := fields(answer)
	if data.text("accessor") != accessor {
		return result[knownToken]{failure: vaultclient.BadAnswer}
	}
	known := knownToken{
		at:       r.opts.Now(),
		token:    tokenOf(data),
		policies: policies(data.list("policies"), data.list("identity_policies"), nil),
		entityID: data.text("entity_id"),
	}
	var entityFailure, reachFailure vaultclient.Failure
	var parts sync.WaitGroup
	if known.entityID != "" {
		parts.Go(func() {
			var entity knownEntity
			if entity, entityFailure = r.entity(ctx, known.entityID); entityFailure == vaultclient.None {
				known.entity = entity.entity
			}
		})
	}
	if len(r.opts.Places) > 0 {
		parts.Go(func() { known.reach, reachFailure = r.fetchReach(ctx, accessor) })
	}
	parts.Wait()
	known.partly = firstOf(entityFailure, reachFailure)
	return result[knownToken]{value: known, brief: known.partly != vaultclient.None}
}

func firstOf(failures ...vaultclient.Failure) vaultclient.Failure {
	for _, failure := range failures {
		if failure != vaultclient.None {
			return failure
		}
	}
	return vaultclient.None
}

// fetchEntity reads an entity. One that Vault does not know any more was deleted, or merged into another.
func (r *Resolver) fetchEntity(ctx context.Context, id string) result[knownEntity] {
	if !plainID(id) {
		return result[knownEntity]{failure: vaultclient.BadAnswer}
	}
	answer, failure := r.vault.read(ctx, "identity/entity/id/"+id)
	switch {
	case failure == vaultclient.NotFound:
		gone := &identity.Entity{ID: id, Gone: true, Confirmed: true}
		return result[knownEntity]{value: knownEntity{at: r.opts.Now(), entity: gone}}
	case failure != vaultclient.None:
		return result[knownEntity]{failure: failure}
	}
	entity := entityOf(fields(answer))
	if entity.ID != id {
		return result[knownEntity]{failure: vaultclient.BadAnswer}
	}
	r.nameGroups(ctx, entity)
	return result[knownEntity]{value: knownEntity{at: r.opts.Now(), entity: entity}}
}

// nameGroups fills in the names of the groups. A name that cannot be had is left out: the id tells, too.
func (r *Resolver) nameGroups(ctx context.Context, entity *identity.Entity) {
	left := maxGroups
	for _, groups := range [][]identity.Group{entity.DirectGroups, entity.InheritedGroups} {
		for i := range groups {
			if left--; left < 0 {
				return
			}
			groups[i].Name = r.groupName(ctx, groups[i].ID)
		}
	}
}

func (r *Resolver) groupName(ctx context.Context, id string) string {
	if answer, ok := r.caches.groups.GetIfPresent(id); ok {
		return answer.value
	}
	if !plainID(id) {
		return ""
	}
	generation := r.caches.generation.Load()
	answer, failure := r.vault.read(ctx, "identity/group/id/"+id)
	named := result[string]{value: fields(answer).text("name"), failure: failure}
	keep(r.caches, r.caches.groups, id, named, generation)
	return named.value
}

// plainID reports whether an id may stand in a path. It comes out of an audit record, so out of an alert, and must
// not lead our token to another path.
func plainID(id string) bool {
	for i := 0; i < len(id); i++ {
		c := id[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' && c != '.' {
			return false
		}
	}
	return id != "" && len(id) <= 128 && id[0] != '.'
}
