// Package vaulttest gives a test a running Vault that ends with the test. It is for tests of any package
// of the lab; it imports the lab's vault and testing.
package vaulttest

import (
	"bytes"
	"context"
	"os"
	"testing"
	"time"

	"custom-vault/lab/vault"
)

// startTimeout is generous: a busy machine starts several servers at once. Stopping has its own bound.
const (
	startTimeout = 3 * time.Minute
	stopTimeout  = 90 * time.Second
)

// logTail is how much of a failed test's operational log is shown.
const logTail = 4 << 10

// Start runs a sealed, uninitialised Vault in a folder of the test's own. Binary and Dir of c may be empty.
// The test fails, and is never skipped, if the server is not built.
func Start(t testing.TB, c vault.Config) *vault.Server {
	t.Helper()
	if c.Binary == "" {
		binary, err := vault.Binary()
		if err != nil {
			t.Fatal(err)
		}
		c.Binary = binary
	}
	if c.Dir == "" {
		c.Dir = t.TempDir()
	}
	ctx, cancel := context.WithTimeout(t.Context(), startTimeout)
	defer cancel()
	s, err := vault.Start(ctx, c)
	if err != nil {
		t.Fatalf("start Vault: %v", err)
	}
	t.Cleanup(func() { end(t, s) })
	return s
}

// StartUnsealed runs a Vault that is initialised, unsealed and active.
func StartUnsealed(t testing.TB, c vault.Config) *vault.Server {
	t.Helper()
	s := Start(t, c)
	ctx, cancel := context.WithTimeout(t.Context(), startTimeout)
	defer cancel()
	if err := s.InitAndUnseal(ctx); err != nil {
		t.Fatalf("initialise and unseal Vault: %v", err)
	}
	return s
}

// end stops the server, if the test has not, and shows the end of its log if the test failed.
func end(t testing.TB, s *vault.Server) {
	if s.Running() {
		// The test's own context has ended when a cleanup runs.
		ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
		defer cancel()
		if err := s.Stop(ctx); err != nil {
			t.Errorf("stop Vault: %v", err)
		}
	}
	if !t.Failed() {
		return
	}
	log, err := os.ReadFile(s.LogFile())
	if err != nil {
		t.Logf("Vault's log: %v", err)
		return
	}
	t.Logf("the end of Vault's log:\n%s", bytes.TrimSpace(log[max(0, len(log)-logTail):]))
}
