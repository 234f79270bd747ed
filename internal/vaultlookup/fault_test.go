package vaultlookup

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"custom-vault/internal/identity"
	"custom-vault/internal/vaultclient"
	"custom-vault/internal/vaultfake"
)

// patient is how long a test waits for a thing before it calls it missing. A test that passes never uses it up.
const patient = time.Minute

func eventually(t *testing.T, what string, happened func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	limit := time.NewTimer(patient)
	defer limit.Stop()
	for !happened() {
		select {
		case <-tick.C:
		case <-limit.C:
			t.Fatalf("%s did not happen within %v", what, patient)
		}
	}
}

func TestFaultsKeepTheDeadlineAndAreRecoveredFrom(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		fault func(*vaultfake.Server) http.HandlerFunc
		why   identity.Reason
	}{
		{"hang before the headers", (*vaultfake.Server).Hang, identity.ReasonTimeout},
		{"hang in the body", (*vaultfake.Server).HangInBody, identity.ReasonTimeout},
		{"cut", set(vaultfake.Cut), identity.ReasonUnreachable},
		{"cut in the body", set(vaultfake.CutInBody), identity.ReasonBadAnswer},
		{"10 MB", set(vaultfake.Flood(10 << 20)), identity.ReasonBadAnswer},
		{"garbage", set(vaultfake.Raw(200, "garbage")), identity.ReasonBadAnswer},
		{"redirect", set(vaultfake.Redirect("https://127.0.0.1:1/")), identity.ReasonBadAnswer},
		{"quota", set(vaultfake.Status(429, "quota")), identity.ReasonThrottled},
		{"internal error", set(vaultfake.Status(500, "internal error")), identity.ReasonUnreachable},
		{"sealed", set(vaultfake.Status(503, "Vault is sealed")), identity.ReasonSealed},
		{"standby", set(vaultfake.Status(500, "local node not active but active cluster node not found")), identity.ReasonUnreachable},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			fake := start(t)
			fake.Token(bob, map[string]any{"display_name": "userpass-bob"})
			fake.Always("", c.fault(fake))
			r := resolver(t, func(o *Options) {
				if o.Pause, o.TTL = 50*time.Millisecond, 40*time.Millisecond; c.why == identity.ReasonTimeout {
					o.Deadline = time.Second
				}
			}, fake)
			for range 3 {
				began := time.Now()
				id := r.Resolve(context.Background(), read(bob, ""))
				if took := time.Since(began); took > patient { // the client's own timeout is longer
					t.Errorf("took %v", took)
				}
				if id.Rung != identity.RungRecord || id.Confidence != identity.Unconfirmed || id.Token.DisplayName != "userpass-bob" || !id.MayImprove() {
					t.Fatalf("%+v", id)
				}
				if id.Why != c.why && id.Why != identity.ReasonUnreachable { // the breaker may be open by now
					t.Errorf("why = %q, wanted %q", id.Why, c.why)
				}
			}
			fake.Always("", nil)
			eventually(t, "recovery", func() bool {
				return r.Resolve(context.Background(), read(bob, "")).Rung == identity.RungAccessor
			})
		})
	}
}

func set(fault http.HandlerFunc) func(*vaultfake.Server) http.HandlerFunc {
	return func(*vaultfake.Server) http.HandlerFunc { return fault }
}

func TestFirstFailureSaysWhy(t *testing.T) {
	t.Parallel()
	for want, fault := range map[identity.Reason]http.HandlerFunc{
		identity.ReasonSealed:       vaultfake.Status(503, "Vault is sealed"),
		identity.ReasonThrottled:    vaultfake.Status(429, "quota"),
		identity.ReasonNotPermitted: vaultfake.Status(403, "1 error occurred:\n\t* permission denied\n\n"),
		identity.ReasonBadAnswer:    vaultfake.Raw(200, "<html>"),
	} {
		fake := start(t)
		fake.Always("", fault)
		if id := resolver(t, nil, fake).Resolve(context.Background(), read(bob, "")); id.Why != want {
			t.Errorf("why = %q, wanted %q", id.Why, want)
		}
	}
}

