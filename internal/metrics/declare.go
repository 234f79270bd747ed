package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"custom-vault/internal/alert"
	"custom-vault/internal/escalation"
	"custom-vault/internal/event"
	"custom-vault/internal/follow"
	"custom-vault/internal/identity"
	"custom-vault/internal/publish"
	"custom-vault/internal/response"
	"custom-vault/internal/screen"
	"custom-vault/internal/store"
)

const namespace = "custom_vault"

// declare makes every metric, with every value of its labels at zero.
func (m *Metrics) declare() {
	m.lines = m.counter("lines_total", "Lines that may concern us, by the way they came and what became of them.",
		label{"source", sources()}, label{"outcome", []string{"accepted", "duplicate", "refused", "not-ours"}})
	m.refused = m.counter("lines_refused_total", "Lines that cannot be read as an alert.", label{"reason", words(alert.Refusals())})
	m.wayCounts = m.counter("lines_ways_total", "Alerts by the ways they came, counted when the other way was waited for two minutes. In a flood of more than 50,000 open ones it is waited less.",
		label{"ways", wayNames[:]})
	m.gaps = m.counter("gaps_total", "Places where alerts were lost on their way in.",
		label{"source", []string{string(follow.Alerts), string(follow.Journal)}}, label{"reason", words(follow.Reasons())})
	m.verdicts = m.counter("verdicts_total", "What the screen took alerts for.", label{"verdict", words(screen.Verdicts())})
	m.rungs = m.counter("identities_total", "Decided alerts by the rung of the ladder that their identity stands on.", label{"rung", rungs()})
	m.reasons = m.counter("identity_reasons_total", "Decided alerts by the reason why their identity is not better than it is.", label{"reason", reasons()})
	m.dropped = m.plain("late_dropped_total", "Alerts that stay with the identity they were decided with, because too many waited for a better one.")
	m.decisions = m.counter("decisions_total", "Decided alerts by what is done.", label{"action", actions()})
	m.held = m.counter("held_total", "Actions that a guard held back, by guard; several guards may hold one action.", label{"guard", guards()})
	m.events = m.counter("events_total", "Events that the line put into the outbox; those about responses are counted as responses.",
		label{"kind", []string{string(event.KindEnriched), string(event.KindIntruder), string(event.KindGap), string(event.KindFault)}})
	m.batches = m.counter("batches_total", "Batches that were kept, and attempts that failed and were repeated.", label{"outcome", []string{"kept", "failed"}})
	m.commit = prometheus.NewHistogram(prometheus.HistogramOpts{
		Namespace: namespace, Name: "commit_seconds", Help: "How long the one commit of a batch took.",
		Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 5},
	})
	m.registry.MustRegister(m.commit)
	m.latency = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: namespace, Name: "latency_seconds", Help: "From the alert's own timestamp until it was decided, its event first sent, and its event seen again. What was under way when the daemon started is not measured.",
		Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600},
	}, []string{"until"})
	m.registry.MustRegister(m.latency)
	for _, until := range []string{"decided", "sent", "seen"} {
		m.latency.WithLabelValues(until)
	}
	m.sent = m.plain("events_sent_total", "Datagrams that left for analysisd, repeats included.")
	m.resent = m.plain("events_resent_total", "Datagrams that repeat an event which was not seen in time.")
	m.seen = m.plain("events_seen_total", "Events of this run that were met again in alerts.json.")
	m.faults = m.counter("event_faults_total", "Events that were given up.", label{"fault", words(publish.Faults())})
	m.refusals = m.counter("socket_refusals_total", "Attempts that analysisd's socket refused.", label{"refusal", words(publish.Refusals())})
	m.outboxFailed = m.plain("outbox_failures_total", "Failures of the store that the publisher met and got over.")
	m.plans = m.counter("responses_total", "Responses that began, and how they ended; held ones never began.", label{"state", []string{"dispatched", "closed", "partly", "failed", "held"}})
	m.deliveries = m.counter("deliveries_total", "Orders to agents, by what the API made of each.", label{"reason", response.DeliveryReasons()})
	m.forgotten = m.counter("forgotten_rows_total", "Rows that the store has forgotten.", label{"table", store.Tables()})
	m.reloads = m.counter("reloads_total", "Attempts to read the configuration anew.", label{"outcome", []string{"applied", "refused"}})
}

// label is the name of a label with all its values.
type label struct {
	name   string
	values []string
}

// counter registers a counter and initialises every combination of its labels.
func (m *Metrics) counter(name, help string, labels ...label) *prometheus.CounterVec {
	names := make([]string, len(labels))
	for i, l := range labels {
		names[i] = l.name
	}
	c := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, names)
	m.registry.MustRegister(c)
	values := make([]string, len(labels))
	var fill func(i int)
	fill = func(i int) {
		if i == len(labels) {
			c.WithLabelValues(values...)
			return
		}
		for _, value := range labels[i].values {
			values[i] = value
			fill(i + 1)
		}
	}
	fill(0)
	return c
}

func (m *Metrics) plain(name, help string) prometheus.Counter {
	c := prometheus.NewCounter(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help})
	m.registry.MustRegister(c)
	return c
}

func words[T ~string](of []T) []string {
	list := make([]string, len(of))
	for i, word := range of {
		list[i] = string(word)
	}
	return list
}

func sources() []string { return []string{string(follow.Alerts), string(follow.Journal), "command"} }

func rungs() []string {
	var list []string
	for rung := identity.RungNone; rung <= identity.RungNobody; rung++ {
		list = append(list, rung.String())
	}
	return list
}

func reasons() []string {
	list := []string{"none"}
	for _, reason := range identity.Reasons() {
		list = append(list, string(reason))
	}
	return list
}

func actions() []string {
	var list []string
	for action := escalation.Record; action <= escalation.Seal; action++ {
		list = append(list, action.String())
	}
	return list
}

func guards() []string {
	var list []string
	for _, guard := range escalation.Guards() {
		list = append(list, guard.Name)
	}
	return list
}
