package vaultlookup

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"custom-vault/internal/alert"
	"custom-vault/internal/identity"
	"custom-vault/internal/secret"
	"custom-vault/internal/vaultclient"
	"custom-vault/internal/vaultfake"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/goleak"
)

const (
	ownToken    = "hvs.OWNTOKENownTOKENown"
	ownAccessor = "OwnAccessor0000000000000"
	bob         = "sJHxkTkHCl4969puPgTUIg14"
	bobEntity   = "41fe8b4e-3014-8b9c-d5b6-dadac943facf"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start(t testing.TB) *vaultfake.Server {
	t.Helper()
	fake, err := vaultfake.Start(vaultfake.Good, ownToken, ownAccessor)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(fake.Close)
	return fake
}

func clientOf(t testing.TB, fake *vaultfake.Server) *vaultclient.Client {
	t.Helper()
	c, err := vaultclient.New(vaultclient.Config{Address: fake.URL, CAPEM: fake.CAPEM, Token: secret.New([]byte(ownToken)), Timeout: 2 * patient})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// resolver makes one that asks the given fakes.
func resolver(t testing.TB, change func(*Options), fakes ...*vaultfake.Server) *Resolver {
	t.Helper()
	opts := Options{Deadline: patient}
	for _, fake := range fakes {
		opts.Vaults = append(opts.Vaults, clientOf(t, fake))
	}
	if change != nil {
		change(&opts)
	}
	r, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

// bobs makes the fake know bob: a userpass token with an entity in two groups.
func bobs(fake *vaultfake.Server) {
	fake.Token(bob, map[string]any{
		"display_name": "userpass-bob", "entity_id": bobEntity, "path": "auth/userpass/login/bob", "policies": []string{"default", "readonly"},
		"identity_policies": []string{"ops"}, "meta": map[string]any{"username": "bob"}, "orphan": true,
	})
	fake.Entity(bobEntity, map[string]any{
		"name": "entity_617b6033", "disabled": false, "policies": []string{}, "metadata": map[string]any{"team": "red"},
		"aliases":          []any{map[string]any{"name": "bob", "mount_path": "auth/userpass/", "mount_type": "userpass"}},
		"direct_group_ids": []string{"g-ops"}, "inherited_group_ids": []string{"g-staff"},
	})
	fake.Group("g-ops", "ops")
	fake.Group("g-staff", "staff")
	fake.Reach(bob, "sys/seal", "update", "sudo")
	fake.Reach(bob, "secret/data/"+probe, "read")
}

// read is an alert about bob reading a secret.
func read(accessor, entity string) *alert.Alert {
	return &alert.Alert{Kind: alert.KindAudit, Record: &alert.Record{
		Type: "response", Operation: "read", Path: "secret/data/app", RequestID: "r1", HasAuth: true, ClientTokenAccessor: accessor,
		Auth: alert.Auth{Accessor: accessor, EntityID: entity, DisplayName: "userpass-bob", Policies: []string{"default", "readonly"},
			TokenPolicies: []string{"default", "readonly"}, TokenType: "service", Judged: true, Allowed: true},
	}}
}

func TestRawAccessorIsLookedUp(t *testing.T) {
	t.Parallel()
	fake := start(t)
	bobs(fake)
	r := resolver(t, func(o *Options) { o.Places = DefaultPlaces("secret/") }, fake)
	got := r.Resolve(context.Background(), read(bob, bobEntity))
	want := identity.Identity{
		V: identity.Version, Rung: identity.RungAccessor, Confidence: identity.Confirmed, Accessor: bob,
		Token: identity.Token{
			Type: "service", DisplayName: "userpass-bob", Path: "auth/userpass/login/bob", State: identity.StateLive, TTL: time.Hour,
			Created: time.Unix(1795500000, 0).UTC(), Expires: time.Date(2026, 11, 24, 15, 0, 0, 0, time.UTC), Orphan: true, Renewable: true,
			Metadata: map[string]string{"username": "bob"},
		},
		Entity: &identity.Entity{
			ID: bobEntity, Name: "entity_617b6033", Confirmed: true, Metadata: map[string]string{"team": "red"},
			Aliases:         []identity.Alias{{Name: "bob", Mount: "auth/userpass/", MountType: "userpass"}},
			DirectGroups:    []identity.Group{{ID: "g-ops", Name: "ops"}},
			InheritedGroups: []identity.Group{{ID: "g-staff", Name: "staff"}},
		},
		Policies: identity.Policies{Token: []string{"default", "readonly"}, Identity: []string{"ops"}, All: []string{"default", "ops", "readonly"}},
		Reach: &identity.Reach{
			Powers:       []string{"can seal", "reads all of secret/"},
			Capabilities: map[string][]string{"sys/seal": {"update", "sudo"}, "secret/data/" + probe: {"read"}},
		},
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(identity.Identity{}, "At")); diff != "" {
		t.Error(diff)
	}
	if got.At.IsZero() || got.Name() != "bob" {
		t.Errorf("At %v, Name %q", got.At, got.Name())
	}
}

func TestEveryKindOfTokenAndRung(t *testing.T) {
	t.Parallel()
	login := func(change func(*alert.Record)) *alert.Alert {
		a := &alert.Alert{Kind: alert.KindAudit, Record: &alert.Record{Type: "response", Operation: "update", Path: "auth/userpass/login/bob",
			MountClass: "auth", MountType: "userpass", MountPoint: "auth/userpass/"}}
		change(a.Record)
		return a
	}
	for _, c := range []struct {
		name       string
		know       func(*vaultfake.Server)
		alert      *alert.Alert
		rung       identity.Rung
		confidence identity.Confidence
		why        identity.Reason
		state      identity.State
		check      func(identity.Identity) bool
	}{
		{"root", func(f *vaultfake.Server) {
			f.Token("root", map[string]any{"display_name": "root", "policies": []string{"root"}, "expire_time": nil, "issue_time": nil, "ttl": 0, "path": "auth/token/root"})
			f.Reach("root", "sys/seal", "root")
		}, read("root", ""), identity.RungAccessor, identity.Confirmed, "", identity.StateLive, func(id identity.Identity) bool {
			return slices.Equal(id.Reach.Powers, []string{PowerRoot}) && id.Entity == nil && id.Token.Expires.IsZero() && id.Policies.Has("root")
		}},
		{"use-limited", func(f *vaultfake.Server) { f.Token("three", map[string]any{"num_uses": 3}) }, read("three", ""),
			identity.RungAccessor, identity.Confirmed, "", identity.StateLive, func(id identity.Identity) bool { return id.Token.UsesLeft == 3 }},
		{"periodic, bound to an address", func(f *vaultfake.Server) {
			f.Token("p", map[string]any{"period": 3600, "bound_cidrs": []string{"10.0.0.0/8"}, "explicit_max_ttl": 7200})
		}, read("p", ""), identity.RungAccessor, identity.Confirmed, "", identity.StateLive, func(id identity.Identity) bool {
			return id.Token.Period == time.Hour && id.Token.ExplicitMaxTTL == 2*time.Hour && id.Token.BoundCIDRs[0] == "10.0.0.0/8"
		}},
		{"revoked, with entity", bobs, read("revoked", bobEntity), identity.RungEntity, identity.Confirmed, identity.ReasonGone, identity.StateGone,
			func(id identity.Identity) bool { return id.Name() == "bob" && id.Accessor == "revoked" }},
		{"revoked, without entity", bobs, read("revoked", ""), identity.RungRecord, identity.Recorded, identity.ReasonGone, identity.StateGone,
			func(id identity.Identity) bool {
				return id.Token.DisplayName == "userpass-bob" && id.Policies.Has("readonly")
			}},
		{"entity disabled", func(f *vaultfake.Server) {
			bobs(f)
			f.Entity(bobEntity, map[string]any{"name": "e", "disabled": true})
		}, read(bob, bobEntity), identity.RungAccessor, identity.Confirmed, "", identity.StateLive, func(id identity.Identity) bool {
			return id.Entity.Disabled && id.Entity.Confirmed && len(id.Reach.Powers) == 0
		}},
		{"entity deleted or merged", func(f *vaultfake.Server) { bobs(f); f.Entity(bobEntity, nil) }, read(bob, bobEntity),
			identity.RungAccessor, identity.Confirmed, "", identity.StateLive, func(id identity.Identity) bool { return id.Entity.Gone && id.Entity.ID == bobEntity }},
		{"alias removed", func(f *vaultfake.Server) {
			bobs(f)
			f.Entity(bobEntity, map[string]any{"name": "entity_1", "aliases": []any{}})
		}, read(bob, bobEntity), identity.RungAccessor, identity.Confirmed, "", identity.StateLive,
			func(id identity.Identity) bool { return id.Name() == "userpass-bob" && len(id.Entity.Aliases) == 0 }},
		{"hashed, with entity", bobs, read(alert.HashPrefix+"e41c", bobEntity), identity.RungEntity, identity.Confirmed, identity.ReasonHashed, identity.StateUnknown,
			func(id identity.Identity) bool {
				return id.Name() == "bob" && id.AccessorHash == alert.HashPrefix+"e41c" && id.Accessor == ""
			}},
		{"hashed, without entity", bobs, read(alert.HashPrefix+"e41c", ""), identity.RungRecord, identity.Recorded, identity.ReasonHashed, identity.StateUnknown, nil},
		{"batch", bobs, read("", bobEntity), identity.RungEntity, identity.Confirmed, identity.ReasonNoAccessor, identity.StateUnknown,
			func(id identity.Identity) bool { return id.Name() == "bob" }},
		{"batch, without entity", bobs, read("", ""), identity.RungRecord, identity.Recorded, identity.ReasonNoAccessor, identity.StateUnknown, nil},
		{"login", bobs, login(func(r *alert.Record) { r.HasAuth, r.Auth = true, alert.Auth{Accessor: bob, EntityID: bobEntity} }),
			identity.RungAccessor, identity.Confirmed, "", identity.StateLive, func(id identity.Identity) bool { return id.Name() == "bob" }},
		{"login under way", bobs, login(func(r *alert.Record) { r.Type = "request" }), identity.RungNobody, identity.Recorded, identity.ReasonLogin, identity.StateUnknown, nil},
		{"login failed", bobs, login(func(r *alert.Record) { r.Response.Failed = true }), identity.RungNobody, identity.Recorded, identity.ReasonFailedLogin, identity.StateUnknown, nil},
		{"unauthenticated", bobs, &alert.Alert{Record: &alert.Record{Path: "secret/x", Error: "permission denied"}}, identity.RungNobody, identity.Recorded,
			identity.ReasonUnauthenticated, identity.StateUnknown, nil},
		{"invalid token", bobs, &alert.Alert{Record: &alert.Record{Path: "secret/x", Error: "2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n"}},
			identity.RungNobody, identity.Recorded, identity.ReasonInvalidToken, identity.StateUnknown, nil},
		{"quota", bobs, &alert.Alert{Record: &alert.Record{Path: "secret/x", Error: `request path "secret/x": rate limit quota exceeded`}},
			identity.RungNobody, identity.Recorded, identity.ReasonNoAccessor, identity.StateUnknown, nil},
		{"held back: entity disabled", func(f *vaultfake.Server) {
			bobs(f)
			f.Entity(bobEntity, map[string]any{"disabled": true})
		}, &alert.Alert{Record: &alert.Record{Path: "secret/x", Error: "permission denied", ClientTokenAccessor: bob}},
			identity.RungAccessor, identity.Confirmed, "", identity.StateLive, func(id identity.Identity) bool { return id.Entity.Disabled }},
		{"operational line", bobs, &alert.Alert{Kind: alert.KindOperational}, identity.RungNone, identity.Recorded, identity.ReasonNoRecord, identity.StateUnknown, nil},
		{"nothing", bobs, nil, identity.RungNone, identity.Recorded, identity.ReasonNoRecord, identity.StateUnknown, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			fake := start(t)
			c.know(fake)
			r := resolver(t, func(o *Options) { o.Places = DefaultPlaces("secret/") }, fake)
			id := r.Resolve(context.Background(), c.alert)
			if id.Rung != c.rung || id.Confidence != c.confidence || id.Why != c.why || id.Token.State != c.state || id.V != identity.Version {
				t.Errorf("rung %v, %s, %q, token %s; wanted %v, %s, %q, token %s", id.Rung, id.Confidence, id.Why, id.Token.State, c.rung, c.confidence, c.why, c.state)
			}
			if c.check != nil && !c.check(id) {
				t.Errorf("%+v\nentity %+v, reach %+v", id, id.Entity, id.Reach)
			}
			for _, request := range fake.Requests() {
				if accessor, _ := request.Body["accessor"].(string); alert.Hashed(accessor) {
					t.Errorf("vault was asked for the hash %s", accessor)
				}
			}
		})
	}
}

func TestManyAlertsCostOneLookupAnActor(t *testing.T) {
	t.Parallel()
	fake := start(t)
	var alerts []*alert.Alert
	for _, who := range []string{"a", "b", "c", "d", "e"} {
		fake.Token(who, map[string]any{"entity_id": "e-" + who})
		fake.Entity("e-"+who, map[string]any{"name": who})
		for range 100 {
			alerts = append(alerts, read(who, "e-"+who))
		}
	}
	r := resolver(t, func(o *Options) { o.Places = DefaultPlaces() }, fake)
	release := fake.Hold("auth/token/lookup-accessor")
	var running sync.WaitGroup
	for _, a := range alerts {
		running.Go(func() {
			if id := r.Resolve(context.Background(), a); id.Rung != identity.RungAccessor || id.Entity.Name != a.Record.Auth.Accessor {
				t.Errorf("%s: %+v", a.Record.Auth.Accessor, id)
			}
		})
	}
	release()
	running.Wait()
	stats := r.Stats()
	for _, path := range []string{"auth/token/lookup-accessor", "identity/entity/id", "sys/capabilities-accessor"} {
		if stats.Calls[path] > 5 {
			t.Errorf("%d calls of %s for 5 actors", stats.Calls[path], path)
		}
	}
}

func TestRefusalsAreRememberedShortly(t *testing.T) {
	t.Parallel()
	fake := start(t)
	r := resolver(t, nil, fake)
	for range 10 {
		if id := r.Resolve(context.Background(), read("dead", "")); id.Why != identity.ReasonGone {
			t.Fatalf("%+v", id)
		}
	}
	if n := fake.Count("auth/token/lookup-accessor"); n != 1 {
		t.Errorf("%d lookups of a dead accessor", n)
	}
	r = resolver(t, func(o *Options) { o.TTL = 40 * time.Millisecond }, fake)
	if id := r.Resolve(context.Background(), read("dead", "")); id.Why != identity.ReasonGone {
		t.Fatalf("%+v", id)
	}
	fake.Token("dead", map[string]any{"display_name": "alive after all"})
	eventually(t, "the end of believing the refusal", func() bool {
		return r.Resolve(context.Background(), read("dead", "")).Token.State == identity.StateLive
	})
}

func TestPartsThatAreMissingSaySo(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		fault func(*vaultfake.Server)
		why   identity.Reason
		check func(identity.Identity) bool
	}{
		{"no permission for entities", func(f *vaultfake.Server) { f.Deny("identity/entity") }, identity.ReasonNotPermitted,
			func(id identity.Identity) bool {
				return id.Entity.ID == bobEntity && !id.Entity.Confirmed && id.Reach != nil
			}},
		{"no permission for capabilities", func(f *vaultfake.Server) { f.Deny("sys/capabilities") }, identity.ReasonNotPermitted,
			func(id identity.Identity) bool { return id.Entity.Confirmed && id.Reach == nil }},
		{"no permission for groups", func(f *vaultfake.Server) { f.Deny("identity/group") }, "",
			func(id identity.Identity) bool {
				return id.Entity.DirectGroups[0] == (identity.Group{ID: "g-ops"})
			}},
		{"entity hangs", func(f *vaultfake.Server) { f.Always("identity/entity/id/"+bobEntity, f.Hang()) }, identity.ReasonTimeout,
			func(id identity.Identity) bool { return !id.Entity.Confirmed && id.Reach != nil }},
		{"another entity's answer", func(f *vaultfake.Server) {
			f.Always("identity/entity/id/"+bobEntity, vaultfake.Raw(200, `{"data":{"id":"mallory","name":"mallory"}}`))
		}, identity.ReasonBadAnswer, func(id identity.Identity) bool { return id.Entity.Name == "" }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			fake := start(t)
			bobs(fake)
			c.fault(fake)
			r := resolver(t, func(o *Options) {
				if o.Places = DefaultPlaces(); c.why == identity.ReasonTimeout {
					o.Deadline = 5 * time.Second // in which all the rest must be answered
				}
			}, fake)
			id := r.Resolve(context.Background(), read(bob, bobEntity))
			if id.Rung != identity.RungAccessor || id.Confidence != identity.Confirmed || id.Why != c.why || !c.check(id) {
				t.Errorf("%+v\nentity %+v reach %+v", id, id.Entity, id.Reach)
			}
		})
	}
}