func TestOpenBreakerCostsNothing(t *testing.T) {
	t.Parallel()
	fake := start(t)
	fake.Always("", fake.Hang())
	r := resolver(t, func(o *Options) { o.Deadline, o.Pause = 200*time.Millisecond, time.Hour }, fake)
	eventually(t, "the breaker's opening", func() bool {
		r.Resolve(context.Background(), read(bob, ""))
		return r.Stats().Open == 1
	})
	before := len(fake.Requests())
	for range 1000 {
		if id := r.Resolve(context.Background(), read(bob, "")); id.Why != identity.ReasonUnreachable {
			t.Fatalf("%+v", id)
		}
	}
	if after := len(fake.Requests()); after != before {
		t.Errorf("%d requests with an open breaker", after-before)
	}
}

func TestSealedStaysSealedWhileTheBreakerIsOpen(t *testing.T) {
	t.Parallel()
	fake := start(t)
	fake.Seal(true)
	r := resolver(t, func(o *Options) { o.Pause = time.Hour }, fake)
	eventually(t, "the breaker's opening", func() bool {
		if id := r.Resolve(context.Background(), read(bob, "")); id.Why != identity.ReasonSealed {
			t.Fatalf("%+v", id)
		}
		return r.Stats().Open == 1
	})
	if id := r.Resolve(context.Background(), read(bob, "")); id.Why != identity.ReasonSealed {
		t.Errorf("%+v", id)
	}
}

func TestOtherAddressesAnswer(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]func(*vaultfake.Server) http.HandlerFunc{
		"hang": (*vaultfake.Server).Hang, "cut": set(vaultfake.Cut), "redirect": set(vaultfake.Redirect("https://127.0.0.1:1/")),
		"sealed": set(vaultfake.Status(503, "Vault is sealed")), "standby": set(vaultfake.Status(500, "local node not active but active cluster node not found")),
		"garbage": set(vaultfake.Raw(200, "?")), "5xx": set(vaultfake.Status(502)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ill, well := start(t), start(t)
			ill.Always("", fault(ill))
			bobs(well)
			r := resolver(t, func(o *Options) {
				if o.Pause = time.Hour; name == "hang" {
					o.Deadline = 10 * time.Second // less than half of it is for the ill one
				}
			}, ill, well)
			if id := r.Resolve(context.Background(), read(bob, bobEntity)); id.Rung != identity.RungAccessor || id.Why != "" {
				t.Fatalf("%+v", id)
			}
			// What failed once is not asked first again.
			before := len(ill.Requests())
			r.ForgetAll()
			if id := r.Resolve(context.Background(), read(bob, bobEntity)); id.Rung != identity.RungAccessor {
				t.Errorf("%+v", id)
			}
			if after := len(ill.Requests()); after != before {
				t.Errorf("the ill one had %d more requests", after-before)
			}
		})
	}
}

func TestQuotaIsNotTriedElsewhere(t *testing.T) {
	t.Parallel()
	one, two := start(t), start(t)
	one.Always("", vaultfake.Status(429, "quota"))
	r := resolver(t, nil, one, two)
	if id := r.Resolve(context.Background(), read(bob, "")); id.Why != identity.ReasonThrottled {
		t.Errorf("%+v", id)
	}
	if n := len(two.Requests()); n != 0 {
		t.Errorf("the other node had %d requests", n)
	}
}

func TestFailoverOfOneAddressIsOutlasted(t *testing.T) {
	t.Parallel()
	fake := start(t)
	fake.Token(bob, map[string]any{})
	fake.Next("auth/token/lookup-accessor", vaultfake.Status(500, "local node not active but active cluster node not found"))
	if id := resolver(t, nil, fake).Resolve(context.Background(), read(bob, "")); id.Rung != identity.RungAccessor {
		t.Errorf("%+v", id)
	}
}

type losses struct {
	ids
	paths []string
}

func (l *losses) Lost(path string, _ time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.paths = append(l.paths, path)
}

func TestASealedNodeIsCountedAsOneThatTellsNothing(t *testing.T) {
	t.Parallel()
	fake := start(t)
	bobs(fake)
	r := resolver(t, nil, fake)
	fake.Seal(true)
	r.Resolve(context.Background(), read(bob, bobEntity))
	if stats := r.Stats(); !slices.Equal(stats.SilentBecause(), []string{"sealed"}) {
		t.Errorf("sealed: %+v", stats)
	}
	fake.Seal(false)
	r.Resolve(context.Background(), read(bob, bobEntity))
	if stats := r.Stats(); len(stats.Silent) != 0 {
		t.Errorf("unsealed: %+v", stats)
	}
}

