package e2e

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/tidwall/gjson"

	"custom-vault/lab/integratord"
	"custom-vault/lab/manager"
	"custom-vault/lab/site"
	"custom-vault/lab/testbed"
	"custom-vault/lab/vault"
)

// A way is one installation, and what came to its queue socket.
type way struct {
	*site.Site
	mu      sync.Mutex
	alerts  [][]byte            // lines that analysisd wrote about agent 002
	events  map[string][]string // frames of enriched events about agent 002, by event id
	pid     int                 // of the hook that runs
	changed chan struct{}
}

const foreign = "002" // an agent in no cluster: what its lines lead to depends on the lines alone

// newWay installs, and starts the daemon.
func newWay(t *testing.T) *way {
	t.Helper()
	dir, err := os.MkdirTemp("", "way") // the path of a test's own folder is too long for a socket
	fatalIf(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	server, err := vault.Binary()
	fatalIf(t, err)
	repository, err := filepath.Abs("../..")
	fatalIf(t, err)
	w := &way{events: make(map[string][]string), changed: make(chan struct{}, 1)}
	w.Site, err = site.Start(t.Context(), site.Config{
		Dir: dir, Repository: repository, Bin: filepath.Join(repository, "build", "bin"), VaultServer: server,
		AgentPoll: 50 * time.Millisecond,
		Manager: manager.Config{
			IntegratorPoll: 20 * time.Millisecond, FlushEvery: 20 * time.Millisecond,
			OnEvent: w.event, OnAlert: w.alert, OnProgram: w.started, OnProgramEnd: w.ended,
		},
	})
	fatalIf(t, err)
	t.Cleanup(func() { _ = w.Stop() })
	config, err := w.Configure(site.Settings{Rules: "article", Seal: "observe", SealsPerDay: 1, Publish: "all", SeenWithin: 10 * time.Minute, Store: w.Path("state")})
	fatalIf(t, err)
	w.serve(t, config)
	return w
}

// serve starts the daemon, which is ended with the test.
func (w *way) serve(t *testing.T, config string) {
	t.Helper()
	log, err := os.Create(w.Path("enrich.log"))
	fatalIf(t, err)
	serve := exec.Command(w.Enrich(), "serve", "--config", config)
	serve.Stderr = log
	fatalIf(t, serve.Start())
	t.Cleanup(func() {
		_ = serve.Process.Signal(syscall.SIGTERM)
		if err := serve.Wait(); err != nil {
			t.Errorf("enrich serve: %v", err)
		}
		_ = log.Close()
	})
	w.until(t, "the daemon follows alerts.json", func() bool {
		text, err := os.ReadFile(log.Name())
		return err == nil && bytes.Contains(text, []byte(`"msg":"serve: following"`))
	})
}

func (w *way) told() {
	select {
	case w.changed <- struct{}{}:
	default:
	}
}

func (w *way) event(frame []byte) {
	_, body, found := bytes.Cut(frame, []byte(`{"integration":"custom-vault"`))
	if !found {
		return
	}
	event := gjson.Get(`{"x":1`+string(body), "custom_vault")
	if event.Get("agent.id").String() != foreign || event.Get("event").String() != "enriched" {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	id := event.Get("event_id").String()
	w.events[id] = append(w.events[id], string(frame))
	w.told()
}

func (w *way) alert(line []byte) {
	if gjson.GetBytes(line, "agent.id").String() != foreign || gjson.GetBytes(line, "data.custom_vault").Exists() {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.alerts = append(w.alerts, bytes.Clone(line))
	w.told()
}

func (w *way) started(_ string, pid int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pid = pid
}

func (w *way) ended(integratord.Run) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pid = 0
	w.told()
}

// until waits until holds is true of what was seen.
func (w *way) until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	for {
		w.mu.Lock()
		done := holds()
		w.mu.Unlock()
		if done {
			return
		}
		select {
		case <-w.changed:
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			log, _ := os.ReadFile(w.Path("enrich.log"))
			t.Fatalf("it did not come true that %s\n%s", what, log)
		}
	}
}

// requests lets agent 002 send audit records, and returns the lines that analysisd wrote about them.
func (w *way) requests(t *testing.T, n int) [][]byte {
	t.Helper()
	for i := range n {
		frame := fmt.Sprintf(`1:[%s] (web) any->/var/log/vault_audit.log:[vault audit] {"time":%q,"type":"request",`+
			`"auth":{"accessor":"accessorABCDEFGHIJKLMNOP","display_name":"userpass-eve","policies":["default"],"token_type":"service"},`+
			`"request":{"id":"00000000-0000-4000-8000-%012d","operation":"read","path":"secret/data/app/%d","mount_type":"kv","remote_address":"10.0.0.9"}}`,
			foreign, time.Now().UTC().Format(time.RFC3339Nano), i, i)
		fatalIf(t, w.Manager.Event([]byte(frame)))
	}
	w.until(t, "analysisd has written every alert", func() bool { return len(w.alerts) == n })
	return w.alerts
}

// hangNextHook puts a script in the hook's place, which stops itself once before it becomes the hook.
func (w *way) hangNextHook(t *testing.T) {
	t.Helper()
	hook, hang := filepath.Join(w.ManagerHome(), "integrations", "custom-vault"), w.Path("hang")
	fatalIf(t, os.Rename(hook, hook+".installed"))
	fatalIf(t, os.WriteFile(hang, nil, 0o600))
	script := fmt.Sprintf("#!/bin/sh\nif [ -e '%[1]s' ]; then rm '%[1]s'; kill -STOP $$; fi\nexec integrations/custom-vault.installed \"$@\"\n", hang)
	testbed.Write(t, hook, 0o550, script)
}

// hook runs the hook as integratord does.
func (w *way) hook(t *testing.T, line []byte) {
	t.Helper()
	file := w.Path("tmp", "custom-vault.alert")
	fatalIf(t, os.WriteFile(file, append(bytes.Clone(line), '\n'), 0o644))
	cmd := exec.CommandContext(t.Context(), filepath.Join(w.ManagerHome(), "integrations", "custom-vault"))
	cmd.Args = []string{"integrations", file, "", "", "", "", "10", "3", "> /dev/null 2>&1"}
	cmd.Dir = w.ManagerHome()
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("the hook: %v\n%s", err, out)
	}
}

