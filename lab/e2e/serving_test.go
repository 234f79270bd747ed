package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"custom-vault/lab/vault"
)

// liveTokens is how many live tokens TestNewHashCostsOneList has; the figure of the documentation is for 10,000.
var liveTokens = flag.Int("live", 1000, "how many live tokens the test of the index has")

// soakTime is how long TestOwnLookupsLeadToNoLookups watches; `make soak` has it watch for ten minutes.
var soakTime = flag.Duration("soak", 5*time.Second, "how long the soak test watches an idle daemon")

// serving is a running `enrich serve` with the files of a manager around it.
type serving struct {
	*world
	alerts *os.File
	queue  *net.UnixConn
	count  int

	mu     sync.Mutex
	events []string // as they came to analysisd's queue socket
	log    bytes.Buffer
}

// serve starts the daemon and waits until it follows.
func serve(t *testing.T, w *world) *serving {
	t.Helper()
	s := &serving{world: w}
	for _, dir := range []string{"logs/alerts", "queue/custom-vault/journal", "queue/sockets"} {
		must(t, os.MkdirAll(filepath.Join(w.dir, dir), 0o770))
	}
	must(t, os.Chmod(filepath.Join(w.dir, "queue/custom-vault/journal"), 0o770))
	var err error
	s.alerts, err = os.OpenFile(filepath.Join(w.dir, "logs/alerts/alerts.json"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o640)
	must(t, err)
	t.Cleanup(func() { must(t, s.alerts.Close()) })
	s.queue, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram", Name: filepath.Join(w.dir, "queue/sockets/queue")})
	must(t, err)
	var running sync.WaitGroup
	running.Go(s.receive)
	t.Cleanup(func() { must(t, s.queue.Close()); running.Wait() })

	command := exec.Command(w.enrich, "serve", "--config", w.config)
	command.Env = []string{"VAULT_TOKEN=hvs.hostile", "VAULT_SKIP_VERIFY=banana"}
	command.Stderr = s
	must(t, command.Start())
	t.Cleanup(func() {
		if err := command.Process.Signal(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
		if err := command.Wait(); err != nil {
			t.Errorf("enrich serve: %v", err)
		}
		if t.Failed() {
			t.Logf("the daemon's log:\n%s", s.logged())
		}
		s.noSecrets(t)
	})
	await(t, "following alerts.json", func() bool { return strings.Contains(s.logged(), "serve: following") })
	return s
}

// noSecrets looks for our own token in everything that the daemon wrote: its log, its events, its files.
func (s *serving) noSecrets(t *testing.T) {
	t.Helper()
	planted := []byte(s.own.ClientToken)
	if strings.Contains(s.logged(), s.own.ClientToken) {
		t.Error("our token is in the log")
	}
	s.mu.Lock()
	for _, event := range s.events {
		if strings.Contains(event, s.own.ClientToken) {
			t.Errorf("our token is in an event: %s", event)
		}
	}
	s.mu.Unlock()
	must(t, filepath.WalkDir(s.dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() || path == filepath.Join(s.dir, "token") {
			return err
		}
		content, err := os.ReadFile(path)
		if bytes.Contains(content, planted) {
			t.Errorf("our token is in %s", path)
		}
		return err
	}))
}

// Write takes the daemon's log.
func (s *serving) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.Write(p)
}

func (s *serving) logged() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.String()
}

func (s *serving) receive() {
	buffer := make([]byte, 1<<17)
	for {
		n, err := s.queue.Read(buffer)
		if err != nil {
			return
		}
		s.mu.Lock()
		s.events = append(s.events, string(buffer[:n]))
		s.mu.Unlock()
	}
}

// eventsOf counts the events of a kind.
func (s *serving) eventsOf(kind string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, event := range s.events {
		if strings.Contains(event, `"event":"`+kind+`"`) {
			n++
		}
	}
	return n
}

// raise appends one alert about a record to alerts.json, as analysisd does.
func (s *serving) raise(t *testing.T, line []byte) {
	t.Helper()
	s.count++
	alert, err := json.Marshal(map[string]any{
		"timestamp": time.Now().Format("2006-01-02T15:04:05.000-0700"), "id": fmt.Sprintf("%d.%d", time.Now().Unix(), s.count),
		"rule":  map[string]any{"level": 3, "description": "Vault: request", "id": "100601", "firedtimes": 1, "groups": []string{"vault"}},
		"agent": map[string]any{"id": "001", "name": "vault-1"}, "manager": map[string]any{"name": "wazuh"},
		"full_log": string(line), "decoder": map[string]any{"name": "vault-audit"}, "data": map[string]any{"type": "response"},
		"location": "/var/log/vault/audit.log",
	})
	must(t, err)
	_, err = s.alerts.Write(append(alert, '\n'))
	must(t, err)
}

