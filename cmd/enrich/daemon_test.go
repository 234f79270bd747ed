package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"custom-vault/internal/config"
	"custom-vault/internal/systemd"
	"custom-vault/internal/unixsocket"
	"custom-vault/internal/vaultfake"
)

// patience bounds what a test waits for; a busy machine takes long.
const patience = 60 * time.Second

// machine is a manager's machine with the daemon on it.
type machine struct {
	t      *testing.T
	dir    string
	queue  *net.UnixConn // analysisd's
	notify *net.UnixConn // systemd's
	reload chan os.Signal
	stop   context.CancelFunc
	ended  chan error
	said   *text
}

// text is a log that is read while it is written.
type text struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (x *text) Write(b []byte) (int, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.b.Write(b)
}

func (x *text) String() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.b.String()
}

func newMachine(t *testing.T) *machine {
	t.Helper()
	dir, err := os.MkdirTemp("", "cv") // short: sockets have short paths
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	m := &machine{t: t, dir: dir, reload: make(chan os.Signal, 1), ended: make(chan error, 1), said: new(text)}
	for _, sub := range []string{"ossec/logs/alerts", "ossec/queue/custom-vault/journal", "ossec/queue/sockets"} {
		must(t, os.MkdirAll(m.path(sub), 0o755))
	}
	must(t, os.Mkdir(m.path("state"), 0o700))
	m.append("ossec/logs/alerts/alerts.json", "")
	m.queue = m.socket("ossec/queue/sockets/queue")
	m.notify = m.socket("notify")
	m.configure("")
	return m
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (m *machine) path(name string) string { return filepath.Join(m.dir, name) }

func (m *machine) socket(name string) *net.UnixConn {
	m.t.Helper()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: m.path(name), Net: "unixgram"})
	must(m.t, err)
	m.t.Cleanup(func() { conn.Close() })
	return conn
}

// configure replaces the configuration file in one step.
func (m *machine) configure(more string) {
	m.t.Helper()
	text := fmt.Sprintf("wazuh:\n  home: %[1]s/ossec\n%[2]s\nstore: {dir: %[1]s/state}\ncontrol: {socket: %[1]s/control}\n"+
		"log: {format: text, file: \"\"}\n", m.dir, more)
	if !strings.Contains(more, "publish:") {
		text += "publish: {what: all, pace: 5000}\n"
	}
	if !strings.Contains(more, "decide:") {
		text += "decide: {halt_file: " + m.path("halt") + "}\n"
	}
	m.replace(text)
}

func (m *machine) replace(text string) {
	m.t.Helper()
	must(m.t, os.WriteFile(m.path("config.new"), []byte(text), 0o640))
	must(m.t, os.Rename(m.path("config.new"), m.path("config.yml")))
}

func (m *machine) append(name, text string) {
	file, err := os.OpenFile(m.path(name), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o640)
	if err == nil {
		_, err = file.WriteString(text)
		err = errors.Join(err, file.Close())
	}
	if err != nil {
		m.t.Error(err)
	}
}

// alert is a line of alerts.json, new at each call with another id.
func alertLine(id string, level int) string {
	return fmt.Sprintf(`{"timestamp":%q,"rule":{"level":%d,"description":"d","id":"100617","groups":["vault"]},`+
		`"agent":{"id":"001","name":"vault-1"},"manager":{"name":"m"},"id":%q,"full_log":`+
		`"{\"auth\":{\"accessor\":\"acc-1\"},\"request\":{\"id\":\"r-%s\",\"operation\":\"read\",\"path\":\"secret/data/x\"},`+
		`\"time\":%s,\"type\":\"response\"}","decoder":{"name":"vault-audit"},"location":"l"}`,
		time.Now().Format("2006-01-02T15:04:05.000-0700"), level, id, id, strings.ReplaceAll(fmt.Sprintf("%q", time.Now().UTC().Format(time.RFC3339)), `"`, `\"`)) + "\n"
}

func (m *machine) alerts(lines string) { m.append("ossec/logs/alerts/alerts.json", lines) }

func (m *machine) journal(lines string) {
	m.append("ossec/queue/custom-vault/journal/"+time.Now().UTC().Format("2006010215")+".jsonl", lines)
}

