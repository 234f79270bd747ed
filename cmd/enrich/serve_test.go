package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"custom-vault/internal/vaultfake"
)

// manager is a manager's folders with a configuration, and the queue socket in analysisd's place.
type manager struct {
	dir    string
	alerts string
	socket *net.UnixConn
}

const managerConfig = `
wazuh: {home: %[1]s/ossec}
clusters:
  - {name: prod, ca_file: %[1]s/ca.pem, token_file: %[1]s/token, nodes: [{name: vault-1, address: "https://%[2]s", agent: "001"}]}
publish: {what: all, seen_within: 1h}
store: {dir: %[1]s/state}
control: {socket: ""}
log: {format: text}
`

func newManager(t testing.TB, vault string) *manager {
	t.Helper()
	// t.TempDir's names are too long for a socket's.
	dir, err := os.MkdirTemp("", "manager")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	fake, err := vaultfake.Start(vaultfake.Good, "token", "accessor")
	if err != nil {
		t.Fatal(err)
	}
	fake.Close()
	m := &manager{dir: dir, alerts: filepath.Join(dir, "ossec/logs/alerts/alerts.json")}
	for _, folder := range []string{"ossec/logs/alerts", "ossec/queue/sockets", "ossec/queue/custom-vault/journal", "state"} {
		if err := os.MkdirAll(filepath.Join(dir, folder), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for file, text := range map[string]string{
		"token": "secret-of-the-lookup-token\n", "ca.pem": string(fake.CAPEM), "config.yml": fmt.Sprintf(managerConfig, dir, vault),
	} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(m.alerts, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	address := &net.UnixAddr{Name: filepath.Join(dir, "ossec/queue/sockets/queue"), Net: "unixgram"}
	if m.socket, err = net.ListenUnixgram("unixgram", address); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.socket.Close() })
	return m
}

// serve starts the daemon and waits until it follows.
func (m *manager) serve(t testing.TB) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "enrich", "-c", filepath.Join(m.dir, "config.yml"), "serve")
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	ready, ended := make(chan struct{}), make(chan struct{})
	var said strings.Builder
	go func() {
		defer close(ended)
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			said.WriteString(lines.Text() + "\n")
			if strings.Contains(lines.Text(), "serve: following") {
				close(ready)
			}
		}
	}()
	select {
	case <-ready:
	case <-ended:
		t.Fatalf("serve ended: %s", said.String())
	case <-time.After(patience):
		t.Fatal("serve does not follow")
	}
	t.Cleanup(func() {
		<-ended
		if strings.Contains(said.String(), "secret-of") {
			t.Error("the log holds a secret")
		}
		if t.Failed() {
			t.Log(said.String())
		}
	})
	return cmd
}

// terminate sends SIGTERM, and expects a clean end.
func terminate(t testing.TB, cmd *exec.Cmd) {
	t.Helper()
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("serve ended with %v", err)
		}
	case <-time.After(patience):
		t.Fatal("serve did not end after SIGTERM")
	}
}

// write appends lines to alerts.json, as analysisd does, or to the journal, as the hook does.
func write(t testing.TB, path string, lines ...string) {
	t.Helper()
	file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.WriteString(strings.Join(lines, "\n") + "\n"); err != nil {
		t.Fatal(err)
	}
}

// variants are alerts like the recorded one, from number from on.
func variants(t testing.TB, from, n int) []string {
	t.Helper()
	line, err := recordedAlert()
	if err != nil {
		t.Fatal(err)
	}
	lines := make([]string, n)
	for i := range lines {
		lines[i] = strings.Replace(line, `"id":"1795531171.`, fmt.Sprintf(`"id":"%d.`, from+i), 1)
	}
	return lines
}

// told waits until events about so many alerts have come, and gives for each alert the ids of its events.
func (m *manager) told(t testing.TB, alerts int) map[string][]string {
	t.Helper()
	ids := make(map[string][]string)
	if err := m.socket.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	for buffer := make([]byte, 1<<16); len(ids) < alerts; {
		n, err := m.socket.Read(buffer)
		if err != nil {
			t.Fatalf("after events about %d alerts: %v", len(ids), err)
		}
		body := buffer[strings.IndexByte(string(buffer[:n]), '{'):n]
		alert, id := gjson.GetBytes(body, "custom_vault.alert_id").String(), gjson.GetBytes(body, "custom_vault.event_id").String()
		if !slices.Contains(ids[alert], id) {
			ids[alert] = append(ids[alert], id)
		}
	}
	return ids
}

// nowhere is a port that refuses; hanging one that takes connections and never answers.
const nowhere = "127.0.0.1:1"

func hanging(t testing.TB) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	return listener.Addr().String() // the kernel takes connections; nobody ever reads from them
}

func TestServeEndsOnSIGTERMWhateverIsAtHand(t *testing.T) {
	t.Parallel()
	for name, vault := range map[string]string{"without Vault": nowhere, "with a Vault that hangs": hanging(t)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newManager(t, vault)
			cmd := m.serve(t)
			write(t, m.alerts, variants(t, 1, 20)...) // there is work at hand
			terminate(t, cmd)
		})
	}
}

// An alert that comes by both ways is told once; what came while the daemon was dead, and what it died of, too.
func TestServeTellsEveryAlertAcrossAKill(t *testing.T) {
	t.Parallel()
	m := newManager(t, nowhere)
	journal := filepath.Join(m.dir, "ossec/queue/custom-vault/journal", time.Now().UTC().Format("2006010215")+".jsonl")
	cmd := m.serve(t)
	write(t, m.alerts, variants(t, 1, 50)...)
	write(t, journal, variants(t, 1, 60)...)
	first := m.told(t, 60)
	write(t, m.alerts, variants(t, 101, 500)...)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	write(t, m.alerts, variants(t, 701, 100)...)
	write(t, journal, variants(t, 751, 100)...)
	cmd = m.serve(t)
	second := m.told(t, 650) // 500 + 100 + 50 of the journal alone
	terminate(t, cmd)
	for alert := range first {
		if _, again := second[alert]; again {
			t.Errorf("alert %s was told again", alert)
		}
	}
	for alert, ids := range second {
		if len(ids) != 1 {
			t.Errorf("alert %s has the events %q", alert, ids)
		}
	}
}
