package vaultlookup

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"custom-vault/internal/secret"
	"custom-vault/internal/vaultclient"

	"github.com/hashicorp/vault/api"
)

// memory is a Vault in memory for one token after another, with bubble time: no socket, so that a test may let a day
// pass. It behaves as Vault's renew-self does: a periodic token gets its whole period anew, a lapsed one is invalid.
type memory struct {
	mu        sync.Mutex
	tokens    map[string]*leased // token → its lease
	current   string
	logins    map[string]string // secret id → token
	failure   vaultclient.Failure
	forbidden string // a path
	calls     []string
	onInvalid func()
}

type leased struct {
	accessor, entity string
	period           time.Duration
	until            time.Time
	dead             bool
}

func (m *memory) call(_ context.Context, method, path string, body map[string]any) (*api.Secret, vaultclient.Failure) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls = append(m.calls, path)
	if m.failure != vaultclient.None {
		return nil, m.failure
	}
	if path == m.forbidden {
		return nil, vaultclient.NotPermitted
	}
	if path == "auth/approle/login" {
		token, ok := m.logins[fmt.Sprint(body["secret_id"])]
		if !ok {
			return nil, vaultclient.Rejected
		}
		return &api.Secret{Auth: &api.SecretAuth{ClientToken: token, Accessor: m.tokens[token].accessor}}, vaultclient.None
	}
	token, ok := m.tokens[m.current]
	if !ok || token.dead || token.period > 0 && time.Now().After(token.until) {
		go m.onInvalid()
		return nil, vaultclient.OwnTokenInvalid
	}
	switch path {
	case "auth/token/lookup-self":
		data := map[string]any{"accessor": token.accessor, "entity_id": token.entity, "policies": []any{"wazuh-lookup"}, "renewable": token.period > 0}
		if token.period > 0 {
			data["period"] = json.Number(fmt.Sprint(int(token.period.Seconds())))
			data["ttl"] = json.Number(fmt.Sprint(int(time.Until(token.until).Seconds())))
			data["expire_time"] = token.until.Format(time.RFC3339Nano)
		}
		return &api.Secret{Data: data}, vaultclient.None
	case "auth/token/renew-self":
		token.until = time.Now().Add(token.period)
		return &api.Secret{Auth: &api.SecretAuth{LeaseDuration: int(token.period.Seconds()), Renewable: true}}, vaultclient.None
	case "sys/audit-hash/file":
		return &api.Secret{Data: map[string]any{"hash": hashPrefix + fmt.Sprint(body["input"])}}, vaultclient.None
	}
	panic(method + " " + path)
}

func (m *memory) setToken(token secret.Text) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.current = string(token.Reveal())
	return nil
}

func (m *memory) probe(context.Context) {}
func (m *memory) setProbing(bool)       {}

func (m *memory) count(path string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := 0
	for _, call := range m.calls {
		if call == path {
			n++
		}
	}
	return n
}

func (m *memory) fail(failure vaultclient.Failure) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.failure = failure
}

// live starts a life in the current bubble and returns it with the notes that it makes.
func live(t *testing.T, vault *memory, source *TokenSource, devices ...string) (*life, func() []Note) {
	t.Helper()
	var mu sync.Mutex
	var notes []Note
	l := &life{source: source, vault: vault, devices: devices, now: time.Now, better: func() {}, wake: make(chan struct{}, 1), told: make(map[string]time.Time), log: func(n Note) {
		mu.Lock()
		defer mu.Unlock()
		notes = append(notes, n)
	}}
	vault.onInvalid = l.sayInvalid
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		l.run(ctx)
	}()
	t.Cleanup(func() { cancel(); <-done })
	return l, func() []Note {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(notes)
	}
}

func periodic(period time.Duration) *leased {
	return &leased{accessor: "acc", period: period, until: time.Now().Add(period)}
}