// asked counts our own requests in the raw device's file, by path, responses only.
func (w *world) asked(t *testing.T) map[string]int {
	t.Helper()
	records, err := vault.ReadAudit(w.audit("raw"))
	must(t, err)
	counts := map[string]int{}
	for _, record := range records {
		if record.Type == "response" && record.Auth.Accessor == w.own.Accessor {
			path := record.Request.Path
			for _, prefix := range []string{"identity/entity/id/", "identity/group/id/", "sys/audit-hash/"} {
				if strings.HasPrefix(path, prefix) {
					path = prefix
				}
			}
			counts[path]++
		}
	}
	return counts
}

// TestManyAlertsCostFewLookups counts in a real Vault's audit file what 5,000 alerts about 50 actors cost.
func TestManyAlertsCostFewLookups(t *testing.T) {
	t.Parallel()
	const actors, alerts = 50, 5000
	w := newWorld(t, "")
	var lines [][]byte
	for i := range actors {
		auth := w.user(t, fmt.Sprintf("user%d", i), "readonly")
		lines = append(lines, w.record(t, "raw", "response", w.read(t, auth.ClientToken, fmt.Sprintf("of-user%d", i))).Line)
	}
	s := serve(t, w)
	for i := range alerts {
		s.raise(t, lines[i%actors])
	}
	await(t, "the last event", func() bool { return s.eventsOf("enriched") >= alerts })
	for path, n := range w.asked(t) {
		limit := actors
		switch path {
		case "auth/token/lookup-self":
			limit = 1
		case "sys/audit-hash/":
			limit = 2 // how our own accessor shows on the devices that hash
		}
		if n > limit {
			t.Errorf("%d requests of %s, at most %d are wanted", n, path, limit)
		}
		t.Logf("%5d %s", n, path)
	}
}

// TestNewHashCostsOneList counts what one more hashed accessor costs among many live tokens.
func TestNewHashCostsOneList(t *testing.T) {
	t.Parallel()
	live := *liveTokens
	w := newWorld(t, "    hash_index: {enabled: true, per_second: 500}\n")
	for range live {
		w.create(t, w.admin, "auth/token/create-orphan", map[string]any{"policies": []string{"readonly"}})
	}
	s := serve(t, w)
	first := w.user(t, "first", "readonly")
	s.raise(t, w.record(t, "file", "response", w.read(t, first.ClientToken, "first")).Line)
	keys, _ := w.do(t, w.admin, "LIST", "auth/token/accessors", nil)["data"].(map[string]any)["keys"].([]any)
	// Each on two devices that hash, and for each device our own one at the login and the canary.
	all := 2*len(keys) + 4
	// Read seldom: the audit file is what is counted, and it grows by 3 kB a hash.
	looked := time.Now()
	awaitFor(t, 10*time.Minute, "hashing all live tokens", func() bool {
		if time.Since(looked) < 2*time.Second {
			return false
		}
		looked = time.Now()
		return w.asked(t)["sys/audit-hash/"] >= all
	})
	before := w.asked(t)
	second := w.user(t, "second", "readonly")
	s.raise(t, w.record(t, "file", "response", w.read(t, second.ClientToken, "second")).Line)
	await(t, "hashing the new one", func() bool { return w.asked(t)["sys/audit-hash/"] >= before["sys/audit-hash/"]+4 })
	after := w.asked(t)
	if n := after["auth/token/accessors/"] - before["auth/token/accessors/"]; n != 1 {
		t.Errorf("%d lists for one new hash", n)
	}
	t.Logf("%d live tokens: one new hash cost %d list and %d hashes", live, after["auth/token/accessors/"]-before["auth/token/accessors/"], after["sys/audit-hash/"]-before["sys/audit-hash/"])
	// Two canaries, and the new accessor on two devices.
	if n := after["sys/audit-hash/"] - before["sys/audit-hash/"]; n != 4 {
		t.Errorf("%d hashes for one new accessor", n)
	}
}