func TestLostAnswersAreTold(t *testing.T) {
	t.Parallel()
	fake := start(t)
	fake.Next("auth/token/lookup-accessor", vaultfake.CutInBody)
	trace := &losses{}
	resolver(t, func(o *Options) { o.Trace = trace }, fake).Resolve(context.Background(), read(bob, ""))
	if len(trace.paths) != 1 || trace.paths[0] != "auth/token/lookup-accessor" {
		t.Errorf("lost: %v", trace.paths)
	}
}

// askTrace keeps what AskTrace is told, call by call.
type askTrace struct {
	ids
	calls map[string][]string // path → how its calls ended
}

func (a *askTrace) Asking(path string, _ time.Time) func(string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	at := len(a.calls[path])
	a.calls[path] = append(a.calls[path], "not answered")
	return func(id string) {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.calls[path][at] = id
	}
}

func TestEachCallIsToldBeforeItIsMadeAndWhenItIsAnswered(t *testing.T) {
	t.Parallel()
	fake := start(t)
	bobs(fake)
	fake.Next("auth/token/lookup-accessor", vaultfake.CutInBody)
	trace := &askTrace{calls: make(map[string][]string)}
	r := resolver(t, func(o *Options) { o.Trace = trace }, fake)
	r.Resolve(context.Background(), read("eve", ""))      // cut
	r.Resolve(context.Background(), read(bob, bobEntity)) // answered
	r.Resolve(context.Background(), read("dead", ""))     // an error, which has no id
	ids := slices.Clone(fake.RequestIDs())
	got := slices.Clone(trace.calls["auth/token/lookup-accessor"])
	if len(got) != 3 || got[0] != "not answered" || !slices.Contains(ids, got[1]) || got[2] != "" {
		t.Errorf("lookups ended %q; the answers had %q", got, ids)
	}
}

