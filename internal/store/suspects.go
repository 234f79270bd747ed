package store

import (
	"context"
	"fmt"
	"time"

	"custom-vault/internal/alert"
)

// Suspect is an alert about a request with our own token that waits for the id of an answer of ours.
type Suspect struct {
	Key   alert.Key
	Until time.Time
	Alert string // JSON
}

const (
	insertSuspect = `INSERT INTO suspects (key, until, alert) VALUES ($1,$2,$3) ON CONFLICT DO NOTHING`
	deleteSuspect = `DELETE FROM suspects WHERE key=$1`
)

// suspects keeps those that came, and lets go of those that were judged: one that does not wait at all is both.
func (w *writing) suspects(came []Suspect, settled []alert.Key) error {
	for i := range came {
		s := &came[i]
		if err := w.exec(insertSuspect, s.Key[:], millis(s.Until), s.Alert); err != nil {
			return fmt.Errorf("keep suspect %s: %w", s.Key, err)
		}
	}
	for _, key := range settled {
		if err := w.exec(deleteSuspect, key[:]); err != nil {
			return fmt.Errorf("let suspect %s go: %w", key, err)
		}
	}
	return nil
}

// Suspects returns those that wait, the first to be judged first: after a restart they wait on.
func (s *Store) Suspects(ctx context.Context) ([]Suspect, error) {
	rows, err := s.reader.QueryContext(ctx, `SELECT key, until, alert FROM suspects ORDER BY until`)
	if err != nil {
		return nil, fmt.Errorf("read suspects: %w", err)
	}
	defer rows.Close()
	var waiting []Suspect
	for rows.Next() {
		var one Suspect
		var key []byte
		var until int64
		if err := rows.Scan(&key, &until, &one.Alert); err != nil {
			return nil, fmt.Errorf("read suspects: %w", err)
		}
		one.Key, one.Until = alert.Key(key), timeOf(until)
		waiting = append(waiting, one)
	}
	return waiting, rows.Err()
}