func TestHostileAnswersAreBounded(t *testing.T) {
	t.Parallel()
	fake := start(t)
	long := strings.Repeat("é", 500)
	meta := map[string]any{"bad": "\xff\x00", "n": 1, "o": map[string]any{}}
	for i := range 400 {
		meta[strings.Repeat("k", i+1)] = long
	}
	fake.Token(bob, map[string]any{"display_name": long, "meta": meta, "ttl": "x", "creation_time": -5, "num_uses": 1e300, "policies": "root", "orphan": "yes",
		"explicit_max_ttl": map[string]any{}, "bound_cidrs": []any{1, nil, long}})
	r := resolver(t, nil, fake)
	id := r.Resolve(context.Background(), read(bob, ""))
	if id.Rung != identity.RungAccessor {
		t.Fatalf("%+v", id)
	}
	if len(id.Token.DisplayName) > maxText || len(id.Token.Metadata) > maxPairs || len(id.Token.BoundCIDRs) != 1 {
		t.Errorf("too much was taken: %d, %d, %d", len(id.Token.DisplayName), len(id.Token.Metadata), len(id.Token.BoundCIDRs))
	}
	if id.Token.TTL != 0 || !id.Token.Created.IsZero() || id.Token.UsesLeft != 0 || id.Token.Orphan || len(id.Policies.Token) != 0 {
		t.Errorf("values of a wrong kind were taken: %+v", id.Token)
	}
	fake.Always("auth/token/lookup-accessor", vaultfake.Raw(200, `{"data":{"accessor":"another","policies":["root"]}}`))
	if id := r.Resolve(context.Background(), read("x", "")); id.Rung != identity.RungRecord || id.Why != identity.ReasonBadAnswer {
		t.Errorf("an answer about another accessor was believed: %+v", id)
	}
	for _, entity := range []string{"../../../sys/seal", "a/b", "a?list=true", "..", "%2e", strings.Repeat("a", 200)} {
		if id := r.Resolve(context.Background(), read("", entity)); id.Rung != identity.RungRecord {
			t.Errorf("entity %q: %+v", entity, id)
		}
	}
	if n := r.Stats().Calls["identity/entity/id"]; n != 0 {
		t.Errorf("%d calls with an id that no entity has", n)
	}
}

