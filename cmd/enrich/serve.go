package main

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"custom-vault/internal/config"
	"custom-vault/internal/follow"
	"custom-vault/internal/ownids"
	"custom-vault/internal/pipeline"
)

func newServe(opts *options) *cobra.Command {
	var since time.Duration
	command := &cobra.Command{
		Use:   "serve",
		Short: "Run the daemon: follow alerts, enrich, publish, decide, respond",
		Long: `Run the daemon in the foreground. It follows alerts.json and the hook's journal, asks Vault who is behind each alert,
publishes enriched events, decides and, where it is armed, responds. SIGTERM ends it: what is not done by then waits
safely in the store and in the files.
` + exitHelp,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := loadConfig(opts)
			if err != nil {
				return err
			}
			return runServe(cmd.Context(), cfg, since, cmd.ErrOrStderr())
		},
	}
	command.Flags().DurationVar(&since, "since", 0, "at the very first start, begin with alerts this old (such as 24h) instead of with new ones")
	return command
}

func runServe(ctx context.Context, cfg config.Config, since time.Duration, stderr io.Writer) error {
	if err := errors.Join(checkFiles(cfg), checkHome(cfg)); err != nil {
		return &exitError{code: exitUsage, err: err}
	}
	log, closeLog := newLog(cfg, stderr)
	app, err := newApp(ctx, cfg, log, false)
	if err != nil {
		return errors.Join(err, closeLog())
	}
	log.WithFields(logrus.Fields{
		"version": version, "clusters": len(cfg.Clusters), "rules": cfg.Decide.Rules, "seal": sealMode(cfg), "publish": cfg.Publish.What,
	}).Info("serve: started")
	err = app.serve(ctx, since)
	if err != nil {
		log.WithError(err).Error("serve: ended")
	} else {
		log.Info("serve: ended")
	}
	return failed(errors.Join(err, app.close(), closeLog()))
}

// serve runs the line and the workers until ctx ends. Each goroutine is waited for.
func (a *app) serve(ctx context.Context, since time.Duration) error {
	alerts, journal, err := a.open(ctx, since)
	if err != nil {
		return err
	}
	a.firstLogin(ctx)
	a.log.WithFields(logrus.Fields{"alerts": a.cfg.Wazuh.AlertsFile(), "journal": a.cfg.Wazuh.JournalDir()}).Info("serve: following")
	running, ctx := errgroup.WithContext(ctx)
	running.Go(func() error {
		return a.line.Run(ctx, &pipeline.Followed{Follower: alerts}, &pipeline.Followed{
			Follower: journal, Committed: a.bookmarkOf(follow.Journal), Pruned: a.pruned,
		})
	})
	running.Go(func() error { return a.publisher.Run(ctx) })
	running.Go(func() error { return a.responder.Run(ctx) })
	running.Go(func() error { return a.takeOwnRequests(ctx) })
	for _, resolver := range a.resolvers.clusters {
		running.Go(func() error { resolver.Run(ctx); return nil })
		running.Go(func() error { return a.tellBetter(ctx, resolver.Better()) })
	}
	err = running.Wait()
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = nil
	}
	return errors.Join(err, alerts.Close(), journal.Close())
}

// firstLoginTime bounds the wait for Vault at start: without it, identities come from the record until it is there.
const firstLoginTime = 5 * time.Second

func (a *app) firstLogin(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, firstLoginTime)
	defer cancel()
	if err := a.resolvers.login(ctx); err != nil {
		a.log.WithError(err).Error("lookup: identities come from the audit record alone until Vault takes our token")
	}
	a.resolvers.self() // kept before the first request is made in its name
}

// takeEvery is well below the screen's patience: a command's requests must be known before they are judged.
const takeEvery = 5 * time.Second

// takeOwnRequests learns the ids of requests that commands send with our token.
func (a *app) takeOwnRequests(ctx context.Context) error {
	ticker := time.NewTicker(takeEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		if err := ownids.Take(a.cfg.Store.Dir, func(id string) { a.screen.Own(id, time.Now()) }); err != nil {
			a.log.WithError(err).Warn("serve: requests of commands may be taken for an intruder's")
		}
	}
}

// tellBetter hands one cluster's signals on to the line.
func (a *app) tellBetter(ctx context.Context, signals <-chan struct{}) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-signals:
		}
		select {
		case a.better <- struct{}{}:
		default: // the line has not taken the last one yet
		}
	}
}
