package main

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"

	"custom-vault/internal/config"
	"custom-vault/internal/observe"
	"custom-vault/internal/pipeline"
	"custom-vault/internal/screen"
	"custom-vault/internal/store"
)

// lasting is what outlives a configuration: a daemon that reads it anew forgets nothing of what it has seen.
type lasting struct {
	store   *store.Store // nil in a trial
	screen  *screen.Screen
	own     *ownTokens
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
	var known []string
	if !trial {
		if l.store, err = store.Open(ctx, cfg.Store.Dir); err != nil {
			return nil, failed(err)
		}
		if known, err = l.store.OwnRequests(ctx, time.Now().Add(-24*time.Hour)); err != nil {
			_ = l.store.Close() // the error that matters is the other one
			return nil, failed(err)
		}
	}
	l.screen = screen.New(func() screen.Self {
		if asking := l.asking.Load(); asking != nil {
			return asking.self()
		}
		return screen.Self{}
	}, known)
	if l.store != nil {
		l.screen.Crashed(l.store.Crashed())
	}
	return l, nil
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
	return l.store.Close()
}