type ids struct {
	mu  sync.Mutex
	ids []string
}

func (i *ids) Own(id string, _ time.Time) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.ids = append(i.ids, id)
}

func TestRequestIDsAreHandedOver(t *testing.T) {
	t.Parallel()
	fake := start(t)
	bobs(fake)
	trace := &ids{}
	r := resolver(t, func(o *Options) { o.Places, o.Trace = DefaultPlaces(), trace }, fake)
	r.Resolve(context.Background(), read(bob, bobEntity))
	r.Resolve(context.Background(), read("dead", ""))
	want := fake.RequestIDs()
	slices.Sort(want)
	slices.Sort(trace.ids)
	if len(want) != 5 || !slices.Equal(want, trace.ids) {
		t.Errorf("handed over %d of %d", len(trace.ids), len(want))
	}
}

func TestWithoutVaultTheRecordAnswers(t *testing.T) {
	t.Parallel()
	r := resolver(t, nil)
	id := r.Resolve(context.Background(), read(bob, bobEntity))
	if id.Rung != identity.RungRecord || id.Confidence != identity.Unconfirmed || id.Why != identity.ReasonOff || id.Token.DisplayName != "userpass-bob" {
		t.Errorf("%+v", id)
	}
	if _, err := New(Options{Token: &TokenSource{File: "x"}}); err == nil {
		t.Error("a token without an address was taken")
	}
}

func TestAfterCloseNothingIsAsked(t *testing.T) {
	t.Parallel()
	fake := start(t)
	bobs(fake)
	r := resolver(t, nil, fake)
	r.Close()
	if id := r.Resolve(context.Background(), read(bob, bobEntity)); id.Confidence != identity.Unconfirmed {
		t.Errorf("%+v", id)
	}
	if n := len(fake.Requests()); n != 0 {
		t.Errorf("%d requests", n)
	}
}

func TestOurOwnTokenIsNotAskedAbout(t *testing.T) {
	t.Parallel()
	fake := start(t)
	bobs(fake)
	r := resolver(t, nil, fake)
	id := r.Recorded(read(bob, bobEntity))
	if id.Rung != identity.RungRecord || id.Why != identity.ReasonOwnToken || id.Confidence != identity.Recorded || id.Accessor != bob || id.MayImprove() {
		t.Errorf("%+v", id)
	}
	if n := len(fake.Requests()); n != 0 {
		t.Errorf("%d requests", n)
	}
}
