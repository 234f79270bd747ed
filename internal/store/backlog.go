package store

import (
	"context"
	"fmt"
	"time"
)

// Backlog is what waits in the store, and since when; a time is zero where nothing waits.
type Backlog struct {
	Pending, Sent, Faults int       // events: not sent yet, sent and not seen yet, given up
	NewestFault           time.Time // when the last event that was given up had been made
	OldestPending         time.Time
	OldestSent            time.Time
	Waiting               int // intents
	OldestWaiting         time.Time
	Running               int // plans
	OldestRunning         time.Time
	Bytes                 int64 // of the database that are in use
}

// Backlog counts what waits. It reads past no more rows than there are waiting or given up, and keeps nobody waiting.
func (s *Store) Backlog(ctx context.Context) (Backlog, error) {
	var b Backlog
	var pending, sent, fault, waiting, running int64
	for _, ask := range []struct {
		query string
		into  []any
	}{
		// Pending rows are due at 0, which the index knows; sent ones never are.
		{`SELECT COUNT(*), COALESCE(MIN(created), 0) FROM outbox WHERE state IN ('pending', 'sent') AND due=0`, []any{&b.Pending, &pending}},
		{`SELECT COUNT(*), COALESCE(MIN(created), 0) FROM outbox WHERE state IN ('pending', 'sent') AND due>0`, []any{&b.Sent, &sent}},
		{`SELECT COUNT(*), COALESCE(MAX(created), 0) FROM outbox WHERE state='fault'`, []any{&b.Faults, &fault}},
		{`SELECT COUNT(*), COALESCE(MIN(created), 0) FROM intents WHERE state='waiting'`, []any{&b.Waiting, &waiting}},
		{`SELECT COUNT(*), COALESCE(MIN(started), 0) FROM plans WHERE state='running'`, []any{&b.Running, &running}},
	} {
		if err := s.reader.QueryRowContext(ctx, ask.query).Scan(ask.into...); err != nil {
			return Backlog{}, fmt.Errorf("count what waits in the store: %w", err)
		}
	}
	b.NewestFault = timeOf(fault)
	b.OldestPending, b.OldestSent = timeOf(pending), timeOf(sent)
	b.OldestWaiting, b.OldestRunning = timeOf(waiting), timeOf(running)
	var err error
	b.Bytes, err = s.Size(ctx)
	return b, err
}
