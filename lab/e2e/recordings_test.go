package e2e

import (
	"bufio"
	"compress/gzip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/tidwall/gjson"
)

// longestLine is what logcollector cuts lines to.
const longestLine = 65278

// What real servers wrote goes through the whole product: the pack makes alerts of it, and each alert comes back as
// one event, which says what the record says.
func TestRecordedAuditLogsPassThroughTheProduct(t *testing.T) {
	t.Parallel()
	logs, err := filepath.Glob("../snippets/testdata/recordings/vault-*.audit.gz")
	fatalIf(t, err)
	if len(logs) < 20 {
		t.Fatalf("only %d recordings are there", len(logs))
	}
	w := newWay(t)
	pace := time.NewTicker(time.Millisecond) // analysisd drops what comes too fast
	defer pace.Stop()
	for _, log := range logs {
		for _, line := range recorded(t, log) {
			<-pace.C
			fatalIf(t, w.Manager.Event([]byte("1:["+foreign+"] (vault-2) any->/var/log/vault_audit.log:"+line)))
		}
	}
	// The last line of all, so that everything before it has been written.
	const last = `[vault audit] {"time":"2026-11-24T14:00:00Z","type":"request","request":{"id":"the-last-one","operation":"read","path":"secret/last"}}`
	fatalIf(t, w.Manager.Event([]byte("1:["+foreign+"] (vault-2) any->/var/log/vault_audit.log:"+last)))
	w.until(t, "analysisd has written the last alert", func() bool {
		return len(w.alerts) > 0 && gjson.GetBytes(w.alerts[len(w.alerts)-1], "data.request.id").String() == "the-last-one"
	})
	w.until(t, "there is an event for every alert", func() bool { return len(w.events) >= len(w.alerts) })
	w.mu.Lock()
	defer w.mu.Unlock()
	t.Logf("%d recordings, %d alerts, %d events", len(logs), len(w.alerts), len(w.events))
	for _, alert := range w.alerts {
		frames := w.events[eventID(alert)]
		if len(frames) != 1 {
			t.Errorf("%d events about %.200s", len(frames), alert)
			continue
		}
		sayTheSame(t, gjson.ParseBytes(alert), frames[0])
	}
}

// sayTheSame holds an event to the alert that it is about.
func sayTheSame(t *testing.T, alert gjson.Result, frame string) {
	t.Helper()
	event := gjson.Get(frame[len(frame)-len(body(frame)):], "custom_vault")
	for field, of := range map[string]string{
		"alert_id": "id", "rule.id": "rule.id", "request.id": "data.request.id", "request.operation": "data.request.operation",
	} {
		// Of a flooded record the alert has lost what the event still knows, from the record's own text.
		if got, want := event.Get(field).String(), alert.Get(of).String(); want != "" && got != want {
			t.Errorf("alert %s: the event's %s is %q, the alert says %q", alert.Get("id"), field, got, want)
		}
	}
	if accessor := alert.Get("data.auth.accessor").String(); accessor != "" {
		if got := event.Get("actor.accessor").String() + event.Get("actor.accessor_hash").String(); got != accessor {
			t.Errorf("alert %s: the event's accessor is %q, the record says %q", alert.Get("id"), got, accessor)
		}
	}
}

// body is the event in a frame.
func body(frame string) string {
	for i := range frame {
		if frame[i] == '{' {
			return frame[i:]
		}
	}
	return ""
}

func recorded(t *testing.T, path string) []string {
	t.Helper()
	file, err := os.Open(path)
	fatalIf(t, err)
	defer file.Close()
	zip, err := gzip.NewReader(file)
	fatalIf(t, err)
	scanner := bufio.NewScanner(zip)
	scanner.Buffer(nil, 16<<20)
	var lines []string
	for scanner.Scan() {
		line := scanner.Text()
		lines = append(lines, line[:min(len(line), longestLine)])
	}
	fatalIf(t, scanner.Err())
	return lines
}