// TestOwnLookupsLeadToNoLookups feeds the daemon the audit records of its own requests, raw and hashed. Nobody else is
// active, so lookups must end; and when somebody uses its token, that must be told.
func TestOwnLookupsLeadToNoLookups(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	s := serve(t, w)
	ctx, cancel := context.WithCancel(t.Context())
	var collecting sync.WaitGroup
	defer func() { cancel(); collecting.Wait() }()
	lines := make(chan []byte)
	for _, device := range []string{"raw", "file"} {
		collecting.Go(func() { tail(ctx, w.audit(device), lines) })
	}
	collecting.Go(func() {
		for {
			select {
			case line := <-lines:
				s.raise(t, line)
			case <-ctx.Done():
				return
			}
		}
	})
	// One actor, so that there is something to look up.
	auth := w.user(t, "bob", "readonly")
	w.read(t, auth.ClientToken, "seed")
	await(t, "the lookup of bob", func() bool { return w.asked(t)["auth/token/lookup-accessor"] >= 1 })
	<-time.After(*soakTime)
	for path, n := range w.asked(t) {
		t.Logf("%5d %s", n, path)
		// Of each two: about bob and who made him, or how our own accessor shows on the devices that hash.
		if n > 2 && path != "auth/token/renew-self" {
			t.Errorf("own lookups led to %d requests of %s", n, path)
		}
	}
	// An operator's command uses the same token, and tells the daemon.
	if _, code := w.lookup(t, auth.Accessor); code != 0 {
		t.Fatalf("lookup: exit code %d", code)
	}
	if n := s.eventsOf("intruder"); n != 0 {
		t.Fatalf("%d events about an intruder who is not there", n)
	}
	w.do(t, w.own.ClientToken, http.MethodGet, "identity/entity/id/"+auth.EntityID, nil)
	await(t, "the event about the intruder", func() bool { return s.eventsOf("intruder") > 0 })
	if n := s.eventsOf("intruder"); n != 1 {
		t.Errorf("%d events about one intruder", n)
	}
}

// tail gives the lines of a growing file, as Wazuh's agent collects them.
func tail(ctx context.Context, path string, lines chan<- []byte) {
	file, err := os.Open(path)
	if err != nil {
		panic(err)
	}
	defer file.Close()
	if _, err := file.Seek(0, io.SeekEnd); err != nil {
		panic(err)
	}
	var rest []byte
	buffer := make([]byte, 1<<16)
	for {
		n, err := file.Read(buffer)
		rest = append(rest, buffer[:n]...)
		for {
			line, after, found := bytes.Cut(rest, []byte("\n"))
			if !found {
				break
			}
			rest = after
			select {
			case lines <- bytes.Clone(line):
			case <-ctx.Done():
				return
			}
		}
		if errors.Is(err, fs.ErrClosed) {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// TestLateIdentity raises an alert while Vault is sealed, and another about a hashed accessor that is in no index yet.
// Both are identified later, and said so once.
func TestLateIdentity(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "    hash_index: {enabled: true, per_second: 100}\n")
	bob, eve := w.user(t, "bob", "readonly"), w.create(t, w.admin, "auth/token/create-orphan", map[string]any{"policies": []string{"readonly"}})
	raw := w.record(t, "raw", "response", w.read(t, bob.ClientToken, "raw"))
	hashed := w.record(t, "file", "response", w.read(t, eve.ClientToken, "hashed"))
	s := serve(t, w)
	if _, err := w.root.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.raise(t, raw.Line)
	s.raise(t, hashed.Line)
	await(t, "the first events", func() bool { return s.eventsOf("enriched") == 2 })
	must(t, w.server.Unseal(t.Context()))
	late := func() (raw, hashed int) {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, event := range s.events {
			if strings.Contains(event, `"late":true`) && strings.Contains(event, `"rung":"accessor"`) {
				raw++
			}
			if strings.Contains(event, `"late":true`) && strings.Contains(event, `"rung":"hash"`) {
				hashed++
			}
		}
		return raw, hashed
	}
	await(t, "late events", func() bool { raw, hashed := late(); return raw > 0 && hashed > 0 })
	if raw, hashed := late(); raw != 1 || hashed != 1 || s.eventsOf("enriched") != 4 {
		t.Errorf("%d and %d late events, %d in all", raw, hashed, s.eventsOf("enriched"))
	}
}
