package main

import (
	"strings"
	"testing"
	"time"

	"custom-vault/internal/identity"
)

func TestAnIdentityForAPersonBeginsWithItsPowers(t *testing.T) {
	t.Parallel()
	who := identity.Identity{
		V: identity.Version, Rung: identity.RungAccessor, Confidence: identity.Confirmed, At: time.Unix(1795500000, 0), Accessor: "abc",
		Token: identity.Token{
			Type: "service", DisplayName: "token-x\x1b[31m", Path: "auth/token/create", TTL: 90 * time.Minute, ExplicitMaxTTL: 24 * time.Hour,
			Period: time.Hour, Renewable: true, UsesLeft: 2, BoundCIDRs: []string{"10.0.0.0/8"}, State: identity.StateLive,
			Metadata: map[string]string{"owner": `alice", "powers"="none`},
		},
		Entity:   &identity.Entity{ID: "e-1", Aliases: []identity.Alias{{Name: "bob", Mount: "auth/userpass/", MountType: "userpass"}}, InheritedGroups: []identity.Group{{ID: "g-1"}}},
		Policies: identity.Policies{All: []string{"default"}},
		Reach:    &identity.Reach{Powers: []string{"can seal"}},
	}
	var out strings.Builder
	if err := printIdentity(&out, who, false); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(out.String(), "\n")
	if lines[0] != "powers       can seal" || lines[1] != "who          bob" {
		t.Errorf("it begins %q", lines[:2])
	}
	for _, want := range []string{
		"  life       ttl 1h30m0s, explicit max ttl 24h0m0s, period 1h0m0s, renewable, 2 uses left\n", "  bound to   10.0.0.0/8\n",
		`  metadata   "owner"="alice\", \"powers\"=\"none"` + "\n", "  inherited  g-1\n", `token-x\x1b[31m`,
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "\x1b") {
		t.Error("an escape sequence reaches the terminal")
	}
}

func TestPowersThatAreNotKnownAreNotNone(t *testing.T) {
	t.Parallel()
	for want, reach := range map[string]*identity.Reach{"not known": nil, "none of those that were asked about": {}} {
		if got := powerWords(identity.Identity{Reach: reach}); got != want {
			t.Errorf("%q, wanted %q", got, want)
		}
	}
}
