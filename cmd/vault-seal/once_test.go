package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAnOrderThatComesTwiceIsObeyedOnce(t *testing.T) {
	t.Parallel()
	a := newAgent(t)
	if code := a.run(t, order); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	a.vault.Seal(false) // somebody has unsealed it meanwhile
	if code := a.run(t, order); code != 0 {
		t.Errorf("the second time: exit code %d", code)
	}
	if n := a.vault.Count("sys/seal"); n != 1 {
		t.Errorf("%d requests to seal", n)
	}
	lines := strings.Split(strings.TrimSpace(a.report(t)), "\n")
	if last := lines[len(lines)-1]; !strings.Contains(last, "INFO - nothing to do: this plan was obeyed before") || !strings.Contains(last, "plan=plan-1 node=none") {
		t.Errorf("the report ends with %q", last)
	}
	if code := a.run(t, strings.Replace(order, "plan-1", "plan-2", 1)); code != 0 || a.vault.Count("sys/seal") != 2 {
		t.Errorf("another plan: exit code %d, %d requests to seal", code, a.vault.Count("sys/seal"))
	}
}

func TestAnOrderThatFailedIsObeyedWhenItComesAgain(t *testing.T) {
	t.Parallel()
	a := newAgent(t)
	a.write(t, "token", "hvs.wrong\n", 0o600)
	if code := a.run(t, order); code == 0 {
		t.Fatal("it succeeded with a wrong token")
	}
	a.write(t, "token", ownToken+"\n", 0o600)
	if code := a.run(t, order); code != 0 {
		t.Errorf("the second time: exit code %d", code)
	}
	if !strings.Contains(a.report(t), "SUCCESS - sealed plan=plan-1") {
		t.Errorf("the report is %q", a.report(t))
	}
}

func TestAMemoryThatFailsDoesNotKeepVaultOpen(t *testing.T) {
	t.Parallel()
	a := newAgent(t)
	a.write(t, "blocked", "", 0o600)
	a.reconfigure(t, "timeout: 5s", "timeout: 5s\nmemory_dir: "+filepath.Join(a.home, "blocked"))
	if code := a.run(t, order); code != 1 {
		t.Errorf("exit code %d", code)
	}
	if report := a.report(t); !strings.Contains(report, "SUCCESS - sealed plan=plan-1 node=vault-1") || !strings.Contains(report, "ERROR - the same order would be obeyed again") {
		t.Errorf("the report is %q", report)
	}
	if info, err := os.Stat(filepath.Join(a.home, "blocked")); err != nil || info.IsDir() {
		t.Errorf("the file in the folder's place: %v, %v", info, err)
	}
}
