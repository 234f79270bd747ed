package publish

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"
)

// memory is an Outbox that keeps what the interface says in memory, counts its transactions, and fails when told to.
type memory struct {
	t testing.TB

	mu     sync.Mutex
	rows   []*memoryRow
	writes int
	fails  map[string]int // method → how many more calls of it fail
}

type memoryRow struct {
	Row
	state     string
	due, sent time.Time
	fault     Fault
}

var errDisk = errors.New("no space left on device")

func newMemory(t testing.TB) *memory { return &memory{t: t, fails: map[string]int{}} }

// add puts n events into the outbox and returns their ids.
func (m *memory) add(n int) []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var added []string
	for range n {
		id := fmt.Sprintf("e%05d", len(m.rows))
		m.rows = append(m.rows, &memoryRow{state: "pending", Row: Row{EventID: id, Agent: AgentRef{ID: "001", Name: "vault-1", IP: "any"},
			Body: []byte(`{"event_id":"` + id + `"}`)}})
		added = append(added, id)
	}
	return added
}

// datagram is what an event of add looks like on the wire.
func datagram(id string) string {
	return `1:[001] (vault-1) any->custom-vault:{"event_id":"` + id + `"}`
}

func (m *memory) failing(ctx context.Context, method string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if m.fails[method] > 0 {
		m.fails[method]--
		return errDisk
	}
	return nil
}

func (m *memory) Due(ctx context.Context, now time.Time, limit int) ([]Row, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.failing(ctx, "Due"); err != nil {
		return nil, err
	}
	var due []Row
	for _, r := range m.rows {
		if len(due) < limit && (r.state == "pending" || r.state == "sent" && !now.Before(r.due)) {
			due = append(due, r.Row)
		}
	}
	return due, nil
}

func (m *memory) MarkSent(ctx context.Context, ids []string, at, again time.Time) error {
	return m.mark(ctx, "MarkSent", ids, func(r *memoryRow) {
		r.state, r.sent, r.due = "sent", at, again
		r.Attempts++
	})
}

func (m *memory) MarkUnsent(ctx context.Context, ids []string) error {
	return m.mark(ctx, "MarkUnsent", ids, func(r *memoryRow) {
		if r.state != "sent" {
			m.t.Errorf("%s is marked as unsent and is %s", r.EventID, r.state)
		}
		r.state = "pending"
		r.Attempts--
	})
}

func (m *memory) MarkFault(ctx context.Context, id string, fault Fault) error {
	return m.mark(ctx, "MarkFault", []string{id}, func(r *memoryRow) { r.state, r.fault = "fault", fault })
}

func (m *memory) mark(ctx context.Context, method string, ids []string, change func(*memoryRow)) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.failing(ctx, method); err != nil {
		return err
	}
	m.writes++
	for _, id := range ids {
		if r := m.find(id); r.state != "seen" {
			change(r)
		}
	}
	return nil
}

func (m *memory) find(id string) *memoryRow {
	for _, r := range m.rows {
		if r.EventID == id {
			return r
		}
	}
	m.t.Errorf("there is no event %s", id)
	return &memoryRow{}
}

// see is the echo in alerts.json.
func (m *memory) see(id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.find(id).state = "seen"
}

func (m *memory) edit(id string, change func(*memoryRow)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change(m.find(id))
}

// states counts the rows by state.
func (m *memory) states() map[string]int {
	m.mu.Lock()
	defer m.mu.Unlock()
	counts := map[string]int{}
	for _, r := range m.rows {
		counts[r.state]++
	}
	return counts
}

func (m *memory) writesSoFar() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.writes
}
