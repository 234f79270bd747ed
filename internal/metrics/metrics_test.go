package metrics

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"custom-vault/internal/alert"
	"custom-vault/internal/escalation"
	"custom-vault/internal/event"
	"custom-vault/internal/health"
	"custom-vault/internal/identity"
	"custom-vault/internal/publish"
	"custom-vault/internal/screen"
	"custom-vault/internal/store"
	"custom-vault/internal/vaultlookup"
)

var (
	start                  = time.Date(2026, 11, 24, 3, 0, 0, 0, time.UTC)
	_     publish.Observer = (*Metrics)(nil)
)

// clock is moved by hand.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

// scrape reads the metrics as Prometheus does: series → value.
func scrape(t *testing.T, m *Metrics) map[string]string {
	t.Helper()
	recorder := httptest.NewRecorder()
	m.Handler().ServeHTTP(recorder, httptest.NewRequest("GET", "/metrics", nil))
	if recorder.Code != 200 {
		t.Fatalf("%d: %s", recorder.Code, recorder.Body)
	}
	series := make(map[string]string)
	for line := range strings.Lines(recorder.Body.String()) {
		if strings.HasPrefix(line, "custom_vault_") {
			at := strings.LastIndexByte(line, ' ')
			series[strings.TrimPrefix(line[:at], "custom_vault_")] = strings.TrimSpace(line[at:])
		}
	}
	return series
}

// changed are the series that two readings differ in, as "series value", without the buckets of histograms.
func changed(before, after map[string]string) []string {
	var list []string
	for name, value := range after {
		if before[name] != value && !strings.Contains(name, "_bucket{") && !strings.Contains(name, "_sum") {
			list = append(list, name+" "+value)
		}
	}
	slices.Sort(list)
	return list
}

func alertOf(text string, at time.Time) *alert.Alert {
	return &alert.Alert{Key: alert.KeyOf([]byte(text)), Kind: alert.KindAudit, Timestamp: at}
}

func TestEverySeriesIsThereAtZero(t *testing.T) {
	t.Parallel()
	for name, value := range scrape(t, New("v1", nil)) {
		if value != "0" && name != `build_info{version="v1"}` {
			t.Errorf("%s is %s", name, value)
		}
	}
}

// What is told about one alert on its way moves these series, and no others: nothing new appears.
func TestAnAlertOnItsWayIsCounted(t *testing.T) {
	t.Parallel()
	c := &clock{at: start}
	m := New("v1", c.now)
	zero := scrape(t, m)
	a := alertOf("a", start.Add(-time.Second))
	m.Turn()
	m.Refused("alerts", alert.RefusalNotJSON)
	m.Passed("alerts")
	m.Arrived("alerts", a, true)
	m.Arrived("journal", a, false)
	m.Judged(screen.Foreign)
	m.Decided(a, identity.Identity{Rung: identity.RungRecord, Why: identity.ReasonSealed}, escalation.Decision{
		Action: escalation.Notify, Wanted: escalation.Seal, Held: []escalation.Held{{Guard: "mode"}, {Guard: "halt"}},
	}, start)
	m.Published(event.KindEnriched, "e1", a.Timestamp)
	m.Kept(time.Millisecond, nil)
	m.Kept(0, errors.New("disk full"))
	m.Kept(0, context.Canceled)
	m.Sent(publish.Row{EventID: "e1"}, start)
	m.Sent(publish.Row{EventID: "e1", Attempts: 1}, start)
	m.Seen("e1", start)
	m.Seen("e1", start)
	m.Seen("of another run", start)
	m.Lost(event.Gap{Source: "journal", Reason: "torn"})
	m.Faulted(publish.Row{EventID: "e2"}, publish.FaultUnseen)
	m.Away(&publish.SendError{Refusal: publish.RefusalDown})
	m.OutboxFailed(errors.New("locked"))
	m.Planned("dispatched")
	m.Delivered("sent")
	m.Forgotten("alerts", 300)
	m.Reloaded(true)
	c.at = start.Add(otherWayWithin)
	m.Add(&health.Facts{At: c.at})

	want := []string{
		`batches_total{outcome="failed"} 1`, `batches_total{outcome="kept"} 1`, `commit_seconds_count 1`,
		`decisions_total{action="notify"} 1`, `deliveries_total{reason="sent"} 1`, `event_faults_total{fault="never-seen"} 1`,
		`events_resent_total 1`, `events_seen_total 1`, `events_sent_total 2`, `events_total{kind="enriched"} 1`,
		`forgotten_rows_total{table="alerts"} 300`, `gaps_total{reason="torn",source="journal"} 1`,
		`held_total{guard="halt"} 1`, `held_total{guard="mode"} 1`, `identities_total{rung="record"} 1`,
		`identity_reasons_total{reason="vault sealed"} 1`,
		`latency_seconds_count{until="decided"} 1`, `latency_seconds_count{until="seen"} 1`, `latency_seconds_count{until="sent"} 1`,
		`lines_refused_total{reason="not-json"} 1`, `lines_total{outcome="accepted",source="alerts"} 1`,
		`lines_total{outcome="duplicate",source="journal"} 1`, `lines_total{outcome="not-ours",source="alerts"} 1`,
		`lines_total{outcome="refused",source="alerts"} 1`, `lines_ways_total{ways="both"} 1`, `outbox_failures_total 1`,
		`reloads_total{outcome="applied"} 1`, `responses_total{state="dispatched"} 1`, `socket_refusals_total{refusal="daemon-down"} 1`,
		`verdicts_total{verdict="foreign"} 1`,
	}
	after := scrape(t, m)
	slices.Sort(want)
	if diff := cmp.Diff(want, changed(zero, after)); diff != "" {
		t.Error(diff)
	}
	if len(after) != len(zero) {
		t.Errorf("%d series, %d at the start", len(after), len(zero))
	}
}

