package metrics

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"custom-vault/internal/health"
	"custom-vault/internal/vaultclient"
	"custom-vault/internal/vaultlookup"
)

// standing shows the daemon's facts of this moment.
type standing struct {
	facts  func(context.Context) health.Facts
	faults func() []health.Fault
}

// factsTime bounds the gathering of facts for one reading.
const factsTime = 5 * time.Second

// gauge is one of the metrics that come from facts.
type gauge struct {
	name, help string
	labels     []string
	kind       prometheus.ValueType
}

func (g gauge) desc() *prometheus.Desc {
	return prometheus.NewDesc(namespace+"_"+g.name, g.help, g.labels, nil)
}

func unread() gauge {
	return gauge{"unread_bytes", "Bytes behind the place that was committed.", []string{"source"}, prometheus.GaugeValue}
}

func suspects() gauge {
	return gauge{"suspects_waiting", "Requests with our own token that wait for the id of an answer of ours.", nil, prometheus.GaugeValue}
}

func outbox() gauge {
	return gauge{"outbox_events", "Events in the outbox: pending ones were not sent, sent ones not seen yet, faults given up.", []string{"state"}, prometheus.GaugeValue}
}

func outboxAge() gauge {
	return gauge{"outbox_oldest_seconds", "Age of the oldest event in that state; 0 where there is none.", []string{"state"}, prometheus.GaugeValue}
}

func responses() gauge {
	return gauge{"responses_open", "Responses that wait to begin, and plans that are running.", []string{"state"}, prometheus.GaugeValue}
}

func responsesAge() gauge {
	return gauge{"responses_oldest_seconds", "Age of the oldest of them; 0 where there is none.", []string{"state"}, prometheus.GaugeValue}
}

func storeBytes() gauge {
	return gauge{"store_bytes", "Bytes of the database in use.", nil, prometheus.GaugeValue}
}

func fault() gauge {
	return gauge{"faults", "Faults that show at present, by their code.", []string{"code", "severity"}, prometheus.GaugeValue}
}

func tokenValid() gauge {
	return gauge{"vault_token_valid", "1 while Vault takes our own token.", []string{"cluster"}, prometheus.GaugeValue}
}

func tokenExpires() gauge {
	return gauge{"vault_token_expires_timestamp_seconds", "When our own token ends, in Unix seconds; 0: never, or not known.", []string{"cluster"}, prometheus.GaugeValue}
}

func calls() gauge {
	return gauge{"vault_calls_total", "Calls to Vault, by the kind of path.", []string{"cluster", "path"}, prometheus.CounterValue}
}

func failures() gauge {
	return gauge{"vault_failures_total", "Calls to Vault that failed.", []string{"cluster", "failure"}, prometheus.CounterValue}
}

func nodesAway() gauge {
	return gauge{"vault_nodes_away", "Addresses that are left alone because they did not answer.", []string{"cluster"}, prometheus.GaugeValue}
}

func cached() gauge {
	return gauge{"vault_cached_accessors", "Accessors in the cache.", []string{"cluster"}, prometheus.GaugeValue}
}

func indexed() gauge {
	return gauge{"vault_indexed_hashes", "Hashed accessors in the index.", []string{"cluster"}, prometheus.GaugeValue}
}

func gauges() []gauge {
	return []gauge{
		unread(), suspects(), outbox(), outboxAge(), responses(), responsesAge(), storeBytes(), fault(),
		tokenValid(), tokenExpires(), calls(), failures(), nodesAway(), cached(), indexed(),
	}
}

// Describe implements prometheus.Collector.
func (s *standing) Describe(descs chan<- *prometheus.Desc) {
	for _, g := range gauges() {
		descs <- g.desc()
	}
}

// Collect implements prometheus.Collector.
func (s *standing) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), factsTime)
	defer cancel()
	f := s.facts(ctx)
	show := func(g gauge, value float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(g.desc(), g.kind, value, labels...)
	}
	age := func(since time.Time) float64 {
		if since.IsZero() {
			return 0
		}
		return max(0, f.At.Sub(since).Seconds())
	}
	for _, source := range f.Sources {
		show(unread(), float64(source.Unread), source.Name)
	}
	show(suspects(), float64(f.Suspects))
	show(outbox(), float64(f.Store.Pending), "pending")
	show(outbox(), float64(f.Store.Sent), "sent")
	show(outbox(), float64(f.Store.Faults), "fault")
	show(outboxAge(), age(f.Store.OldestPending), "pending")
	show(outboxAge(), age(f.Store.OldestSent), "sent")
	show(responses(), float64(f.Store.Waiting), "waiting")
	show(responses(), float64(f.Store.Running), "running")
	show(responsesAge(), age(f.Store.OldestWaiting), "waiting")
	show(responsesAge(), age(f.Store.OldestRunning), "running")
	show(storeBytes(), float64(f.Store.Bytes))
	for _, cluster := range f.Clusters {
		collectCluster(cluster, show)
	}
	counts := make(map[health.Code]int)
	for _, f := range s.faults() {
		counts[f.Code]++
	}
	for _, kind := range health.Table() {
		show(fault(), float64(counts[kind.Code]), string(kind.Code), string(kind.Severity))
	}
}

func collectCluster(cluster health.Cluster, show func(g gauge, value float64, labels ...string)) {
	valid, expires := 0.0, 0.0
	if cluster.Own.Valid {
		valid = 1
	}
	if !cluster.Own.Expires.IsZero() {
		expires = float64(cluster.Own.Expires.Unix())
	}
	show(tokenValid(), valid, cluster.Name)
	show(tokenExpires(), expires, cluster.Name)
	paths := maps.Clone(cluster.Stats.Calls) // those asked so far; the login's has the name of a mount in it
	if paths == nil {
		paths = make(map[string]int64)
	}
	for _, path := range vaultlookup.Paths() {
		paths[strings.TrimSuffix(path, "/")] += 0
	}
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		show(calls(), float64(paths[path]), cluster.Name, path)
	}
	for _, failure := range vaultclient.Failures() {
		show(failures(), float64(cluster.Stats.Failures[failure]), cluster.Name, string(failure))
	}
	show(nodesAway(), float64(cluster.Stats.Open), cluster.Name)
	show(cached(), float64(cluster.Stats.Cached), cluster.Name)
	show(indexed(), float64(cluster.Stats.Indexed), cluster.Name)
}
