package sealing

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func openMemory(t *testing.T, dir string) *Memory {
	t.Helper()
	m, err := OpenMemory(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	return m
}

func TestAnObeyedPlanIsRememberedOverRuns(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "var", "vault-seal")
	if err := openMemory(t, dir).Remember("plan-1"); err != nil {
		t.Fatal(err)
	}
	m := openMemory(t, dir)
	if at, obeyed, err := m.Obeyed("plan-1"); err != nil || !obeyed || time.Since(at) > time.Hour {
		t.Errorf("obeyed %t at %s, %v", obeyed, at, err)
	}
	for _, other := range []string{"plan-2", NoPlan} {
		if _, obeyed, err := m.Obeyed(other); err != nil || obeyed {
			t.Errorf("%s: obeyed %t, %v", other, obeyed, err)
		}
	}
}

func TestOrdersWithoutAPlanAreNotRemembered(t *testing.T) {
	t.Parallel()
	m := openMemory(t, filepath.Join(t.TempDir(), "memory"))
	if err := m.Remember(NoPlan); err != nil {
		t.Fatal(err)
	}
	if _, obeyed, err := m.Obeyed(NoPlan); err != nil || obeyed {
		t.Errorf("obeyed %t, %v", obeyed, err)
	}
}

func TestTheOldestPlansAreForgotten(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "memory")
	m := openMemory(t, dir)
	for i := range maxRemembered {
		path := filepath.Join(dir, fileOf(fmt.Sprintf("old-%d", i)))
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		at := time.Now().Add(time.Duration(i-maxRemembered) * time.Minute)
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Remember("new"); err != nil {
		t.Fatal(err)
	}
	for plan, want := range map[string]bool{"new": true, "old-0": false, "old-1": true} {
		if _, obeyed, err := m.Obeyed(plan); err != nil || obeyed != want {
			t.Errorf("%s: obeyed %t, want %t, %v", plan, obeyed, want, err)
		}
	}
}

func TestAMemoryThatOthersCouldChangeIsRefused(t *testing.T) {
	t.Parallel()
	for name, make := range map[string]func(dir string) error{
		"has mode 0770": func(dir string) error {
			if err := os.Mkdir(dir, 0o770); err != nil {
				return err
			}
			return os.Chmod(dir, 0o770)
		},
		"is not a folder": func(dir string) error {
			if err := os.Mkdir(dir+".real", 0o700); err != nil {
				return err
			}
			return os.Symlink(dir+".real", dir)
		},
		"not a directory": func(dir string) error { return os.WriteFile(dir, nil, 0o600) },
	} {
		dir := filepath.Join(t.TempDir(), "memory")
		if err := make(dir); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenMemory(dir); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
