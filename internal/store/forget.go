package store

import (
	"context"
	"fmt"
	"time"
)

// StepRows is how many rows of one table a step of forgetting takes away at most: a matter of milliseconds, so that
// the line of stages, which waits for the same one writer, hardly notices.
const StepRows = 300

// forgettable are the rows that may go once they are older than a time. What is pending, waiting or running is in
// none of these conditions, and the plan and the intent of a budget that still counts are younger than any such time.
// Plans go before their intents, so that no plan is left without the intent that it belongs to.
var forgettable = []struct{ table, key, old string }{
	{"alerts", "key", "kept<$1 ORDER BY kept"},
	{"own_requests", "id", "at<$1 ORDER BY at"},
	{"outbox", "event_id", "state IN ('seen', 'fault') AND created<$1 ORDER BY created"},
	{"incidents", "id", "last<$1"},
	{"plans", "id", "state<>'running' AND ended<$1"},
	{"intents", "id", "state<>'waiting' AND created<$1 AND NOT EXISTS (SELECT 1 FROM plans WHERE plans.intent=intents.id)"},
}

// Tables are the tables that forget, for metrics that begin at zero.
func Tables() []string {
	names := make([]string, len(forgettable))
	for i, f := range forgettable {
		names[i] = f.table
	}
	return names
}

// Forget takes one step in one table: at most StepRows rows that were done with before a time, the oldest first where
// there are many. Fewer than StepRows say that nothing so old is left.
func (s *Store) Forget(ctx context.Context, table string, before time.Time) (rows int, err error) {
	for _, f := range forgettable {
		if f.table != table {
			continue
		}
		query := fmt.Sprintf(`DELETE FROM %[1]s WHERE %[2]s IN (SELECT %[2]s FROM %[1]s WHERE %[3]s LIMIT %[4]d)`, f.table, f.key, f.old, StepRows)
		err := s.write(ctx, func(w *writing) error {
			n, err := w.changed(query, millis(before))
			rows = int(n)
			return err
		})
		if err != nil {
			return 0, fmt.Errorf("forget old rows of %s: %w", table, err)
		}
		return rows, nil
	}
	return 0, fmt.Errorf("forget old rows: %q is none of the tables that forget", table)
}

// Oldest is when the oldest alert that is kept was handled; the zero time where none is.
func (s *Store) Oldest(ctx context.Context) (time.Time, error) {
	var ms int64
	if err := s.reader.QueryRowContext(ctx, `SELECT COALESCE(MIN(kept), 0) FROM alerts`).Scan(&ms); err != nil {
		return time.Time{}, fmt.Errorf("read the age of the store: %w", err)
	}
	return timeOf(ms), nil
}

// Size is how many bytes of the database are in use. Rows that are forgotten leave room that is used again; the file
// itself does not shrink.
func (s *Store) Size(ctx context.Context) (int64, error) {
	var size int64
	err := s.reader.QueryRowContext(ctx, `SELECT (c.page_count - f.freelist_count) * s.page_size
  FROM pragma_page_count() AS c, pragma_freelist_count() AS f, pragma_page_size() AS s`).Scan(&size)
	if err != nil {
		return 0, fmt.Errorf("read the size of the store: %w", err)
	}
	return size, nil
}