func TestInvalidOwnTokenEndsTheAsking(t *testing.T) {
	t.Parallel()
	fake := start(t)
	bobs(fake)
	file := filepath.Join(t.TempDir(), "token")
	write(t, file, "hvs.revoked")
	better := 0
	r := resolver(t, func(o *Options) { o.Token = &TokenSource{File: file} }, fake)
	if err := r.Login(context.Background()); err != nil {
		t.Fatal(err)
	}
	<-r.Better()
	for range 20 {
		if id := r.Resolve(context.Background(), read(bob, bobEntity)); id.Why != identity.ReasonOwnTokenInvalid || id.Rung != identity.RungRecord {
			t.Fatalf("%+v", id)
		}
	}
	if n := len(fake.Requests()); n != 1 {
		t.Errorf("%d requests with an invalid token, wanted one", n)
	}
	if own := r.Own(); own.Valid || own.Problem == "" {
		t.Errorf("Own() = %+v", own)
	}
	write(t, file, ownToken)
	if err := r.Login(context.Background()); err != nil {
		t.Fatal(err)
	}
	select {
	case <-r.Better():
		better++
	default:
	}
	if id := r.Resolve(context.Background(), read(bob, bobEntity)); id.Rung != identity.RungAccessor || better != 1 {
		t.Errorf("with the new token: %+v, %d signals", id, better)
	}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path+".new", []byte(content+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

func TestLookupTellsFailuresApart(t *testing.T) {
	t.Parallel()
	fake := start(t)
	bobs(fake)
	r := resolver(t, func(o *Options) { o.Places = DefaultPlaces() }, fake)
	ctx := context.Background()
	check := func(key string, wanted error, rung identity.Rung) {
		t.Helper()
		id, err := r.Lookup(ctx, key)
		if wanted == nil && err != nil || wanted != nil && !errors.Is(err, wanted) || id.Rung != rung {
			t.Errorf("Lookup(%s) = rung %v, %v; wanted rung %v, %v", key, id.Rung, err, rung, wanted)
		}
	}
	check(bob, nil, identity.RungAccessor)
	check(bobEntity, nil, identity.RungEntity)
	check("dead", ErrGone, identity.RungNone)
	check("hmac-sha256:00", ErrUnknown, identity.RungNone)
	check("00000000-3014-8b9c-d5b6-dadac943facf", ErrUnknown, identity.RungEntity)
	fake.Token(bob, nil)
	check(bob, ErrGone, identity.RungNone) // past the cache
	fake.Deny("auth/token/lookup-accessor")
	check("x", ErrNotPermitted, identity.RungNone)
	fake.Deny()
	fake.Seal(true)
	check("y", ErrUnreachable, identity.RungNone)
	fake.Seal(false)
	fake.RevokeOwn(ownToken)
	check("z", ErrNotPermitted, identity.RungNone)
	if _, err := resolver(t, nil).Lookup(ctx, bob); !errors.Is(err, ErrUnreachable) {
		t.Errorf("without a vault: %v", err)
	}
	for _, request := range fake.Requests() {
		if request.Body["accessor"] == "hmac-sha256:00" {
			t.Error("vault was asked for a hash")
		}
	}
}

func TestForgetting(t *testing.T) {
	t.Parallel()
	fake := start(t)
	bobs(fake)
	r := resolver(t, nil, fake)
	ask := func() identity.Identity { return r.Resolve(context.Background(), read(bob, bobEntity)) }
	ask()
	fake.Entity(bobEntity, map[string]any{"name": "renamed", "disabled": true})
	if id := ask(); id.Entity.Disabled {
		t.Fatal("not cached")
	}
	r.ForgetEntity(bobEntity)
	if id := ask(); !id.Entity.Disabled {
		t.Error("ForgetEntity: still the old one")
	}
	fake.Token(bob, nil)
	r.ForgetAccessor(bob)
	if id := ask(); id.Token.State != identity.StateGone {
		t.Error("ForgetAccessor: still alive")
	}
	bobs(fake)
	r.ForgetAll()
	if id := ask(); id.Token.State != identity.StateLive || id.Entity.Disabled {
		t.Error("ForgetAll: still the old one")
	}
}

func TestAnswerOfBeforeIsNotRememberedAfterForgetting(t *testing.T) {
	t.Parallel()
	fake := start(t)
	bobs(fake)
	r := resolver(t, nil, fake)
	release := fake.Hold("identity/entity/id/" + bobEntity)
	done := make(chan identity.Identity)
	go func() { done <- r.Resolve(context.Background(), read(bob, bobEntity)) }()
	eventually(t, "the entity's request", func() bool { return fake.Count("identity/entity/id/"+bobEntity) == 1 })
	fake.Token(bob, nil)
	r.ForgetAccessor(bob)
	release()
	if id := <-done; id.Token.State != identity.StateLive {
		t.Errorf("the flight of before: %+v", id)
	}
	if id := r.Resolve(context.Background(), read(bob, bobEntity)); id.Token.State != identity.StateGone {
		t.Errorf("after: %+v", id)
	}
}

func TestFailuresBecomeReasons(t *testing.T) {
	t.Parallel()
	for _, failure := range vaultclient.Failures() {
		if reasonOf(failure) == identity.ReasonNone {
			t.Errorf("%s has no reason", failure)
		}
	}
}

func TestNoAlertWaitsForAnAddressThatStillHangs(t *testing.T) {
	t.Parallel()
	fake := start(t)
	fake.Token(bob, map[string]any{})
	fake.Always("", fake.Hang())
	r := resolver(t, func(o *Options) { o.Deadline, o.Pause = 2*time.Second, 20*time.Millisecond }, fake)
	r.vault.setProbing(true) // as while Run runs
	eventually(t, "the breaker's opening", func() bool {
		r.Resolve(context.Background(), read(bob, ""))
		return r.Stats().Open == 1
	})
	eventually(t, "the pause's end", func() bool { return r.vault.nodes[0].breaker.RemainingDelay() == 0 })
	before := len(fake.Requests())
	for range 100 {
		if id := r.Resolve(context.Background(), read(bob, "")); id.Why != identity.ReasonUnreachable {
			t.Fatalf("%+v", id)
		}
	}
	if n := len(fake.Requests()) - before; n != 0 {
		t.Errorf("%d alerts were sent to an address that hangs", n)
	}
	fake.Always("", nil)
	r.vault.probe(context.Background())
	<-r.Better()
	if id := r.Resolve(context.Background(), read(bob, "")); id.Rung != identity.RungAccessor {
		t.Errorf("after the probe: %+v", id)
	}
}

func TestRunFindsOutThatVaultIsBack(t *testing.T) {
	t.Parallel()
	fake, well := start(t), start(t)
	fake.Always("", vaultfake.Status(503, "Vault is sealed"))
	bobs(well)
	r := resolver(t, func(o *Options) { o.Pause = 50 * time.Millisecond }, fake, well)
	eventually(t, "the breaker's opening", func() bool {
		r.ForgetAll()
		r.vault.first.Store(0)
		r.Resolve(context.Background(), read(bob, bobEntity))
		return r.Stats().Open == 1
	})
	fake.Always("", nil)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); r.Run(ctx) }()
	eventually(t, "the breaker's closing", func() bool { return r.Stats().Open == 0 })
	cancel()
	<-done
}
