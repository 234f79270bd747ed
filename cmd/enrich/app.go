package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/sirupsen/logrus"

	"custom-vault/internal/config"
	"custom-vault/internal/pipeline"
	"custom-vault/internal/publish"
	"custom-vault/internal/response"
)

// app is the line of stages with everything that it works with: the daemon's under one configuration, and that of a
// command in the foreground.
type app struct {
	*lasting
	cfg       config.Config
	log       logrus.FieldLogger
	resolvers *resolvers
	better    chan struct{} // some cluster's resolver may have better answers than before
	line      *pipeline.Pipeline
	publisher *publish.Publisher
	responder *response.Responder
	closers   []func() error
}

// newApp puts the parts together for a command in the foreground. With trial the store is left alone, and there are
// no workers.
func newApp(ctx context.Context, cfg config.Config, log logrus.FieldLogger, trial bool) (*app, error) {
	l, err := newLasting(ctx, cfg, log, trial)
	if err != nil {
		return nil, err
	}
	a, err := newAppOn(l, cfg, log)
	if err != nil {
		return nil, errors.Join(err, l.close())
	}
	a.closers = append([]func() error{l.close}, a.closers...)
	return a, nil
}

// newAppOn puts the parts together on what lasts. It starts nothing.
func newAppOn(l *lasting, cfg config.Config, log logrus.FieldLogger) (*app, error) {
	a := &app{lasting: l, cfg: cfg, log: log, better: make(chan struct{}, 1)}
	if err := a.assemble(); err != nil {
		return nil, errors.Join(err, a.close())
	}
	return a, nil
}

func (a *app) assemble() error {
	rules, err := rulesOf(a.cfg)
	if err != nil {
		return &exitError{code: exitUsage, err: err}
	}
	if a.resolvers, err = newResolvers(a.cfg, a.trace(), a.own, a.log); err != nil {
		return &exitError{code: exitUsage, err: err}
	}
	a.asking.CompareAndSwap(nil, a.resolvers)
	a.closers = append(a.closers, func() error { a.resolvers.close(); return nil })
	deps := pipeline.Deps{
		Store: a.keep(), Resolver: a.resolvers, Screen: a.screen, Rules: rules, Log: a.log, Committed: a.committed,
		Better: a.better, Windows: a.windows,
	}
	if a.watch != nil {
		deps.Observer, deps.Resolver = lineWatched{a.watch}, resolverWatched{a.resolvers, a.watch.line}
	}
	a.line = pipeline.New(a.cfg, deps)
	if a.store == nil {
		return nil
	}
	return a.workers()
}

// workers makes the publisher and the responder.
func (a *app) workers() error {
	var err error
	socket := publish.NewSocket(a.cfg.Wazuh.QueueSocket(), 0)
	a.closers = append(a.closers, socket.Close)
	var observer publish.Observer = &publishLog{log: a.log}
	var outbox publish.Outbox = a.store
	if w := a.watch; w != nil {
		observer, outbox = publisherWatched{observer, w.Metrics, publisherPulse{w.publisher}}, outboxWatched{a.store, w.publisher}
	}
	a.publisher, err = publish.New(publish.Config{
		Dialect: publish.DialectOf(a.cfg.Wazuh.Version), PerSecond: a.cfg.Publish.Pace, SeenWithin: a.cfg.Publish.SeenWithin, Observer: observer,
	}, outbox, socket)
	if err != nil {
		return failed(err)
	}
	api, closeAPI, err := newAPI(a.cfg)
	if err != nil {
		return &exitError{code: exitUsage, err: err}
	}
	a.closers = append(a.closers, func() error { closeAPI(); return nil })
	nodes, err := newProber(a.cfg)
	if err != nil {
		return &exitError{code: exitUsage, err: err}
	}
	a.closers = append(a.closers, func() error { nodes.close(); return nil })
	var ledger response.Ledger = a.store
	var prober response.Prober = nodes
	if w := a.watch; w != nil {
		ledger, api, prober = ledgerWatched{a.store, w}, w.apiOf(api), proberWatched{nodes, w.responder}
	}
	a.responder = response.New(response.Config{
		Ledger: ledger, API: api, Prober: prober, Targets: targetsOf(a.cfg), Command: a.cfg.Wazuh.API.Command,
		ObserveOnly: a.cfg.Decide.ObserveOnly, SealsPerDay: a.cfg.Decide.SealsPerDay,
		StaleAfter: a.cfg.Decide.StaleAfter, Halted: pipeline.Halted(a.cfg.Decide),
		Log: a.log, Told: a.publisher.Wake,
	})
	return nil
}

func (a *app) committed(events, intents int) {
	if events > 0 {
		a.publisher.Wake()
	}
	if intents > 0 {
		a.responder.Wake()
	}
}

// once takes a line through all stages in the foreground, and waits for what it leads to.
func (a *app) once(ctx context.Context, line pipeline.Line, trial bool) (pipeline.Result, error) {
	if err := a.resolvers.login(ctx); err != nil {
		a.log.WithError(err).Warn("lookup: identities come from the record alone")
	}
	if trial {
		return a.line.Try(ctx, []pipeline.Line{line})
	}
	result, err := a.line.Handle(ctx, pipeline.Batch{Lines: []pipeline.Line{line}})
	if err != nil {
		return result, err
	}
	for worked := true; worked && err == nil; {
		worked, err = a.responder.Step(ctx)
	}
	return result, errors.Join(err, a.publisher.Flush(ctx))
}

// close ends everything, in the reverse order of its making.
func (a *app) close() error {
	var errs []error
	for i := len(a.closers) - 1; i >= 0; i-- {
		errs = append(errs, a.closers[i]())
	}
	a.closers = nil
	return errors.Join(errs...)
}

// checkHome tells early that the manager is not where the configuration says.
func checkHome(cfg config.Config) error {
	for _, dir := range []string{cfg.Wazuh.Home, cfg.Wazuh.JournalDir()} {
		info, err := os.Stat(dir)
		if err != nil {
			return fmt.Errorf("wazuh.home: %w: is a Wazuh manager installed there, with this integration's journal folder (make install)?", err)
		}
		if !info.IsDir() {
			return fmt.Errorf("wazuh.home: %s is not a folder", dir)
		}
	}
	return nil
}
