package vaultlookup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"custom-vault/internal/alert"
	"custom-vault/internal/identity"
	"custom-vault/internal/vaultfake"
)

// indexed makes a resolver with an index and runs it until the test ends.
func indexed(t *testing.T, file string, fake *vaultfake.Server, change ...func(*Options)) *Resolver {
	t.Helper()
	r := resolver(t, func(o *Options) {
		o.HashedDevices = []string{"file", "second"}
		o.Index = &IndexOptions{File: file, PerSecond: 5000, Every: 20 * time.Millisecond}
		for _, f := range change {
			f(o)
		}
	}, fake)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); r.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return r
}

func devices(fake *vaultfake.Server) {
	fake.Device("file")
	fake.Device("second")
}

func TestHashedAccessorIsFoundOnBothDevices(t *testing.T) {
	t.Parallel()
	fake := start(t)
	devices(fake)
	bobs(fake)
	r := indexed(t, filepath.Join(t.TempDir(), "index"), fake)
	ask := func(device string) identity.Identity {
		return r.Resolve(context.Background(), read(fake.Hash(device, bob), bobEntity))
	}
	// Not indexed yet: the entity answers, and the index goes to work.
	if id := ask("file"); id.Rung != identity.RungEntity || id.Why != identity.ReasonHashed || !id.MayImprove() {
		t.Errorf("at first: %+v", id)
	}
	<-r.Better()
	for _, device := range []string{"file", "second"} {
		var id identity.Identity
		eventually(t, "indexing on "+device, func() bool { id = ask(device); return id.Rung == identity.RungHash })
		if id.Accessor != bob || id.AccessorHash != fake.Hash(device, bob) || id.Confidence != identity.Confirmed || id.Name() != "bob" {
			t.Errorf("%s: %+v", device, id)
		}
	}
	for _, request := range fake.Requests() {
		if accessor, _ := request.Body["accessor"].(string); alert.Hashed(accessor) {
			t.Errorf("vault was asked for the hash %s", accessor)
		}
	}
}

func TestOnceWarmANewHashCostsOneListAndItself(t *testing.T) {
	t.Parallel()
	fake := start(t)
	devices(fake)
	for i := range 500 {
		fake.Token(fmt.Sprintf("accessor%d", i), map[string]any{})
	}
	r := indexed(t, "", fake)
	find := func(accessor string) {
		t.Helper()
		eventually(t, "finding "+accessor, func() bool {
			return r.Resolve(context.Background(), read(fake.Hash("file", accessor), "")).Rung == identity.RungHash
		})
	}
	find("accessor0")
	eventually(t, "hashing all", func() bool { return r.Stats().Indexed == 2*501 }) // our own token is one
	lists, hashes := fake.Count("auth/token/accessors"), fake.Count("sys/audit-hash/file")
	fake.Token("young", map[string]any{})
	find("young")
	eventually(t, "hashing on both", func() bool { return r.Stats().Indexed == 2*502 })
	if n := fake.Count("auth/token/accessors") - lists; n != 1 {
		t.Errorf("%d lists for one new hash", n)
	}
	if n := fake.Count("sys/audit-hash/file") - hashes; n != 2 { // the canary and the new one
		t.Errorf("%d hashes for one new accessor", n)
	}
}

func TestHashThatNobodyHasIsSoughtOnce(t *testing.T) {
	t.Parallel()
	fake := start(t)
	devices(fake)
	r := indexed(t, "", fake)
	alien := alert.HashPrefix + strings.Repeat("0", 64)
	vain := func() bool {
		r.Resolve(context.Background(), read(alien, ""))
		r.index.mu.Lock()
		defer r.index.mu.Unlock()
		return len(r.index.vain) == 1 && len(r.index.wanted) == 0
	}
	eventually(t, "giving up", vain)
	lists := fake.Count("auth/token/accessors")
	for range 200 {
		r.Resolve(context.Background(), read(alien, ""))
	}
	if n := fake.Count("auth/token/accessors"); n != lists {
		t.Errorf("%d more lists for a hash that nobody has", n-lists)
	}
}

func TestWantedHashGoesBeforeTheRest(t *testing.T) {
	t.Parallel()
	fake := start(t)
	fake.Device("file")
	for i := range 300 {
		fake.Token(fmt.Sprintf("accessor%d", i), map[string]any{})
	}
	r := indexed(t, "", fake, func(o *Options) { o.Index.PerSecond, o.HashedDevices = 20, []string{"file"} })
	r.Resolve(context.Background(), read(fake.Hash("file", "accessor0"), ""))
	eventually(t, "the first hashes", func() bool { return fake.Count("sys/audit-hash/file") > 22 })
	fake.Token("young", map[string]any{})
	eventually(t, "finding the young one", func() bool {
		return r.Resolve(context.Background(), read(fake.Hash("file", "young"), "")).Rung == identity.RungHash
	})
	if n := fake.Count("sys/audit-hash/file"); n > 250 {
		t.Errorf("the young one was found after %d hashes", n)
	}
}

