package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"custom-vault/internal/health"
	"custom-vault/internal/vaultfake"
)

// analysisd takes nothing: its queue is full, and nobody reads from it. The orders to seal leave all the same.
func TestAStuckSocketDelaysNoSeal(t *testing.T) {
	t.Parallel()
	fake, err := vaultfake.Start(vaultfake.Good, "t", "own")
	must(t, err)
	t.Cleanup(fake.Close)
	ordered := make(chan string, 1)
	answer := func(w http.ResponseWriter, body string) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, body)
	}
	fake.Always("/security/user/authenticate", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, `{"data":{"token":"head.e30.signature"},"error":0}`)
	})
	fake.Always("/active-response", func(w http.ResponseWriter, r *http.Request) {
		select {
		case ordered <- r.URL.Query().Get("agents_list"):
		default:
		}
		answer(w, `{"data":{"affected_items":["001"],"total_affected_items":1,"total_failed_items":0,"failed_items":[]},"message":"AR command was sent to all agents","error":0}`)
	})
	m := newMachine(t)
	must(t, os.WriteFile(m.path("ca.pem"), fake.CAPEM, 0o644))
	must(t, os.WriteFile(m.path("password"), []byte("p\n"), 0o400))
	m.configure(fmt.Sprintf(`  api: {addresses: [%q], ca_file: %s/ca.pem, user: u, password_file: %s/password}
clusters: [{name: prod, ca_file: %s/ca.pem, nodes: [{name: vault-1, address: %q, agent: "001"}]}]
decide: {rules: article, seal: armed, stale_after: 1h, halt_file: %s/halt}`, fake.URL, m.dir, m.dir, m.dir, fake.URL, m.dir))
	m.start()
	for i := range 100 { // more than the queue takes
		m.alerts(strings.ReplaceAll(alertLine(fmt.Sprintf("2.%d", i), 3), "100617", "100605")) // which seals nothing
	}
	full := func(s standing) bool {
		away := func(fault health.Fault) bool { return fault.Code == health.AnalysisdAway }
		return slices.ContainsFunc(s.Faults, away) && s.Outbox.Pending > 50
	}
	m.until("analysisd's queue is full", full)
	m.alerts(alertLine("1.1", 12))
	select {
	case agents := <-ordered:
		if agents != "001" {
			t.Errorf("ordered of agents %q", agents)
		}
	case <-time.After(patience):
		t.Fatal("no order has left")
	}
	m.until("the queue is still full", full)
}

// until asks for the daemon's standing until something holds of it.
func (m *machine) until(what string, holds func(standing) bool) {
	m.t.Helper()
	var last string
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		_, last = m.asks(true)
		var s standing
		if json.Unmarshal([]byte(last), &s) == nil && holds(s) {
			return
		}
	}
	m.t.Fatalf("it did not come true that %s: %s", what, last)
}
