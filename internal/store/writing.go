package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// writing is one transaction under way.
type writing struct {
	s     *Store
	ctx   context.Context // never ends: see write
	tx    *sql.Tx
	bound map[string]*sql.Stmt
}

// write runs f in one transaction, which is on the disk when write returns nil, and of which nothing is there
// otherwise. A transaction that has begun is not broken off when ctx ends: it is a matter of milliseconds, and a
// commit that was interrupted would leave its caller in doubt.
func (s *Store) write(ctx context.Context, f func(*writing) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	// No done channel: the driver would start a goroutine for each statement to watch it.
	ctx = context.WithoutCancel(ctx)
	tx, err := s.writer.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	w := &writing{s: s, ctx: ctx, tx: tx, bound: make(map[string]*sql.Stmt)}
	if err := f(w); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// exec runs a statement.
func (w *writing) exec(query string, args ...any) error {
	_, err := w.run(query, args)
	return err
}

// changed is exec with the number of rows that the statement changed.
func (w *writing) changed(query string, args ...any) (int64, error) {
	result, err := w.run(query, args)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

func (w *writing) run(query string, args []any) (sql.Result, error) {
	bound, ok := w.bound[query]
	if !ok {
		prepared, often := w.s.prepared[query]
		if !often {
			return w.tx.ExecContext(w.ctx, query, args...)
		}
		bound = w.tx.StmtContext(w.ctx, prepared)
		w.bound[query] = bound
	}
	return bound.ExecContext(w.ctx, args...)
}

// nextSeq gives the next place in the outbox. It does not go by the clock, which may be set back.
func (w *writing) nextSeq() int64 {
	w.s.seq++
	return w.s.seq
}
