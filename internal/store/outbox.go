package store

import (
	"context"
	"fmt"
	"time"

	"custom-vault/internal/publish"
)

// An event in the outbox is pending, sent, seen or fault. Only pending and sent rows are ever due: pending ones always
// (their due is 0, so that a clock that was set back keeps none waiting), sent ones when their time has come.

const (
	selectDue = `SELECT event_id, agent_id, agent_name, agent_ip, body, attempts FROM outbox
  WHERE state IN ('pending', 'sent') AND due<=$1 ORDER BY due, seq LIMIT $2`
	markSent = `UPDATE outbox SET state='sent', attempts=attempts+1, sent=$2, due=$3
  WHERE event_id=$1 AND state IN ('pending', 'sent')`
	markUnsent = `UPDATE outbox SET state='pending', attempts=attempts-1, due=0
  WHERE event_id=$1 AND state='sent'`
	awaitEchoes = `UPDATE outbox SET due=$1 WHERE state='sent' AND due<$1`
	markFault   = `UPDATE outbox SET state='fault', fault=$2
  WHERE event_id=$1 AND state IN ('pending', 'sent')`
)

// Due returns the events that are to be sent now: those that were not sent yet in the order in which they were put
// into the outbox, and after them those to be sent again, the longest overdue first.
func (s *Store) Due(ctx context.Context, now time.Time, limit int) ([]publish.Row, error) {
	rows, err := s.reader.QueryContext(ctx, selectDue, millis(now), limit)
	if err != nil {
		return nil, fmt.Errorf("read the outbox: %w", err)
	}
	defer rows.Close()
	var due []publish.Row
	for rows.Next() {
		var r publish.Row
		if err := rows.Scan(&r.EventID, &r.Agent.ID, &r.Agent.Name, &r.Agent.IP, &r.Body, &r.Attempts); err != nil {
			return nil, fmt.Errorf("read the outbox: %w", err)
		}
		due = append(due, r)
	}
	return due, rows.Err()
}

// MarkSent says that these events are about to be sent. It is written before they are, so that after a crash they
// first wait for their echo.
func (s *Store) MarkSent(ctx context.Context, ids []string, at, again time.Time) error {
	return s.mark(ctx, ids, markSent, millis(at), millis(again))
}

// MarkUnsent takes MarkSent back for events that surely did not leave. They keep their place.
func (s *Store) MarkUnsent(ctx context.Context, ids []string) error {
	return s.mark(ctx, ids, markUnsent)
}

// MarkFault gives an event up; its body stays, for whoever looks into it.
func (s *Store) MarkFault(ctx context.Context, id string, fault publish.Fault) error {
	return s.mark(ctx, []string{id}, markFault, string(fault))
}

func (s *Store) mark(ctx context.Context, ids []string, query string, args ...any) error {
	return s.write(ctx, func(w *writing) error {
		for _, id := range ids {
			if err := w.exec(query, append([]any{id}, args...)...); err != nil {
				return fmt.Errorf("mark event %s: %w", id, err)
			}
		}
		return nil
	})
}

// AwaitEchoes gives every event that was sent until a time to be met again. A daemon that was away has the echoes of
// what it sent before still to read: without this it would send those events once more before it had looked.
func (s *Store) AwaitEchoes(ctx context.Context, until time.Time) error {
	return s.write(ctx, func(w *writing) error {
		if err := w.exec(awaitEchoes, millis(until)); err != nil {
			return fmt.Errorf("wait for echoes: %w", err)
		}
		return nil
	})
}
