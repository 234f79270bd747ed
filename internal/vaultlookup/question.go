package vaultlookup

import (
	"slices"
	"strings"

	"custom-vault/internal/alert"
	"custom-vault/internal/identity"
	"custom-vault/internal/vaultclient"
)

// asked is what a record gives to ask Vault about.
type asked struct {
	accessor string // raw
	hash     string
	entity   string
}

func (a asked) nothing() bool { return a == asked{} }

// question reads who acted out of the record: the identity as far as the record itself tells it, and what to ask
// Vault about for more.
func question(a *alert.Alert) (identity.Identity, asked) {
	base := identity.Identity{V: identity.Version, Confidence: identity.Recorded, Token: identity.Token{State: identity.StateUnknown}}
	if a == nil || a.Record == nil {
		base.Why = identity.ReasonNoRecord
		return base, asked{}
	}
	record := a.Record
	actor := record.Actor()
	if reason := nobody(record, actor.Acting); reason != identity.ReasonNone {
		base.Rung, base.Why = identity.RungNobody, reason
		return base, asked{}
	}
	base.Rung = identity.RungRecord
	auth := record.Credentials()
	base.Token = recordedToken(auth)
	base.Policies = policies(auth.TokenPolicies, auth.IdentityPolicies, auth.Policies)
	ask := asked{entity: actor.EntityID}
	switch {
	case actor.Accessor == "":
		base.Why = identity.ReasonNoAccessor
	case alert.Hashed(actor.Accessor):
		ask.hash = actor.Accessor
		base.AccessorHash, base.Why = actor.Accessor, identity.ReasonHashed
	default:
		ask.accessor = actor.Accessor
		base.Accessor = actor.Accessor
	}
	if actor.EntityID != "" {
		base.Entity = &identity.Entity{ID: actor.EntityID}
	}
	return base, ask
}

// nobody says in which way there is no token behind a record, or ReasonNone if there is one.
func nobody(record *alert.Record, acting alert.Acting) identity.Reason {
	switch acting {
	case alert.ActingLogin:
		if record.Error == "" && !record.Response.Failed {
			return identity.ReasonLogin
		}
		return identity.ReasonFailedLogin
	case alert.ActingInvalidToken:
		return identity.ReasonInvalidToken
	case alert.ActingHeldBack:
		if record.ClientTokenAccessor == "" {
			return identity.ReasonNoAccessor // a batch token: the record has no other trace of whose it is
		}
	case alert.ActingUnauthenticated:
		if strings.Contains(record.Error, "rate limit quota exceeded") {
			// Judged before Vault looks at the token: who it was is not in the record.
			return identity.ReasonNoAccessor
		}
		return identity.ReasonUnauthenticated
	}
	return identity.ReasonNone
}

func recordedToken(auth alert.Auth) identity.Token {
	token := identity.Token{
		Type: auth.TokenType, DisplayName: auth.DisplayName, Created: auth.IssueTime, TTL: auth.TokenTTL,
		UsesLeft: auth.RemainingUses, Metadata: auth.Metadata, State: identity.StateUnknown,
	}
	if !auth.IssueTime.IsZero() && auth.TokenTTL > 0 {
		// token_ttl is what the token was given, at its making or last renewal, not what is left of it.
		token.Expires = auth.IssueTime.Add(auth.TokenTTL)
	}
	return token
}

// policies sums up where policies come from.
func policies(token, ofIdentity, all []string) identity.Policies {
	union := slices.Concat(token, ofIdentity, all)
	if len(union) == 0 {
		return identity.Policies{}
	}
	slices.Sort(union)
	return identity.Policies{Token: token, Identity: ofIdentity, All: slices.Compact(union)}
}

// withToken puts what Vault said of the token over what the record says.
func withToken(base identity.Identity, known knownToken, ask asked) identity.Identity {
	base.Rung = identity.RungAccessor
	if ask.hash != "" {
		base.Rung = identity.RungHash
	}
	base.Confidence, base.Why, base.At = identity.Confirmed, reasonOf(known.partly), known.at
	base.Accessor = ask.accessor
	if known.token.UsesLeft == 0 && base.Token.UsesLeft > 0 {
		known.token.UsesLeft = base.Token.UsesLeft
	}
	base.Token = known.token
	base.Policies = known.policies
	base.Reach = known.reach
	base.Entity = known.entity
	if known.entity == nil && known.entityID != "" {
		base.Entity = &identity.Entity{ID: known.entityID}
	}
	return base
}

// withoutToken notes why Vault said nothing of the token. That it is gone is an answer, everything else is none.
func withoutToken(base identity.Identity, failure vaultclient.Failure, ask asked) identity.Identity {
	base.Accessor = ask.accessor
	if failure == vaultclient.Gone {
		base.Why, base.Token.State = identity.ReasonGone, identity.StateGone
		return base
	}
	return unconfirmed(base, reasonOf(failure))
}

func unconfirmed(base identity.Identity, why identity.Reason) identity.Identity {
	base.Confidence, base.Why = identity.Unconfirmed, why
	return base
}

// withEntity puts what Vault said of the record's entity over the record. Why stays what it was: the token itself
// was not confirmed.
func withEntity(base identity.Identity, known knownEntity, failure vaultclient.Failure) identity.Identity {
	if failure != vaultclient.None {
		if base.Confidence == identity.Recorded {
			base = unconfirmed(base, reasonOf(failure))
		}
		return base
	}
	base.Rung, base.Confidence, base.At = identity.RungEntity, identity.Confirmed, known.at
	base.Entity = known.entity
	return base
}

// reasonOf says in the identity's words what a call's failure means for it.
func reasonOf(failure vaultclient.Failure) identity.Reason {
	switch failure {
	case vaultclient.None:
		return identity.ReasonNone
	case vaultclient.Gone:
		return identity.ReasonGone
	case vaultclient.OwnTokenInvalid:
		return identity.ReasonOwnTokenInvalid
	case vaultclient.NotPermitted:
		return identity.ReasonNotPermitted
	case vaultclient.Sealed:
		return identity.ReasonSealed
	case vaultclient.Throttled:
		return identity.ReasonThrottled
	case vaultclient.Timeout:
		return identity.ReasonTimeout
	case vaultclient.BadAnswer, vaultclient.NotFound, vaultclient.Rejected, vaultclient.Redirect:
		return identity.ReasonBadAnswer
	}
	return identity.ReasonUnreachable // standby, server error, TLS, no connection
}