// write appends lines to alerts.json as analysisd does.
func (w *way) write(t *testing.T, lines [][]byte) {
	t.Helper()
	for _, line := range lines {
		fatalIf(t, w.Manager.Alerts().Append(line, time.Now()))
	}
	fatalIf(t, w.Manager.Alerts().Flush())
}

// inJournal counts the lines of agent 002 in the journal.
func (w *way) inJournal(t *testing.T) int {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(w.Journal(), "*.jsonl"))
	fatalIf(t, err)
	n := 0
	for _, name := range names {
		text, err := os.ReadFile(name)
		fatalIf(t, err)
		n += bytes.Count(text, []byte(`"agent":{"id":"`+foreign+`"`))
	}
	return n
}

// eventID is the id of the event about a line, as the product documents it.
func eventID(line []byte) string {
	key := sha256.Sum256(line)
	sum := sha256.Sum256([]byte("custom-vault event\x00enriched\x00" + hex.EncodeToString(key[:])))
	return hex.EncodeToString(sum[:16])
}

// long makes a frequency alert with 900 kB of earlier events of an alert.
func long(line []byte) []byte {
	earlier, err := json.Marshal(strings.Repeat("[vault audit] {\"type\":\"request\"}\n", 900_000/33))
	if err != nil {
		panic(err) // a string
	}
	return bytes.Replace(line, []byte(`,"full_log":`), append([]byte(`,"previous_output":`+string(earlier)), `,"full_log":`...), 1)
}

func TestBothWaysInLeadToTheSame(t *testing.T) {
	t.Parallel()
	const n = 30
	alertsOnly := newWay(t)
	alertsOnly.Manager.StopIntegratord()
	lines := alertsOnly.requests(t, n)
	overlong := long(lines[0])
	if len(overlong) < 900_000 {
		t.Fatalf("the long line has %d bytes", len(overlong))
	}
	alertsOnly.write(t, [][]byte{overlong})
	lines = append(lines[:n:n], overlong)

	hookOnly, both := newWay(t), newWay(t)
	for _, line := range lines {
		hookOnly.hook(t, line)
	}
	both.write(t, lines)
	for name, w := range map[string]*way{"alerts.json only": alertsOnly, "hook only": hookOnly, "both": both} {
		w.until(t, name+": there is an event for every alert", func() bool { return len(w.events) >= len(lines) })
	}
	// The long line is over integratord's own bound.
	both.until(t, "the hook has had every line that integratord takes", func() bool { return both.inJournal(t) == n })
	for name, w := range map[string]*way{"hook only": hookOnly, "both": both} {
		if diff := cmp.Diff(alertsOnly.events, w.events); diff != "" {
			t.Errorf("alerts.json only (-) and %s (+) differ:\n%s", name, diff)
		}
	}
	frames := alertsOnly.events[eventID(overlong)]
	if len(frames) != 1 || len(frames[0]) > 65535 {
		t.Errorf("the line of 900 kB led to %d events", len(frames))
	}
}

func TestAHungIntegratordChangesNothing(t *testing.T) {
	t.Parallel()
	const n = 30
	w := newWay(t)
	w.hangNextHook(t)
	lines := w.requests(t, n)
	var pid int
	w.until(t, "integratord hangs", func() bool {
		pid = w.pid
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		return err == nil && bytes.Contains(stat, []byte(") T "))
	})
	// However long it hangs: all that is to come has come while it did.
	w.until(t, "there is an event for every alert", func() bool { return len(w.events) >= n })
	if got := w.inJournal(t); got > 0 {
		t.Fatalf("%d lines are in the journal of a hook that hangs", got)
	}
	fatalIf(t, syscall.Kill(pid, syscall.SIGCONT))
	w.until(t, "the hook has had every line", func() bool { return w.inJournal(t) == n })
	// One more alert comes after all of them by both ways: what a repeat would be is before it.
	last := bytes.ReplaceAll(lines[0], []byte("secret/data/app/0"), []byte("secret/data/app/last"))
	w.hook(t, last)
	w.until(t, "there is an event for the last alert", func() bool { return len(w.events[eventID(last)]) > 0 })
	for _, line := range append(lines, last) {
		if got := len(w.events[eventID(line)]); got != 1 {
			t.Errorf("%d events for an alert: %s", got, line)
		}
	}
}