func TestTheDaemonsStateIsKnown(t *testing.T) {
	t.Parallel()
	c := &clock{at: start}
	m := New("v1", c.now)
	m.Kept(0, errors.New("disk full"))
	m.Away(&publish.SendError{Refusal: publish.RefusalFull})
	c.at = start.Add(time.Second)
	m.Away(&publish.SendError{Refusal: publish.RefusalDown})
	m.Published(event.KindIntruder, "i", start)
	m.Lost(event.Gap{Source: "alerts", Reason: "gone"})
	f := health.Facts{At: c.at}
	m.Add(&f)
	want := health.Facts{
		At: c.at, StoreFailing: "disk full", Away: publish.RefusalDown, AwaySince: start, Intruder: c.at, Gap: c.at,
	}
	if diff := cmp.Diff(want, f); diff != "" {
		t.Error(diff)
	}
	m.Kept(time.Millisecond, nil)
	m.Back()
	m.Add(&f)
	if f.StoreFailing != "" || f.Away != "" {
		t.Errorf("it is over: %+v", f)
	}
}

func TestLinesByOneWayOnly(t *testing.T) {
	t.Parallel()
	c := &clock{at: start}
	m := New("v1", c.now)
	for i := range 3 {
		m.Arrived("alerts", alertOf(fmt.Sprint("alone", i), start), true)
		m.Arrived("journal", alertOf(fmt.Sprint("both", i), start), true)
		m.Arrived("alerts", alertOf(fmt.Sprint("both", i), start), false)
	}
	m.Arrived("journal", alertOf("too long for alerts.json", start), true)
	m.Arrived("command", alertOf("by hand", start), true)
	own := alertOf("echo", start)
	own.Kind = alert.KindOwn
	m.Arrived("alerts", own, true)

	f := health.Facts{At: start.Add(otherWayWithin - 1)}
	if m.Add(&f); f.Ways != (health.Ways{}) {
		t.Errorf("the other way was not waited for: %+v", f.Ways)
	}
	f.At = start.Add(otherWayWithin)
	want := health.Ways{Both: 3, AlertsOnly: 3, JournalOnly: 1}
	if m.Add(&f); f.Ways != want {
		t.Errorf("%+v, want %+v", f.Ways, want)
	}
	f.At = start.Add(50 * time.Minute)
	if m.Add(&f); f.Ways != want {
		t.Errorf("50 minutes later: %+v", f.Ways)
	}
	f.At = start.Add(3 * time.Hour)
	if m.Add(&f); f.Ways != (health.Ways{}) {
		t.Errorf("hours later: %+v", f.Ways)
	}
}

