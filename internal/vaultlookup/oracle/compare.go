package main

import (
	"fmt"
	"slices"
	"strings"

	"custom-vault/internal/alert"
	"custom-vault/internal/identity"
)

// expected is who really acted; nil is nobody who had a token that the log could name.
type expected struct{ actor *actor }

// expect says who acted in a record. Where the record has no trace of a token, nobody is the only true answer: a
// login's request, a token that is bad, revoked or expired (their former owners are known to the recording alone),
// a request over quota, Vault's own test of an audit device.
func (t truth) expect(record *alert.Record) (expected, bool) {
	for _, request := range t.Requests {
		if request.ID == "" || request.ID != record.RequestID {
			continue
		}
		who := request.Who
		name, login := strings.CutPrefix(who, "(login) ")
		switch {
		case login && request.Status != 0 && request.Status != statusOK:
			return expected{}, true // refused
		case login && !handsOut(record):
			return expected{}, true // asked for, or half done: a second factor is wanted
		case login:
			who = name
		case strings.HasPrefix(who, "(") || !hasTrace(record):
			return expected{}, true
		}
		actor, ok := t.Actors[who]
		return expected{actor: &actor}, ok
	}
	return expected{}, false
}

// handsOut reports whether a login's record carries the token that it ended in, in the one place or the other.
func handsOut(record *alert.Record) bool {
	return record.Type == "response" && record.Auth.Accessor+record.Auth.DisplayName+record.Response.AuthAccessor != ""
}

func hasTrace(record *alert.Record) bool {
	return record.Auth.Accessor != "" || record.ClientTokenAccessor != "" || record.Auth.DisplayName != ""
}

// compare says in what an identity differs from the truth; nothing if it does not.
func compare(who expected, id identity.Identity) string {
	if who.actor == nil {
		if id.Rung != identity.RungNobody {
			return fmt.Sprintf("it was nobody; said to be %s (rung %s)", id.Name(), id.Rung)
		}
		return ""
	}
	a := *who.actor
	var aliases []string
	entity := ""
	if id.Entity != nil {
		entity = id.Entity.ID
		for _, alias := range id.Entity.Aliases {
			aliases = append(aliases, alias.Mount+alias.Name)
		}
	}
	for _, part := range []struct {
		name      string
		told      bool // the truth says something of it
		want, got string
	}{
		{"accessor", true, a.Accessor, id.Accessor},
		{"display name", a.DisplayName != nil, a.displayName(), id.Token.DisplayName},
		{"entity", a.EntityID != nil, a.entityID(), entity},
		{"aliases", a.Aliases != nil || a.entityID() == "", sorted(a.Aliases), sorted(aliases)},
		{"policies", len(a.all()) > 0, sorted(a.all()), sorted(id.Policies.All)},
	} {
		if part.told && part.want != part.got {
			return fmt.Sprintf("%s is %q, said to be %q (rung %s, %s)", part.name, part.want, part.got, id.Rung, id.Why)
		}
	}
	return ""
}

func (a actor) all() []string {
	all := slices.Concat(a.ofToken(), a.IdentityPolicies)
	slices.Sort(all)
	return slices.Compact(all)
}

func sorted(list []string) string {
	list = slices.Clone(list)
	slices.Sort(list)
	return strings.Join(list, " ")
}