func TestBudgetIsKept(t *testing.T) {
	t.Parallel()
	fake := start(t)
	fake.Device("file")
	for i := range 300 {
		fake.Token(fmt.Sprintf("accessor%d", i), map[string]any{})
	}
	began := time.Now()
	r := indexed(t, "", fake, func(o *Options) { o.Index.PerSecond, o.HashedDevices = 100, []string{"file"} })
	r.Resolve(context.Background(), read(fake.Hash("file", "accessor0"), ""))
	eventually(t, "150 hashes", func() bool { return fake.Count("sys/audit-hash/file") >= 150 })
	calls := fake.Count("sys/audit-hash/file")
	took := time.Since(began)
	if allowed := 100 + 100*took.Seconds() + 2; float64(calls) > allowed {
		t.Errorf("%d calls in %v: the budget of 100/s, with a burst of one second, allows %.0f", calls, took, allowed)
	}
}

func TestDeviceEnabledAnewVoidsItsHashes(t *testing.T) {
	t.Parallel()
	fake := start(t)
	devices(fake)
	bobs(fake)
	r := indexed(t, "", fake)
	find := func() {
		t.Helper()
		eventually(t, "finding bob", func() bool {
			return r.Resolve(context.Background(), read(fake.Hash("file", bob), "")).Rung == identity.RungHash
		})
	}
	find()
	eventually(t, "hashing all", func() bool { return r.Stats().Indexed == 4 })
	old := fake.Hash("file", bob)
	fake.Device("file")
	r.Saw(&alert.Record{Type: "response", Operation: "update", Path: "sys/audit/file", HasAuth: true, Auth: alert.Auth{Judged: true, Allowed: true}})
	find()
	eventually(t, "hashing all again", func() bool { return r.Stats().Indexed == 4 })
	if got := r.index.find(old, false); got != "" {
		t.Errorf("the void hash still finds %s", got)
	}
	if got := r.index.find(fake.Hash("second", bob), false); got != bob {
		t.Errorf("the other device's hash finds %q", got)
	}
}

func TestDeadTokensAreDropped(t *testing.T) {
	t.Parallel()
	fake := start(t)
	devices(fake)
	bobs(fake)
	r := indexed(t, "", fake)
	r.Resolve(context.Background(), read(fake.Hash("file", bob), ""))
	eventually(t, "hashing all", func() bool { return r.Stats().Indexed == 4 })
	fake.Token(bob, nil)
	r.index.doubt()
	eventually(t, "dropping bob", func() bool { return r.Stats().Indexed == 2 })
}

func TestIndexOutlivesARestart(t *testing.T) {
	t.Parallel()
	fake := start(t)
	devices(fake)
	bobs(fake)
	file := filepath.Join(t.TempDir(), "index")
	first := indexed(t, file, fake)
	first.Resolve(context.Background(), read(fake.Hash("file", bob), ""))
	eventually(t, "the saved index", func() bool { _, err := os.Stat(file); return err == nil })
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	// A second one that never runs, as a command has it: it only reads.
	second := resolver(t, func(o *Options) {
		o.HashedDevices, o.Index = []string{"file", "second"}, &IndexOptions{File: file}
	}, fake)
	if id, err := second.Lookup(context.Background(), fake.Hash("second", bob)); err != nil || id.Rung != identity.RungHash || id.Accessor != bob {
		t.Errorf("%+v, %v", id, err)
	}
}

func TestIndexFileIsChecked(t *testing.T) {
	t.Parallel()
	fake := start(t)
	for name, c := range map[string]struct {
		content string
		mode    os.FileMode
		fine    bool
	}{
		"open to others": {`{"v":1}`, 0o644, false},
		"broken":         {`{"v":`, 0o600, true},
		"of the future":  {`{"v":2,"devices":{"file":{"hashes":{"a":"hmac-sha256:1"}}}}`, 0o600, true},
	} {
		file := filepath.Join(t.TempDir(), "index")
		if err := errors.Join(os.WriteFile(file, []byte(c.content), 0o600), os.Chmod(file, c.mode)); err != nil { // whatever the umask
			t.Fatal(err)
		}
		r, err := New(Options{Vaults: resolver(t, nil, fake).opts.Vaults, HashedDevices: []string{"file"}, Index: &IndexOptions{File: file}})
		if (err == nil) != c.fine {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil {
			if n := r.Stats().Indexed; n != 0 {
				t.Errorf("%s: %d hashes taken", name, n)
			}
			r.Close()
		}
	}
}

func TestIndexWithoutPermissionSaysSoAndAsksNoMore(t *testing.T) {
	t.Parallel()
	fake := start(t)
	devices(fake)
	fake.Deny("auth/token/accessors")
	notes := make(chan Note, 100)
	r := indexed(t, "", fake, func(o *Options) { o.Log = func(n Note) { notes <- n } })
	if id := r.Resolve(context.Background(), read(fake.Hash("file", "x"), "")); id.Why != identity.ReasonHashed {
		t.Errorf("%+v", id)
	}
	if note := <-notes; !note.Problem || !strings.Contains(note.Text, "not permitted") {
		t.Errorf("%+v", note)
	}
}

func TestLookupSeeksAHashInTheForeground(t *testing.T) {
	t.Parallel()
	fake := start(t)
	devices(fake)
	bobs(fake)
	file := filepath.Join(t.TempDir(), "index")
	r := resolver(t, func(o *Options) {
		o.HashedDevices, o.Index = []string{"file/", "second/"}, &IndexOptions{File: file, PerSecond: 5000}
	}, fake)
	ctx := context.Background()
	if id, err := r.Lookup(ctx, fake.Hash("second", bob)); err != nil || id.Rung != identity.RungHash || id.Accessor != bob {
		t.Errorf("%+v, %v", id, err)
	}
	if _, err := os.Stat(file); err != nil {
		t.Error(err)
	}
}