func TestPeriodicTokenLivesOnByRenewal(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "token")
	write(t, file, "hvs.one")
	synctest.Test(t, func(t *testing.T) {
		vault := &memory{tokens: map[string]*leased{"hvs.one": periodic(24 * time.Hour)}}
		l, notes := live(t, vault, &TokenSource{File: file}, "file")
		synctest.Wait()
		own := l.show()
		if !own.Valid || own.Period != 24*time.Hour || !own.Renewable || !slices.Equal(own.Accessors, []string{hashPrefix + "acc", "acc"}) {
			t.Errorf("Own = %+v", own)
		}
		if all := notes(); len(all) != 1 || !strings.Contains(all[0].Text, "good for 24h0m0s, renewed in") {
			t.Errorf("notes at start: %+v", all)
		}
		time.Sleep(4 * 24 * time.Hour)
		synctest.Wait()
		// 4 days at 8 h each, give or take a tenth.
		if n := vault.count("auth/token/renew-self"); n < 10 || n > 14 {
			t.Errorf("%d renewals in 4 days of a period of 24 h", n)
		}
		if n := vault.count("auth/token/lookup-self"); n != 1 {
			t.Errorf("%d lookups of itself", n)
		}
		if own := l.show(); !own.Valid || time.Until(own.Expires) < 15*time.Hour || own.Problem != "" {
			t.Errorf("Own = %+v", own)
		}
	})
}

func TestRenewalOutlastsAnOutage(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "token")
	write(t, file, "hvs.one")
	synctest.Test(t, func(t *testing.T) {
		vault := &memory{tokens: map[string]*leased{"hvs.one": periodic(time.Hour)}}
		l, notes := live(t, vault, &TokenSource{File: file})
		synctest.Wait()
		vault.fail(vaultclient.Sealed)
		time.Sleep(50 * time.Minute)
		tries := vault.count("auth/token/renew-self")
		if tries < 10 || tries > 60 {
			t.Errorf("%d tries to renew in an outage of 50 minutes", tries)
		}
		if own := l.show(); !strings.Contains(own.Problem, "could not be renewed (sealed)") {
			t.Errorf("Own = %+v", own)
		}
		vault.fail(vaultclient.None)
		time.Sleep(5 * time.Minute)
		if own := l.show(); !own.Valid || own.Problem != "" || time.Until(own.Expires) < 50*time.Minute {
			t.Errorf("after the outage: %+v", own)
		}
		if n := len(notes()); n > 3 {
			t.Errorf("%d notes about one outage: %+v", n, notes())
		}
	})
}

// While Vault is away, the renewal and the hashing of our accessor fail in turns, every few seconds.
func TestTroublesThatTakeTurnsAreToldOnceEach(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "token")
	write(t, file, "hvs.one")
	synctest.Test(t, func(t *testing.T) {
		vault := &memory{tokens: map[string]*leased{"hvs.one": periodic(30 * time.Minute)}}
		l, notes := live(t, vault, &TokenSource{File: file}, "file")
		synctest.Wait()
		before := len(notes())
		vault.fail(vaultclient.Sealed)
		l.rehash()
		time.Sleep(20 * time.Minute)
		synctest.Wait()
		during := notes()[before:]
		if len(during) != 2 {
			t.Errorf("%d lines in 20 minutes of an outage: %+v", len(during), during)
		}
		vault.fail(vaultclient.None)
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		after := notes()[before+len(during):]
		if len(after) != 2 || after[0].Problem || after[1].Problem || l.show().Problem != "" {
			t.Errorf("after it: %+v", after)
		}
	})
}

