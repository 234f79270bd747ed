package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"custom-vault/internal/publish"
)

// An event in the outbox is pending, sent, seen or fault. Only sent and pending rows are ever due.

// Due returns the events that are to be sent now, or again, oldest first.
func (s *Store) Due(ctx context.Context, now time.Time, limit int) ([]publish.Row, error) {
	rows, err := s.reader.QueryContext(ctx, `SELECT event_id, agent_id, agent_name, agent_ip, body, attempts FROM outbox
  WHERE state IN ('pending', 'sent') AND due<=$1 ORDER BY seq LIMIT $2`, millis(now), limit)
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
	return s.mark(ctx, ids, `UPDATE outbox SET state='sent', attempts=attempts+1, sent=$2, due=$3
  WHERE event_id=$1 AND state IN ('pending', 'sent')`, millis(at), millis(again))
}

// MarkUnsent takes MarkSent back for events that surely did not leave.
func (s *Store) MarkUnsent(ctx context.Context, ids []string) error {
	return s.mark(ctx, ids, `UPDATE outbox SET state='pending', attempts=attempts-1, due=created
  WHERE event_id=$1 AND state='sent'`)
}

// MarkFault gives an event up; its body stays, for whoever looks into it.
func (s *Store) MarkFault(ctx context.Context, id string, fault publish.Fault) error {
	return s.mark(ctx, []string{id}, `UPDATE outbox SET state='fault', fault=$2
  WHERE event_id=$1 AND state IN ('pending', 'sent')`, string(fault))
}

func (s *Store) mark(ctx context.Context, ids []string, statement string, args ...any) error {
	return s.write(ctx, func(tx *sql.Tx) error {
		for _, id := range ids {
			if _, err := tx.ExecContext(ctx, statement, append([]any{id}, args...)...); err != nil {
				return fmt.Errorf("mark event %s: %w", id, err)
			}
		}
		return nil
	})
}

