package publish

import (
	"maps"
	"sync"
	"time"
)

// Counts is what happened so far.
type Counts struct {
	// Sent counts datagrams, Again those of them that repeat an event that was not seen.
	Sent, Again uint64
	// Faults and Refusals have an entry for every value, from the start.
	Faults         map[Fault]uint64
	Refusals       map[Refusal]uint64
	OutboxFailures uint64
	// Away is why the socket refuses at present, empty when it does not.
	Away     Refusal
	LastSent time.Time
}

// Counters is an Observer that counts. Its zero value is not usable; NewCounters makes one.
type Counters struct {
	mu sync.Mutex
	c  Counts
}

// NewCounters makes Counters with every count at zero.
func NewCounters() *Counters {
	c := &Counters{c: Counts{Faults: map[Fault]uint64{}, Refusals: map[Refusal]uint64{}}}
	for _, f := range Faults() {
		c.c.Faults[f] = 0
	}
	for _, r := range Refusals() {
		c.c.Refusals[r] = 0
	}
	return c
}

// Counts is a copy of the counts.
func (c *Counters) Counts() Counts {
	c.mu.Lock()
	defer c.mu.Unlock()
	counts := c.c
	counts.Faults, counts.Refusals = maps.Clone(c.c.Faults), maps.Clone(c.c.Refusals)
	return counts
}

// Sent implements Observer.
func (c *Counters) Sent(row Row, at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.c.Sent++
	if row.Attempts > 0 {
		c.c.Again++
	}
	c.c.LastSent = at
}

// Faulted implements Observer.
func (c *Counters) Faulted(_ Row, fault Fault) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.c.Faults[fault]++
}

// Away implements Observer.
func (c *Counters) Away(err *SendError) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.c.Refusals[err.Refusal]++
	c.c.Away = err.Refusal
}

// Back implements Observer.
func (c *Counters) Back() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.c.Away = ""
}

// OutboxFailed implements Observer.
func (c *Counters) OutboxFailed(error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.c.OutboxFailures++
}
