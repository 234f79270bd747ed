package vaultlookup

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"custom-vault/internal/identity"
	"custom-vault/internal/vaultfake"
)

// noted collects what the log is told.
type noted struct {
	mu    sync.Mutex
	notes []Note
}

func (n *noted) note(note Note) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.notes = append(n.notes, note)
}

func (n *noted) all() []Note {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.notes)
}

func TestAnOutageIsToldOnceAndWhenItIsOver(t *testing.T) {
	t.Parallel()
	fake := start(t)
	bobs(fake)
	fake.Seal(true)
	var log noted
	r := resolver(t, func(o *Options) { o.Pause, o.Log = 10*time.Millisecond, log.note }, fake)
	before := len(fake.Requests())
	eventually(t, "many tries that fail", func() bool {
		r.Resolve(context.Background(), read(bob, bobEntity))
		return len(fake.Requests()) >= before+20
	})
	if notes := log.all(); len(notes) != 1 || !notes[0].Problem || !strings.Contains(notes[0].Text, "unseal it") {
		t.Errorf("while it is sealed: %+v", notes)
	}
	fake.Seal(false)
	eventually(t, "the end", func() bool {
		return r.Resolve(context.Background(), read(bob, bobEntity)).Rung == identity.RungAccessor
	})
	eventually(t, "a line about the end", func() bool { return len(log.all()) == 2 })
	if last := log.all()[1]; last.Problem || !strings.Contains(last.Text, "answers again") {
		t.Errorf("%+v", last)
	}
}

func TestWhatToDoAboutACertificateIsSaid(t *testing.T) {
	t.Parallel()
	for name, kind := range map[string]vaultfake.Certificate{
		"unknown authority": vaultfake.OtherAuthority, "expired": vaultfake.Expired, "IP SANs": vaultfake.OtherName,
	} {
		fake, err := vaultfake.Start(kind, ownToken, ownAccessor)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(fake.Close)
		var log noted
		r := resolver(t, func(o *Options) { o.Pause, o.Log = time.Hour, log.note }, fake)
		eventually(t, "the breaker's opening", func() bool {
			if id := r.Resolve(context.Background(), read(bob, bobEntity)); id.Why != identity.ReasonUnreachable {
				t.Fatalf("%s: %+v", name, id)
			}
			return r.Stats().Open == 1
		})
		if notes := log.all(); len(notes) != 1 || !strings.Contains(notes[0].Text, name) || !strings.Contains(notes[0].Text, "ca_file") {
			t.Errorf("%s: %+v", name, notes)
		}
	}
}
