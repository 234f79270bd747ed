package main

import (
	"context"
	"time"

	"custom-vault/internal/config"
	"custom-vault/internal/store"
)

// Paces of forgetting. Between two steps the line has the store to itself for a while.
const (
	forgetFirst = time.Minute
	forgetEvery = 10 * time.Minute
	stepPause   = 20 * time.Millisecond
)

// forget lets the store forget by age and by size, in small steps, until ctx ends.
func (a *app) forget(ctx context.Context) error {
	for wait := forgetFirst; pause(ctx, wait); wait = forgetEvery {
		if err := a.forgetOnce(ctx, time.Now()); err != nil && ctx.Err() == nil {
			a.log.WithError(err).Error("serve: the store does not forget; trying again")
		}
	}
	return nil
}

// forgetOnce forgets what is older than store.keep, then the oldest of the rest until the store is within its size,
// but nothing that may still arrive a second time.
func (a *app) forgetOnce(ctx context.Context, now time.Time) error {
	for _, table := range store.Tables() {
		if err := a.forgetTable(ctx, table, now.Add(-a.cfg.Store.Keep), func() (bool, error) { return true, nil }); err != nil {
			return err
		}
	}
	tooBig := func() (bool, error) {
		size, err := a.store.Size(ctx)
		return size > int64(a.cfg.Store.MaxSize)<<20, err
	}
	for _, table := range store.Tables() {
		if err := a.forgetTable(ctx, table, now.Add(-config.ShortestKeep), tooBig); err != nil {
			return err
		}
	}
	return nil
}

// forgetTable takes steps in one table while more is true and there is something old enough.
func (a *app) forgetTable(ctx context.Context, table string, before time.Time, more func() (bool, error)) error {
	for {
		if on, err := more(); err != nil || !on {
			return err
		}
		rows, err := a.store.Forget(ctx, table, before)
		if err != nil {
			return err
		}
		a.watch.Forgotten(table, rows)
		if rows < store.StepRows || !pause(ctx, stepPause) {
			return nil
		}
	}
}

// pause waits; it is false where ctx ended.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
