// Package metrics counts what the daemon does, for Prometheus, in a registry of its own. Every label has a closed set
// of values, all of which are there at zero from the start: names of the configuration (clusters) and words of the
// program (reasons, kinds, states), never anything that an alert carries. It may import the packages whose words these
// are; none of them, and nothing that decides, may import it or Prometheus.
package metrics

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"custom-vault/internal/alert"
	"custom-vault/internal/escalation"
	"custom-vault/internal/event"
	"custom-vault/internal/health"
	"custom-vault/internal/identity"
	"custom-vault/internal/screen"
)

// Metrics counts. It implements the observers of the line and of the publisher; its methods are safe for concurrent
// use and do not block.
type Metrics struct {
	registry *prometheus.Registry
	now      func() time.Time
	ways     *ways
	abouts   *abouts

	lines, refused, wayCounts, verdicts, rungs, reasons, decisions, held, events, gaps *prometheus.CounterVec
	batches, faults, refusals, plans, deliveries, forgotten, reloads                   *prometheus.CounterVec
	commit                                                                             prometheus.Histogram
	latency                                                                            *prometheus.HistogramVec
	sent, resent, seen, outboxFailed, dropped                                          prometheus.Counter

	mu       sync.Mutex
	failing  string
	gap      time.Time
	intruder time.Time
	away     awayState
}

// New makes metrics. now may be nil.
func New(version string, now func() time.Time) *Metrics {
	if now == nil {
		now = time.Now
	}
	m := &Metrics{registry: prometheus.NewRegistry(), now: now, abouts: newAbouts()}
	m.declare()
	m.ways = newWays(func(name string) { m.wayCounts.WithLabelValues(name).Inc() })
	info := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "custom_vault_build_info", Help: "Always 1; the label says which version runs.",
	}, []string{"version"})
	info.WithLabelValues(version).Set(1)
	m.registry.MustRegister(info, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Show adds the gauges that come from the daemon's facts, which are asked for at each reading.
func (m *Metrics) Show(facts func(context.Context) health.Facts, faults func() []health.Fault) {
	m.registry.MustRegister(&standing{facts: facts, faults: faults})
}

// Handler serves the metrics in Prometheus' formats.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 2, Timeout: 10 * time.Second})
}

// Add fills in what the metrics alone know of the daemon's state.
func (m *Metrics) Add(f *health.Facts) {
	f.Ways = m.ways.lately(f.At)
	m.mu.Lock()
	defer m.mu.Unlock()
	f.StoreFailing, f.Gap, f.Intruder = m.failing, m.gap, m.intruder
	f.Away, f.AwaySince = m.away.why, m.away.since
}

// Turn is for the watchdog.
func (m *Metrics) Turn() {}

// Refused counts a line that cannot be read as an alert.
func (m *Metrics) Refused(source string, reason alert.Refusal) {
	m.lines.WithLabelValues(sourceLabel(source), "refused").Inc()
	m.refused.WithLabelValues(string(reason)).Inc()
}

// Passed counts a line that is in none of our groups.
func (m *Metrics) Passed(source string) {
	m.lines.WithLabelValues(sourceLabel(source), "not-ours").Inc()
}

// Arrived counts an alert of ours.
func (m *Metrics) Arrived(source string, a *alert.Alert, first bool) {
	outcome := "duplicate"
	if first {
		outcome = "accepted"
	}
	m.lines.WithLabelValues(sourceLabel(source), outcome).Inc()
	if a.Kind != alert.KindOwn { // which integratord may not be told to hand over
		m.ways.arrived(source, a.Key, m.now())
	}
}

// Judged counts a verdict of the screen.
func (m *Metrics) Judged(verdict screen.Verdict) { m.verdicts.WithLabelValues(string(verdict)).Inc() }

// Decided counts an alert's identity and decision, and how long both took from the alert's own time.
func (m *Metrics) Decided(a *alert.Alert, who identity.Identity, d escalation.Decision, at time.Time) {
	m.rungs.WithLabelValues(who.Rung.String()).Inc()
	m.reasons.WithLabelValues(reasonLabel(who.Why)).Inc()
	m.decisions.WithLabelValues(d.Action.String()).Inc()
	for _, held := range d.Held {
		m.held.WithLabelValues(held.Guard).Inc()
	}
	m.took("decided", a.Timestamp, at)
}

// Published counts an event that was put into the outbox.
func (m *Metrics) Published(kind event.Kind, id string, about time.Time) {
	m.events.WithLabelValues(string(kind)).Inc()
	m.abouts.put(id, about)
	if kind == event.KindIntruder {
		m.mu.Lock()
		m.intruder = m.now()
		m.mu.Unlock()
	}
}

// Seen counts an event that was met again in alerts.json, and how long that took from its alert's own time.
func (m *Metrics) Seen(id string, at time.Time) {
	if about, ok := m.abouts.take(id); ok {
		m.seen.Inc()
		m.took("seen", about, at)
	}
}

// Lost counts a gap.
func (m *Metrics) Lost(gap event.Gap) {
	m.gaps.WithLabelValues(sourceLabel(gap.Source), gap.Reason).Inc()
	m.mu.Lock()
	m.gap = m.now()
	m.mu.Unlock()
}

// Dropped counts alerts that wait no longer for a better identity.
func (m *Metrics) Dropped(alerts int) { m.dropped.Add(float64(alerts)) }

// Kept counts a batch that was kept, or an attempt that failed.
func (m *Metrics) Kept(took time.Duration, err error) {
	if errors.Is(err, context.Canceled) {
		return // the daemon ends
	}
	outcome, failing := "kept", ""
	if err != nil {
		outcome, failing = "failed", err.Error()
	} else {
		m.commit.Observe(took.Seconds())
	}
	m.batches.WithLabelValues(outcome).Inc()
	m.mu.Lock()
	m.failing = failing
	m.mu.Unlock()
}

// Planned counts a plan that began, or how it ended: closed, partly, failed; or held, where none was begun.
func (m *Metrics) Planned(state string) { m.plans.WithLabelValues(state).Inc() }

// Delivered counts what became of an order to one agent.
func (m *Metrics) Delivered(reason string) { m.deliveries.WithLabelValues(reason).Inc() }

// Forgotten counts rows of the store.
func (m *Metrics) Forgotten(table string, rows int) {
	m.forgotten.WithLabelValues(table).Add(float64(rows))
}

// Reloaded counts an attempt to read the configuration anew.
func (m *Metrics) Reloaded(ok bool) {
	outcome := "refused"
	if ok {
		outcome = "applied"
	}
	m.reloads.WithLabelValues(outcome).Inc()
}

// took observes a time since an alert's own, which an alert may lack.
func (m *Metrics) took(until string, from, to time.Time) {
	if !from.IsZero() {
		m.latency.WithLabelValues(until).Observe(max(0, to.Sub(from).Seconds()))
	}
}

func sourceLabel(source string) string {
	if source == "alerts" || source == "journal" {
		return source
	}
	return "command"
}

func reasonLabel(why identity.Reason) string {
	if why == identity.ReasonNone {
		return "none"
	}
	return string(why)
}
