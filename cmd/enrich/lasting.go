package main

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"

	"custom-vault/internal/alert"
	"custom-vault/internal/config"
	"custom-vault/internal/observe"
	"custom-vault/internal/ownids"
	"custom-vault/internal/pipeline"
	"custom-vault/internal/screen"
	"custom-vault/internal/store"
	"custom-vault/internal/vaultlookup"
)

// lasting is what outlives a configuration: a daemon that reads it anew forgets nothing of what it has seen.
type lasting struct {
	store   *store.Store // nil in a trial
	screen  *screen.Screen
	own     *ownTokens
	diary   *ownids.Diary // nil without a store
	windows *observe.Windows
	asking  atomic.Pointer[resolvers] // they know how our own token shows now
	watch   *watch                    // nil for a command in the foreground
}

// newLasting opens the store, unless it is for a trial.
func newLasting(ctx context.Context, cfg config.Config, log logrus.FieldLogger, trial bool) (_ *lasting, err error) {
	l := &lasting{windows: observe.New(observe.MaxSubjects)}
	if l.own, err = loadOwnTokens(cfg.Store.Dir, trial, log); err != nil {
		return nil, failed(err)
	}
	self := func() screen.Self {
		if asking := l.asking.Load(); asking != nil {
			return asking.self()
		}
		return screen.Self{}
	}
	if trial {
		l.screen = screen.New(self, nil)
		return l, nil
	}
	if l.store, err = store.Open(ctx, cfg.Store.Dir); err != nil {
		return nil, failed(err)
	}
	if err := l.remember(ctx, self, cfg.Store.Dir, log); err != nil {
		_ = l.store.Close() // the error that matters is the other one
		return nil, failed(err)
	}
	return l, nil
}

// remember takes up what the process before has left about requests with our token, and begins a diary of its own.
func (l *lasting) remember(ctx context.Context, self func() screen.Self, dir string, log logrus.FieldLogger) error {
	now := time.Now()
	left, err := ownids.ReadDiary(dir)
	if err != nil {
		return err
	}
	if len(left.IDs) > 0 {
		if err := l.store.Commit(ctx, store.Commit{At: now, Own: left.IDs}); err != nil {
			return err
		}
	}
	known, err := l.store.OwnRequests(ctx, now.Add(-24*time.Hour))
	if err != nil {
		return err
	}
	l.screen = screen.New(self, known)
	for _, call := range slices.Backward(left.Lost) { // the newest last: it is kept the longest
		l.screen.LostBefore(call.Path, call.At)
	}
	if !left.Whole {
		l.screen.Crashed(l.store.Crashed())
	}
	l.diary = ownids.BeginDiary(dir, left.Lost, now, func(err error) {
		log.WithError(err).Error("lookup: after a restart our own requests may be taken for an intruder's")
	})
	return l.takeSuspects(ctx, now, log)
}

// takeSuspects lets those that waited wait on.
func (l *lasting) takeSuspects(ctx context.Context, now time.Time, log logrus.FieldLogger) error {
	kept, err := l.store.Suspects(ctx)
	if err != nil {
		return err
	}
	waiting := make([]screen.Waiter, 0, len(kept))
	for _, k := range kept {
		a := new(alert.Alert)
		if err := json.Unmarshal([]byte(k.Alert), a); err != nil || a.Record == nil {
			log.WithError(err).WithField("alert", k.Key.String()).Error("screen: a suspect in the store cannot be read; it is left out")
			continue
		}
		waiting = append(waiting, screen.Waiter{Alert: a, Until: k.Until})
	}
	l.screen.Restore(waiting, now)
	return nil
}

// trace is told of every request to Vault.
func (l *lasting) trace() vaultlookup.Trace {
	if l.diary == nil {
		return l.screen
	}
	return struct {
		*screen.Screen
		*ownids.Diary
	}{l.screen, l.diary}
}

// keep is where the line keeps what it finds.
func (l *lasting) keep() pipeline.Store {
	if l.store == nil {
		return pipeline.Forgetful{}
	}
	return l.store
}

func (l *lasting) close() error {
	if l.store == nil {
		return nil
	}
	return errors.Join(l.diary.Close(), l.store.Close())
}