func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	m := New("v1", func() time.Time { return start })
	for i := range 3 * maxOpenLines {
		name := fmt.Sprint(i)
		m.Arrived("alerts", alertOf(name, start), true)
		m.Published(event.KindEnriched, name, start)
		if i%3 == 0 {
			m.Seen(name, start)
		}
	}
	if n := len(m.ways.open); n > maxOpenLines || n != len(m.ways.order) {
		t.Errorf("%d open lines, in an order of %d", n, len(m.ways.order))
	}
	if n := len(m.abouts.byID); n > maxAbouts || len(m.abouts.order) > maxAbouts {
		t.Errorf("the times of %d alerts", n)
	}
}

func TestFactsAreGauges(t *testing.T) {
	t.Parallel()
	m := New("v1", nil)
	m.Show(func(context.Context) health.Facts {
		return health.Facts{
			At: start, Suspects: 4, Sources: []health.Source{{Name: "alerts", Unread: 100}, {Name: "journal"}},
			Store: store.Backlog{Pending: 3, OldestPending: start.Add(-time.Minute), Waiting: 1, OldestWaiting: start.Add(-2 * time.Second), Bytes: 4096},
			Clusters: []health.Cluster{{
				Name: "prod", Nodes: 3, Own: vaultlookup.Own{Valid: true, Expires: start.Add(time.Hour)},
				Stats: vaultlookup.Stats{Calls: map[string]int64{"auth/token/lookup-accessor": 7, "auth/approle/login": 1}, Open: 1},
			}},
		}
	}, func() []health.Fault { return []health.Fault{{Code: health.Halted, Severity: health.Warning}} })
	got := scrape(t, m)
	for series, want := range map[string]string{
		`unread_bytes{source="alerts"}`: "100", `unread_bytes{source="journal"}`: "0", `suspects_waiting`: "4",
		`outbox_events{state="pending"}`: "3", `outbox_oldest_seconds{state="pending"}`: "60", `outbox_oldest_seconds{state="sent"}`: "0",
		`responses_open{state="waiting"}`: "1", `responses_oldest_seconds{state="waiting"}`: "2", `store_bytes`: "4096",
		`faults{code="halted",severity="warning"}`: "1", `faults{code="analysisd-away",severity="error"}`: "0",
		`vault_token_valid{cluster="prod"}`: "1", `vault_token_expires_timestamp_seconds{cluster="prod"}`: fmt.Sprint(float64(start.Add(time.Hour).Unix())),
		`vault_calls_total{cluster="prod",path="auth/token/lookup-accessor"}`: "7", `vault_calls_total{cluster="prod",path="auth/approle/login"}`: "1",
		`vault_calls_total{cluster="prod",path="identity/entity/id"}`: "0", `vault_failures_total{cluster="prod",failure="sealed"}`: "0",
		`vault_nodes_away{cluster="prod"}`: "1",
	} {
		if got[series] != want {
			t.Errorf("%s is %q, want %s", series, got[series], want)
		}
	}
}

const operate = "../../docs/operate.md"

// docs/operate.md holds the tables of metrics and of faults between marks.
func TestTheDocumentationHoldsTheTables(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Clean(operate))
	if err != nil {
		t.Fatal(err)
	}
	var metrics, faults strings.Builder
	if err := errors.Join(WriteReference(&metrics), health.WriteReference(&faults)); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"metrics": metrics.String(), "faults": faults.String()} {
		_, rest, _ := strings.Cut(string(text), "<!-- "+name+" -->\n")
		got, _, closed := strings.Cut(rest, "<!-- end of "+name+" -->\n")
		if !closed || got != want {
			t.Errorf("%s does not hold the table of %s; it should be:\n%s", operate, name, want)
		}
	}
}
