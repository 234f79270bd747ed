package vaultlookup

import (
	"context"
	"errors"
	"fmt"

	"custom-vault/internal/alert"
	"custom-vault/internal/identity"
	"custom-vault/internal/vaultclient"
)

// Why Lookup has no answer, or not a live one. Commands turn them into exit codes.
var (
	ErrGone         = errors.New("token is gone: revoked, expired, used up, or never was")
	ErrUnknown      = errors.New("not known")
	ErrUnreachable  = errors.New("vault does not answer")
	ErrNotPermitted = errors.New("our own token may not ask")
)

// Lookup answers for one accessor, hashed accessor or entity id, past the cache. The identity holds what is known
// even when the error is not nil; the error wraps one of the above. A hash that the index does not have is sought for
// as long as ctx lasts, everything else takes no longer than the deadline.
func (r *Resolver) Lookup(ctx context.Context, key string) (identity.Identity, error) {
	base := identity.Identity{V: identity.Version, Confidence: identity.Unconfirmed, Token: identity.Token{State: identity.StateUnknown}}
	if len(r.opts.Vaults) == 0 {
		return unconfirmed(base, identity.ReasonOff), fmt.Errorf("%w: no vault with a token is configured", ErrUnreachable)
	}
	ask := asked{accessor: key}
	switch {
	case alert.Hashed(key):
		base.AccessorHash = key
		ask = asked{hash: key}
		if r.index != nil {
			ask.accessor = r.index.seek(ctx, key)
		}
		if ask.accessor == "" {
			// Never asked at Vault: it would answer as for a token that is gone.
			return unconfirmed(base, identity.ReasonHashed), fmt.Errorf("%w: the hash is in no index", ErrUnknown)
		}
	case isEntityID(key):
		base.Entity = &identity.Entity{ID: key}
		r.ForgetEntity(key)
		ctx, cancel := context.WithTimeout(ctx, r.opts.Deadline)
		defer cancel()
		entity, failure := r.entity(ctx, key)
		id := withEntity(base, entity, failure)
		if failure == vaultclient.None && entity.entity.Gone {
			return id, fmt.Errorf("%w: vault has no such entity: deleted, merged into another, or never was", ErrUnknown)
		}
		return id, lookupError(failure)
	}
	r.ForgetAccessor(ask.accessor)
	ctx, cancel := context.WithTimeout(ctx, r.opts.Deadline)
	defer cancel()
	token, failure := r.token(ctx, ask.accessor)
	if failure != vaultclient.None {
		return withoutToken(base, failure, ask), lookupError(failure)
	}
	return withToken(base, token, ask), nil
}

func lookupError(failure vaultclient.Failure) error {
	switch failure {
	case vaultclient.None:
		return nil
	case vaultclient.Gone:
		return ErrGone
	case vaultclient.NotPermitted:
		return fmt.Errorf("%w: its policy lacks the path, its entity is disabled, or its addresses are bound", ErrNotPermitted)
	case vaultclient.OwnTokenInvalid:
		return fmt.Errorf("%w: it is revoked, expired or wrong", ErrNotPermitted)
	case vaultclient.NotFound, vaultclient.Rejected:
		return fmt.Errorf("%w: %s", ErrUnknown, failure)
	}
	return fmt.Errorf("%w: %s: %s", ErrUnreachable, failure, failure.Hint())
}

// isEntityID tells an entity's id, a UUID, from an accessor, which has no dashes.
func isEntityID(key string) bool {
	if len(key) != 36 {
		return false
	}
	for i := 0; i < len(key); i++ {
		c := key[i]
		dash := i == 8 || i == 13 || i == 18 || i == 23
		if dash != (c == '-') || !dash && (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}