// start starts the daemon, and waits until it is ready.
func (m *machine) start(change ...func(*daemonOptions)) {
	m.t.Helper()
	ctx, stop := context.WithCancel(m.t.Context())
	m.stop = stop
	o := daemonOptions{
		load: func() (config.Config, error) { return loadConfig(&options{config: m.path("config.yml")}) },
		path: m.path("config.yml"), reload: m.reload, manager: systemd.At(m.path("notify")), stderr: m.said,
	}
	for _, c := range change {
		c(&o)
	}
	go func() { m.ended <- runServe(ctx, o) }()
	m.t.Cleanup(func() {
		stop()
		if m.t.Failed() {
			m.t.Logf("the daemon said:\n%s", m.said)
		}
	})
	m.hears("READY=1")
}

// hears waits for a message to systemd.
func (m *machine) hears(prefix string) {
	m.t.Helper()
	if err := m.listen(prefix); err != nil {
		m.t.Fatalf("systemd did not hear %s: %v\n%s", prefix, err, m.said)
	}
}

// listen reads messages to systemd until one begins with prefix.
func (m *machine) listen(prefix string) error {
	if err := m.notify.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	for b := make([]byte, 4096); ; {
		n, err := m.notify.Read(b)
		if err != nil || strings.HasPrefix(string(b[:n]), prefix) {
			return err
		}
	}
}

// end ends the daemon and gives its error.
func (m *machine) end() error {
	m.t.Helper()
	m.stop()
	select {
	case err := <-m.ended:
		return err
	case <-time.After(patience):
		m.t.Fatal("the daemon does not end")
		return nil
	}
}

var alertID = regexp.MustCompile(`"alert_id":"([^"]+)"`)

// receives reads datagrams until all alerts have their event, and counts how often each was sent.
func (m *machine) receives(alerts int) map[string]int {
	m.t.Helper()
	got := make(map[string]int)
	b := make([]byte, 1<<16)
	for deadline := time.Now().Add(patience); len(got) < alerts; {
		must(m.t, m.queue.SetReadDeadline(deadline))
		n, err := m.queue.Read(b)
		if err != nil {
			m.t.Fatalf("%d of %d alerts were published: %v", len(got), alerts, err)
		}
		if id := alertID.FindSubmatch(b[:n]); id != nil {
			got[string(id[1])]++
		}
	}
	return got
}

func TestReadyFedAndStopping(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.start(func(o *daemonOptions) { o.feed = 10 * time.Millisecond })
	m.hears("WATCHDOG=1")
	// Read all the while, as systemd does: the socket holds but ten messages (net.unix.max_dgram_qlen).
	stopping := make(chan error, 1)
	go func() { stopping <- m.listen("STOPPING=1") }()
	m.alerts(alertLine("1.1", 12))
	m.receives(1)
	if err := m.end(); err != nil {
		t.Error(err)
	}
	if err := <-stopping; err != nil {
		t.Errorf("systemd did not hear STOPPING=1: %v\n%s", err, m.said)
	}
}

func TestAWorkerThatHangsStarvesTheWatchdog(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	w := newWatch()
	log, _ := newLog(config.Config{Log: config.Log{Level: "info", Format: "text"}}, m.said)
	manager := systemd.At(m.path("notify"))
	for _, p := range []*pulse{w.line, w.publisher, w.responder} {
		w.feed(time.Now().Add(2*time.Minute), manager, log)
		for _, q := range []*pulse{w.line, w.publisher, w.responder} {
			q.within.Store(int64(time.Hour))
		}
		p.within.Store(int64(time.Minute))
		w.feed(time.Now().Add(2*time.Minute), manager, log) // this one alone hangs
		p.within.Store(int64(time.Minute))
	}
	for _, p := range []*pulse{w.line, w.publisher, w.responder} {
		p.within.Store(int64(time.Hour))
	}
	w.feed(time.Now(), manager, log)
	must(t, m.notify.SetReadDeadline(time.Now().Add(patience)))
	b := make([]byte, 100)
	n, err := m.notify.Read(b)
	if err != nil || string(b[:n]) != "WATCHDOG=1" {
		t.Fatalf("the last one: %q, %v", b[:n], err)
	}
	must(t, m.notify.SetReadDeadline(time.Now())) // what was sent is there
	if n, err := m.notify.Read(b); err == nil {
		t.Errorf("fed while a worker hung: %q", b[:n])
	}
}

