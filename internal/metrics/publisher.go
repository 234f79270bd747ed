package metrics

import (
	"sync"
	"time"

	"custom-vault/internal/publish"
)

// awayState is why analysisd takes nothing, and since when.
type awayState struct {
	why   publish.Refusal
	since time.Time
}

// Sent implements publish.Observer.
func (m *Metrics) Sent(row publish.Row, at time.Time) {
	m.sent.Inc()
	if row.Attempts > 0 {
		m.resent.Inc()
	} else if about, ok := m.abouts.get(row.EventID); ok {
		m.took("sent", about, at)
	}
}

// Faulted implements publish.Observer.
func (m *Metrics) Faulted(row publish.Row, fault publish.Fault) {
	m.faults.WithLabelValues(string(fault)).Inc()
	m.abouts.take(row.EventID)
}

// Away implements publish.Observer.
func (m *Metrics) Away(err *publish.SendError) {
	m.refusals.WithLabelValues(string(err.Refusal)).Inc()
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.away.why == "" {
		m.away.since = m.now()
	}
	m.away.why = err.Refusal
}

// Back implements publish.Observer.
func (m *Metrics) Back() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.away = awayState{}
}

// OutboxFailed implements publish.Observer.
func (m *Metrics) OutboxFailed(error) { m.outboxFailed.Inc() }

// maxAbouts bounds the events whose alert's time is remembered until they are seen. Where there are more, the oldest
// are not measured.
const maxAbouts = 20_000

// abouts remembers when the alerts of events on their way were written. After a restart it knows nothing of those that
// were under way: they are sent and seen without being measured.
type abouts struct {
	mu    sync.Mutex
	byID  map[string]time.Time
	order []string // a ring
	next  int
}

func newAbouts() *abouts { return &abouts{byID: make(map[string]time.Time)} }

func (a *abouts) put(id string, at time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.order) < maxAbouts {
		a.order = append(a.order, id)
	} else {
		delete(a.byID, a.order[a.next])
		a.order[a.next] = id
		a.next = (a.next + 1) % maxAbouts
	}
	a.byID[id] = at
}

func (a *abouts) get(id string) (time.Time, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	found, ok := a.byID[id]
	return found, ok
}

func (a *abouts) take(id string) (time.Time, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	found, ok := a.byID[id]
	delete(a.byID, id)
	return found, ok
}