func TestInvalidTokenWaitsForTheFile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "token")
	write(t, file, "hvs.one")
	synctest.Test(t, func(t *testing.T) {
		vault := &memory{tokens: map[string]*leased{"hvs.one": periodic(time.Hour), "hvs.two": {accessor: "second", period: time.Hour, until: time.Now().Add(5 * time.Hour)}}}
		l, _ := live(t, vault, &TokenSource{File: file})
		synctest.Wait()
		vault.mu.Lock()
		vault.tokens["hvs.one"].dead = true
		vault.mu.Unlock()
		time.Sleep(time.Hour) // the next renewal is refused
		synctest.Wait()
		if own := l.show(); own.Valid || !strings.Contains(own.Problem, "invalid") {
			t.Errorf("Own = %+v", own)
		}
		calls := len(vault.calls)
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		if n := len(vault.calls) - calls; n != 0 {
			t.Errorf("%d calls with a token known to be invalid", n)
		}
		write(t, file, "hvs.two")
		time.Sleep(2 * glance)
		synctest.Wait()
		if own := l.show(); !own.Valid || own.Accessors[0] != "second" || !slices.Contains(own.Accessors, "acc") {
			t.Errorf("with the new file: %+v", own)
		}
	})
}

func TestChangedFileIsTakenWhileTheOldTokenStillWorks(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "token")
	write(t, file, "hvs.one")
	synctest.Test(t, func(t *testing.T) {
		vault := &memory{tokens: map[string]*leased{"hvs.one": periodic(time.Hour), "hvs.two": {accessor: "second", entity: "e", period: time.Hour, until: time.Now().Add(time.Hour)}}}
		l, _ := live(t, vault, &TokenSource{File: file})
		synctest.Wait()
		write(t, file, "hvs.two")
		time.Sleep(2 * glance)
		synctest.Wait()
		if own := l.show(); own.Accessors[0] != "second" || own.EntityID != "e" {
			t.Errorf("Own = %+v", own)
		}
	})
}

func TestMissingFileIsAProblemThatHeals(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "token")
	synctest.Test(t, func(t *testing.T) {
		vault := &memory{tokens: map[string]*leased{"hvs.one": periodic(time.Hour)}}
		l, notes := live(t, vault, &TokenSource{File: file})
		time.Sleep(10 * time.Minute)
		if own := l.show(); own.Valid || !strings.Contains(own.Problem, file) || len(vault.calls) != 0 {
			t.Errorf("Own = %+v, %d calls", own, len(vault.calls))
		}
		if n := len(notes()); n != 1 {
			t.Errorf("%d notes about one missing file", n)
		}
		write(t, file, "hvs.one")
		time.Sleep(2 * glance)
		if own := l.show(); !own.Valid || own.Problem != "" {
			t.Errorf("Own = %+v", own)
		}
	})
}

func TestAppRoleLogsInAgain(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "secret-id")
	write(t, file, "first")
	synctest.Test(t, func(t *testing.T) {
		vault := &memory{
			tokens: map[string]*leased{"hvs.a": {accessor: "a", entity: "same", period: time.Hour, until: time.Now().Add(time.Hour)},
				"hvs.b": {accessor: "b", entity: "same", period: time.Hour, until: time.Now().Add(100 * time.Hour)}},
			logins: map[string]string{"first": "hvs.a"},
		}
		l, notes := live(t, vault, &TokenSource{AppRole: &AppRole{Mount: "approle", RoleID: "r", SecretIDFile: file}})
		synctest.Wait()
		if own := l.show(); !own.Valid || own.EntityID != "same" || own.Accessors[0] != "a" {
			t.Fatalf("Own = %+v", own)
		}
		// The token is revoked, and the secret id refused for a while.
		vault.mu.Lock()
		vault.tokens["hvs.a"].dead = true
		vault.logins = nil
		vault.calls = nil
		vault.mu.Unlock()
		time.Sleep(3 * time.Hour)
		tries := vault.count("auth/approle/login")
		if tries < 60 || tries > 200 {
			t.Errorf("%d logins in under three hours of refusals", tries)
		}
		if own := l.show(); own.Valid || !strings.Contains(own.Problem, "issue a new secret id") {
			t.Errorf("Own = %+v", own)
		}
		vault.mu.Lock()
		vault.logins = map[string]string{"second": "hvs.b"}
		vault.mu.Unlock()
		write(t, file, "second")
		time.Sleep(2 * maxBackoff)
		synctest.Wait()
		if own := l.show(); !own.Valid || own.Accessors[0] != "b" || own.EntityID != "same" {
			t.Errorf("Own = %+v", own)
		}
		for _, note := range notes() {
			if strings.Contains(note.Text, "first") || strings.Contains(note.Text, "hvs.") {
				t.Errorf("a secret in %q", note.Text)
			}
		}
	})
}

