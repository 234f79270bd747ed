package store

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestTheStoreKnowsWhetherItWasClosedInOrder(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	s, err := Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if !s.Crashed().IsZero() {
		t.Errorf("a new store was crashed at %s", s.Crashed())
	}
	if err := s.Commit(t.Context(), commitOf("a")); err != nil {
		t.Fatal(err)
	}
	left := folder(t) // what a kill leaves at this moment
	for _, name := range []string{"state.db", "state.db-wal"} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(left, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if again := openIn(t, dir); !again.Crashed().IsZero() {
		t.Errorf("a store that was closed was crashed at %s", again.Crashed())
	}
	killed := openIn(t, left)
	if at := killed.Crashed(); time.Since(at) > time.Minute || at.IsZero() {
		t.Errorf("crashed at %s", at)
	}
	if got := kept(t, killed, "a"); len(got) != parts {
		t.Errorf("kept %v", got)
	}
}
