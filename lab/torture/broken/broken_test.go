package broken

import (
	"os"
	"path/filepath"
	"testing"
)

func TestEveryWayToBreakTheProductCompiles(t *testing.T) {
	t.Parallel()
	for _, way := range Ways() {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			bin, err := Build(t.Context(), filepath.Join("..", "..", ".."), way, t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			for _, program := range []string{"enrich", "custom-vault", "vault-seal"} {
				if _, err := os.Stat(filepath.Join(bin, program)); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func TestAnUnknownWayIsRefused(t *testing.T) {
	t.Parallel()
	if _, err := Build(t.Context(), filepath.Join("..", "..", ".."), "gently", t.TempDir()); err == nil {
		t.Error("it was built")
	}
}