func TestTokenThatCannotBeRenewedSaysSo(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "token")
	write(t, file, "hvs.root")
	synctest.Test(t, func(t *testing.T) {
		vault := &memory{tokens: map[string]*leased{"hvs.root": {accessor: "root"}}}
		_, notes := live(t, vault, &TokenSource{File: file})
		time.Sleep(100 * time.Hour)
		if n := vault.count("auth/token/renew-self"); n != 0 {
			t.Errorf("%d renewals of root", n)
		}
		if all := notes(); len(all) != 1 || !strings.Contains(all[0].Text, "never expires") {
			t.Errorf("notes: %+v", all)
		}
	})
}

func TestLookupSelfMayBeForbidden(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "token")
	write(t, file, "hvs.one")
	synctest.Test(t, func(t *testing.T) {
		vault := &memory{tokens: map[string]*leased{"hvs.one": periodic(time.Hour)}, failure: vaultclient.NotPermitted}
		l, notes := live(t, vault, &TokenSource{File: file})
		time.Sleep(time.Hour)
		for _, path := range []string{"auth/token/lookup-self", "auth/token/renew-self"} {
			if n := vault.count(path); n != 1 {
				t.Errorf("asked %d times for %s, which is forbidden", n, path)
			}
		}
		if own := l.show(); !own.Valid || !strings.Contains(own.Problem, "lookup-self") || len(notes()) != 1 {
			t.Errorf("Own = %+v, notes %+v", own, notes())
		}
	})
}

func TestTokenThatMayNotLookItselfUpIsRenewed(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "token")
	write(t, file, "hvs.one")
	synctest.Test(t, func(t *testing.T) {
		vault := &memory{tokens: map[string]*leased{"hvs.one": periodic(time.Hour)}, forbidden: "auth/token/lookup-self"}
		l, _ := live(t, vault, &TokenSource{File: file})
		time.Sleep(24 * time.Hour)
		if own := l.show(); !own.Valid || time.Until(own.Expires) < 30*time.Minute {
			t.Errorf("Own = %+v", own)
		}
	})
}

// With a real connection: that Run itself gets a token, renews by http, and that an AppRole's login is audited as ours.
func TestRunAgainstAServer(t *testing.T) {
	t.Parallel()
	fake := start(t)
	fake.Own("hvs.approle", "ApproleAccessor", map[string]any{"entity_id": "e-own", "period": 1, "ttl": 1, "policies": []string{"wazuh-lookup"}})
	fake.Role("role", "sekret", "hvs.approle")
	fake.Device("file")
	file := filepath.Join(t.TempDir(), "secret-id")
	write(t, file, "sekret")
	trace := &ids{}
	r := resolver(t, func(o *Options) {
		o.Trace, o.HashedDevices = trace, []string{"file"}
		o.Token = &TokenSource{AppRole: &AppRole{Mount: "approle", RoleID: "role", SecretIDFile: file}}
	}, fake)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); r.Run(ctx) }()
	eventually(t, "two renewals, and every request's being known as ours", func() bool {
		asked := fake.RequestIDs()
		trace.mu.Lock()
		defer trace.mu.Unlock()
		return fake.Count("auth/token/renew-self") >= 2 && !slices.ContainsFunc(asked, func(id string) bool { return !slices.Contains(trace.ids, id) })
	})
	cancel()
	<-done
	own := r.Own()
	if !own.Valid || own.EntityID != "e-own" || !slices.Contains(own.Accessors, "ApproleAccessor") || !slices.Contains(own.Accessors, fake.Hash("file", "ApproleAccessor")) {
		t.Errorf("Own = %+v", own)
	}
	if fake.Requests()[0].Method != http.MethodPut || fake.Requests()[0].Header.Get("X-Vault-Token") == "hvs.approle" {
		t.Error("the first request must be the login")
	}
}