// The configuration is replaced, by good files and bad ones, while alerts come in by both ways.
func TestReloadUnderLoadLosesNothing(t *testing.T) {
	t.Parallel()
	const reloads, perReload = 8, 40
	m := newMachine(t)
	m.start()
	id := 0
	load := func() {
		for range perReload {
			id++
			line := alertLine(fmt.Sprintf("1.%d", id), 12)
			switch id % 3 {
			case 0:
				m.alerts(line)
			case 1:
				m.journal(line)
			default:
				m.alerts(line)
				m.journal(line)
			}
		}
	}
	for i := range reloads {
		load()
		if i%4 == 3 {
			m.replace("decide: {seal: armde}\n")
		} else {
			m.configure(fmt.Sprintf("publish: {what: all, pace: %d}", 4000+i))
		}
		m.reload <- syscall.SIGHUP
		load()
		m.hears("RELOADING=1")
		m.hears("READY=1")
	}
	for id, times := range m.receives(2 * reloads * perReload) {
		if times != 1 {
			t.Errorf("the event about alert %s was sent %d times", id, times)
		}
	}
	if err := m.end(); err != nil {
		t.Error(err)
	}
	said := m.said.String()
	if n := strings.Count(said, "the configuration was read anew"); n != reloads-reloads/4 {
		t.Errorf("%d reloads were applied", n)
	}
	refused := 0
	for line := range strings.Lines(said) {
		if strings.Contains(line, "level=error") && !strings.Contains(line, "fault=configuration-refused") { // which shows after a while
			if refused++; !strings.Contains(line, "the old one goes on") || !strings.Contains(line, "armde") {
				t.Errorf("said %s", line)
			}
		}
	}
	if refused != reloads/4 {
		t.Errorf("%d error lines, want one for each of %d bad files", refused, reloads/4)
	}
}

// Vault, the Wazuh API and analysisd all hang.
func TestItEndsInTimeWhateverHangs(t *testing.T) {
	t.Parallel()
	vault, err := vaultfake.Start(vaultfake.Good, "t", "own")
	must(t, err)
	t.Cleanup(vault.Close)
	vault.Always("auth/token/lookup-accessor", vault.Hang())
	vault.Always("/security/user/authenticate", vault.Hang())
	m := newMachine(t)
	must(t, os.WriteFile(m.path("ca.pem"), vault.CAPEM, 0o644))
	must(t, os.WriteFile(m.path("token"), []byte("t\n"), 0o400))
	m.configure(fmt.Sprintf(`  api: {addresses: [%q], ca_file: %s/ca.pem, user: u, password_file: %s/token, timeout: 5m}
clusters: [{name: prod, ca_file: %s/ca.pem, token_file: %s/token, nodes: [{name: vault-1, address: %q, agent: "001"}]}]
lookup: {timeout: 30s}
decide: {rules: article, seal: armed, halt_file: %s/halt}`, vault.URL, m.dir, m.dir, m.dir, m.dir, vault.URL, m.dir))
	m.start()
	for i := range 100 { // more than the queue takes, and nobody reads it
		m.alerts(alertLine(fmt.Sprintf("1.%d", i), 12))
	}
	for deadline := time.Now().Add(patience); vault.Count("auth/token/lookup-accessor") == 0; {
		if time.Now().After(deadline) {
			t.Fatal("vault was not asked")
		}
		time.Sleep(time.Millisecond) // the fake has nothing to wait on
	}
	if err := m.end(); err != nil {
		t.Error(err)
	}
}

func (m *machine) asks(asJSON bool) (code int, answer string) {
	m.t.Helper()
	cfg, err := loadConfig(&options{config: m.path("config.yml")})
	must(m.t, err)
	var out bytes.Buffer
	var exit *exitError
	if err := runStatus(m.t.Context(), cfg, asJSON, &out); errors.As(err, &exit) {
		code = exit.code
	} else {
		must(m.t, err)
	}
	return code, out.String()
}

func TestStatusSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	if code, _ := m.asks(false); code != exitUnreachable {
		t.Errorf("not running: exit code %d", code)
	}
	m.start()
	if code, said := m.asks(false); code != exitDone || !strings.HasPrefix(said, "healthy") {
		t.Errorf("exit code %d: %s", code, said)
	}
	must(t, os.WriteFile(m.path("halt"), nil, 0o644))
	code, said := m.asks(false)
	if code != exitFailed || !strings.Contains(said, "the halt file exists") || !strings.Contains(said, "→ remove it") {
		t.Errorf("exit code %d: %s", code, said)
	}
	code, said = m.asks(true)
	var s standing
	must(t, json.Unmarshal([]byte(said), &s))
	if code != exitFailed || s.Healthy || len(s.Faults) != 1 || s.Faults[0].Code != "halted" || !s.Halted || s.Seal != "observe" {
		t.Errorf("exit code %d: %s", code, said)
	}
	must(t, os.Remove(m.path("halt")))
	if code, said := m.asks(false); code != exitDone {
		t.Errorf("exit code %d once it is over: %s", code, said)
	}
	if !strings.Contains(m.said.String(), "health: the halt file exists") || !strings.Contains(m.said.String(), "health: over: ") {
		t.Error("the log does not tell of the fault and its end")
	}
	must(t, os.Chmod(m.path("control"), 0o600))
	if err := m.end(); err != nil {
		t.Error(err)
	}
	if code, _ := m.asks(false); code != exitUnreachable {
		t.Errorf("ended: exit code %d", code)
	}
}

func TestMetricsAreReadOverASocket(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.configure("metrics: {listen: \"unix:" + m.path("metrics") + "\"}")
	m.start()
	m.alerts(alertLine("1.1", 12))
	m.receives(1)
	if info, err := os.Stat(m.path("metrics")); err != nil || info.Mode().Perm() != 0o660 {
		t.Errorf("the socket: %v, %v", info, err)
	}
	// What was sent is counted just after it left.
	for deadline := time.Now().Add(patience); !strings.Contains(m.reads("/metrics"), `until="sent"} 1`) && time.Now().Before(deadline); {
		runtime.Gosched()
	}
	text := m.reads("/metrics")
	for _, series := range []string{
		`custom_vault_lines_total{outcome="accepted",source="alerts"} 1`, `custom_vault_events_sent_total 1`,
		`custom_vault_latency_seconds_count{until="sent"} 1`, `custom_vault_unread_bytes{source="alerts"} 0`,
		`custom_vault_faults{code="analysisd-away",severity="error"} 0`,
	} {
		if !strings.Contains(text, "\n"+series+"\n") {
			t.Errorf("%s is not in\n%s", series, text)
		}
	}
	if err := m.end(); err != nil {
		t.Error(err)
	}
}

func (m *machine) reads(path string) string {
	m.t.Helper()
	request, err := http.NewRequestWithContext(m.t.Context(), http.MethodGet, "http://daemon"+path, nil)
	must(m.t, err)
	answer, err := unixsocket.Client(m.path("metrics"), patience).Do(request)
	must(m.t, err)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	must(m.t, err)
	return string(body)
}

func TestTheStoreForgetsByAgeAndBySize(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.start()
	for i := range 50 {
		m.alerts(alertLine(fmt.Sprintf("1.%d", i), 12))
	}
	m.receives(50)
	if err := m.end(); err != nil {
		t.Fatal(err)
	}
	cfg, err := loadConfig(&options{config: m.path("config.yml")})
	must(t, err)
	l, err := newLasting(t.Context(), cfg, nil, false)
	must(t, err)
	t.Cleanup(func() { l.close() })
	a := &app{lasting: l, cfg: cfg}
	l.watch = newWatch()
	oldest := func() time.Time {
		t.Helper()
		at, err := l.store.Oldest(t.Context())
		must(t, err)
		return at
	}
	// Over its size, but within the time in which a line may come again.
	a.cfg.Store.MaxSize = 0
	must(t, a.forgetOnce(t.Context(), time.Now().Add(config.ShortestKeep-time.Hour)))
	if oldest().IsZero() {
		t.Fatal("what may still arrive was forgotten")
	}
	must(t, a.forgetOnce(t.Context(), time.Now().Add(config.ShortestKeep+time.Hour)))
	if !oldest().IsZero() {
		t.Error("over its size, and nothing was forgotten")
	}
	if backlog, err := l.store.Backlog(t.Context()); err != nil || backlog.Sent != 50 {
		t.Errorf("%d events wait for their echo, want 50: %v", backlog.Sent, err)
	}
}
