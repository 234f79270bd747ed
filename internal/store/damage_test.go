package store

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestWhatIsWrongWithTheDatabaseIsSaidWithWhatToDo(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		spoil func(path string) error
		want  string
	}{
		"no database": {func(path string) error { return os.WriteFile(path, bytes.Repeat([]byte("x"), 8192), 0o600) }, "is damaged"},
		"damaged within": {func(path string) error {
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			for i := 4096; i < len(text); i++ {
				text[i] = byte(i * 7)
			}
			return os.WriteFile(path, text, 0o600)
		}, "is damaged"},
		"a folder": {func(path string) error {
			if err := os.Remove(path); err != nil {
				return err
			}
			return os.Mkdir(path, 0o700)
		}, "look at its disk"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := folder(t)
			s := openIn(t, dir)
			if err := s.Commit(t.Context(), commitOf("a")); err != nil {
				t.Fatal(err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, "state.db")
			if err := c.spoil(path); err != nil {
				t.Fatal(err)
			}
			for range 2 { // the lock is given back
				if _, err := Open(t.Context(), dir); err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) {
					t.Errorf("error %v", err)
				}
			}
		})
	}
}
