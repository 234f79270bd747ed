package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"custom-vault/internal/store"
	"custom-vault/internal/vaultfake"
)

// ours is an alert about a request with the daemon's own token that succeeded at Vault.
func ours(request, path string, at time.Time) string {
	return fmt.Sprintf(`{"timestamp":%q,"rule":{"level":3,"description":"d","id":"100601","groups":["vault"]},"agent":{"id":"001","name":"vault-1"},`+
		`"manager":{"name":"m"},"id":"1.%s","full_log":"{\"auth\":{\"accessor\":\"our-accessor\"},\"request\":{\"id\":\"%s\",\"operation\":\"update\",\"path\":\"%s\"},`+
		`\"time\":\"%s\",\"type\":\"response\"}","decoder":{"name":"vault-audit"},"location":"l"}`,
		at.Format("2006-01-02T15:04:05.000-0700"), request, request, path, at.UTC().Format(time.RFC3339Nano))
}

// next reads datagrams until one is of a kind about an alert; "" is any. It returns how many intruders came on the way.
func (m *manager) next(t *testing.T, kind, alert string) (intruders int) {
	t.Helper()
	if err := m.socket.SetReadDeadline(time.Now().Add(3 * time.Minute)); err != nil {
		t.Fatal(err)
	}
	for buffer := make([]byte, 1<<16); ; {
		n, err := m.socket.Read(buffer)
		if err != nil {
			t.Fatalf("no %s event about alert %s: %v", kind, alert, err)
		}
		event := gjson.GetBytes(buffer[strings.IndexByte(string(buffer[:n]), '{'):n], "custom_vault")
		if event.Get("event").String() == "intruder" {
			intruders++
		}
		if event.Get("event").String() == kind && event.Get("alert_id").String() == alert {
			return intruders
		}
	}
}

// The daemon is killed while a request with its token waits to be told from its own, and while one of its own is under
// way. It is killed once more, and ended, and still tells of the one intruder, and once.
func TestAnIntruderIsToldOnceAcrossKills(t *testing.T) {
	t.Parallel()
	fake, err := vaultfake.Start(vaultfake.Good, "secret-of-the-lookup-token", "our-accessor")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(fake.Close)
	fake.Always("auth/token/lookup-accessor", fake.Hang())
	m := newManager(t, strings.TrimPrefix(fake.URL, "https://"))
	if err := os.WriteFile(filepath.Join(m.dir, "ca.pem"), fake.CAPEM, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := m.serve(t)
	kill := func() {
		t.Helper()
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
		cmd = m.serve(t)
	}
	write(t, m.alerts, ours("stolen", "auth/token/create", time.Now()))
	m.next(t, "enriched", "1.stolen") // so its line was read
	asked := time.Now()
	write(t, m.alerts, variants(t, 1, 1)...)
	for deadline := time.Now().Add(patience); fake.Count("auth/token/lookup-accessor") == 0; {
		if time.Now().After(deadline) {
			t.Fatal("vault was not asked about the other alert")
		}
		time.Sleep(time.Millisecond) // the fake has nothing to wait on
	}
	kill() // without an answer
	write(t, m.alerts, ours("own", "auth/token/lookup-accessor", asked))
	m.next(t, "enriched", "1.own")
	kill()
	if n := m.next(t, "intruder", "1.stolen"); n != 1 {
		t.Errorf("%d intruders, the last of them who stole the token", n)
	}
	kill()
	write(t, m.alerts, variants(t, 2, 1)...)
	if n := m.next(t, "enriched", gjson.Get(variants(t, 2, 1)[0], "id").String()); n != 0 {
		t.Errorf("%d intruders were told again", n)
	}
	terminate(t, cmd)
	s, err := store.Open(t.Context(), filepath.Join(m.dir, "state"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if waiting, err := s.Suspects(t.Context()); err != nil || len(waiting) != 0 {
		t.Errorf("suspects still wait: %v, %v", waiting, err)
	}
}
