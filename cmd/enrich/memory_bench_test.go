package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"custom-vault/internal/unixsocket"
)

// millionConfig is the default configuration but for where things are.
const millionConfig = `
wazuh: {home: %[1]s/ossec}
clusters:
  - {name: prod, ca_file: %[1]s/ca.pem, nodes: [{name: vault-1, address: "https://127.0.0.1:1", agent: "001"}]}
store: {dir: %[1]s/state}
metrics: {listen: "unix:%[1]s/metrics"}
control: {socket: ""}
log: {format: text, file: ""}
`

// mostMemory is what the daemon may take, in MiB.
const mostMemory = 96

// What a million alerts leave behind in memory: fed as fast as the daemon takes them, one in a hundred notable, of ten
// thousand actors. The figures are the resident memory after each quarter, as the median of what was seen in it, and
// the most that it ever was, beside what it may be.
func BenchmarkMemoryOverAMillionAlerts(b *testing.B) {
	const million, chunk = 1_000_000, 20_000
	for b.Loop() {
		m := newManager(b, nowhere)
		if err := os.WriteFile(filepath.Join(m.dir, "config.yml"), fmt.Appendf(nil, millionConfig, m.dir), 0o600); err != nil {
			b.Fatal(err)
		}
		cmd := m.serve(b)
		ctx, cancel := context.WithCancel(b.Context())
		go drain(m)
		began := time.Now()
		var seen []int // resident, in KiB, in this quarter
		var quarters []float64
		for fed := 0; fed < million; fed += chunk {
			feed(b, m.alerts, fed, chunk)
			for deadline := time.Now().Add(5 * time.Minute); accepted(b, ctx, m) < fed+chunk/2; { // it never starves, and the file is never far ahead
				if time.Now().After(deadline) {
					b.Fatal("the daemon does not take what is there")
				}
				seen = append(seen, statusOf(b, cmd.Process.Pid, "VmRSS"))
				time.Sleep(50 * time.Millisecond)
			}
			seen = append(seen, statusOf(b, cmd.Process.Pid, "VmRSS"))
			if fed+chunk >= million/4*(len(quarters)+1) {
				slices.Sort(seen)
				quarters, seen = append(quarters, float64(seen[len(seen)/2])/1024), nil
			}
		}
		for accepted(b, ctx, m) < million {
			time.Sleep(100 * time.Millisecond)
		}
		took := time.Since(began)
		peak := float64(statusOf(b, cmd.Process.Pid, "VmHWM")) / 1024
		cancel()
		terminate(b, cmd)
		for i, quarter := range quarters {
			b.ReportMetric(quarter, fmt.Sprintf("MiB-quarter-%d", i+1))
		}
		b.ReportMetric(peak, "MiB-peak")
		fmt.Printf("memory over a million alerts: quarters %.0f MiB; the last is %.2f of the second; peak %.0f MiB, %.2f of %d MiB\n",
			quarters, quarters[3]/quarters[1], peak, peak/mostMemory, mostMemory)
		b.ReportMetric(million/took.Seconds(), "alerts/s")
		b.ReportMetric(0, "ns/op")
	}
}

// drain takes what the daemon sends, in analysisd's place, until the socket is closed.
func drain(m *manager) {
	for buffer := make([]byte, 1<<16); ; {
		if _, err := m.socket.Read(buffer); err != nil {
			return
		}
	}
}

func feed(b *testing.B, path string, from, n int) {
	b.Helper()
	file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		b.Fatal(err)
	}
	defer file.Close()
	out := bufio.NewWriterSize(file, 1<<20)
	at := time.Now()
	for i := from; i < from+n; i++ {
		level := 3
		if i%100 == 0 {
			level = 12
		}
		fmt.Fprintf(out, `{"timestamp":%q,"rule":{"level":%d,"description":"Vault: a secret was read","id":"100605","groups":["vault"]},`+
			`"agent":{"id":"001","name":"vault-1","ip":"10.0.0.7"},"manager":{"name":"m"},"id":"1.%d","full_log":`+
			`"{\"auth\":{\"accessor\":\"acc-%d\",\"display_name\":\"userpass-user\",\"policies\":[\"default\",\"readers\"],\"token_type\":\"service\"},`+
			`\"request\":{\"id\":\"r-%d\",\"operation\":\"read\",\"path\":\"secret/data/app-%d\",\"remote_address\":\"10.1.2.3\"},`+
			`\"time\":\"%s\",\"type\":\"response\"}","decoder":{"name":"vault-audit"},"location":"/var/log/vault_audit.log"}`+"\n",
			at.Format("2006-01-02T15:04:05.000-0700"), level, i, i%10_000, i, i%977, at.UTC().Format(time.RFC3339))
	}
	if err := out.Flush(); err != nil {
		b.Fatal(err)
	}
}

// accepted is how many alerts the daemon has taken, by its own count.
func accepted(b *testing.B, ctx context.Context, m *manager) int {
	b.Helper()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://daemon/metrics", nil)
	if err != nil {
		b.Fatal(err)
	}
	answer, err := unixsocket.Client(filepath.Join(m.dir, "metrics"), time.Minute).Do(request)
	if err != nil {
		b.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(body), "\n"+`custom_vault_lines_total{outcome="accepted",source="alerts"} `)
	value, _, _ := strings.Cut(rest, "\n")
	n, err := strconv.ParseFloat(value, 64)
	if err != nil {
		b.Fatalf("lines accepted: %v", err)
	}
	return int(n)
}

// statusOf reads a size in kB from /proc/PID/status.
func statusOf(b *testing.B, pid int, field string) int {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "\n"+field+":")
	value, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	n, err := strconv.Atoi(value)
	if err != nil {
		b.Fatalf("%s of process %d: %v", field, pid, err)
	}
	return n
}
