package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"custom-vault/internal/alert"
	"custom-vault/internal/config"
	"custom-vault/internal/follow"
	"custom-vault/internal/pipeline"
)

func newServe(opts *options) *cobra.Command {
	return &cobra.Command{
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
			return runServe(cmd.Context(), cfg, cmd.ErrOrStderr())
		},
	}
}

func runServe(ctx context.Context, cfg config.Config, stderr io.Writer) error {
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
	err = app.serve(ctx)
	if err != nil {
		log.WithError(err).Error("serve: ended")
	} else {
		log.Info("serve: ended")
	}
	return failed(errors.Join(err, app.close(), closeLog()))
}

// serve runs the line and the workers until ctx ends. Each goroutine is waited for.
func (a *app) serve(ctx context.Context) error {
	alerts, journal, err := a.open(ctx)
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
	for _, resolver := range a.resolvers.clusters {
		running.Go(func() error { resolver.Run(ctx); return nil })
	}
	err = running.Wait()
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = nil
	}
	return errors.Join(err, alerts.Close(), journal.Close())
}

// open finds the place in both files where the last commit left them.
func (a *app) open(ctx context.Context) (alerts, journal *follow.Follower, err error) {
	options := func(source follow.Source) follow.Options {
		return follow.Options{
			Keep: alert.MayConcern, MaxLine: alert.MaxLine,
			Notice: func(err error) {
				entry := a.log.WithField("source", source)
				if err != nil {
					entry.WithError(err).Warn("follow: waiting for the file")
				} else {
					entry.Info("follow: reading")
				}
			},
		}
	}
	from := make(map[follow.Source]follow.Bookmark)
	for _, source := range []follow.Source{follow.Alerts, follow.Journal} {
		if from[source], err = a.bookmarkOf(source)(ctx); err != nil {
			return nil, nil, err
		}
	}
	if alerts, err = follow.OpenAlerts(a.cfg.Wazuh.AlertsFile(), from[follow.Alerts], options(follow.Alerts)); err != nil {
		return nil, nil, err
	}
	if journal, err = follow.OpenJournal(a.cfg.Wazuh.JournalDir(), from[follow.Journal], options(follow.Journal)); err != nil {
		return nil, nil, errors.Join(err, alerts.Close())
	}
	return alerts, journal, nil
}

// bookmarkOf reads how far a source was handled; the zero bookmark says that it never was.
func (a *app) bookmarkOf(source follow.Source) func(context.Context) (follow.Bookmark, error) {
	return func(ctx context.Context) (follow.Bookmark, error) {
		mark, ok, err := a.store.Bookmark(ctx, string(source))
		if err != nil || !ok {
			return follow.Bookmark{}, err
		}
		bookmark, err := follow.ParseBookmark(mark)
		if err != nil {
			return follow.Bookmark{}, fmt.Errorf("bookmark of %s in the store: %w", source, err)
		}
		return bookmark, nil
	}
}

func (a *app) pruned(removed []string, err error) {
	if err != nil {
		a.log.WithError(err).Warn("serve: old hours of the journal were not deleted")
	}
	if len(removed) > 0 {
		a.log.WithField("files", removed).Info("serve: old hours of the journal deleted")
	}
}

// firstLoginTime bounds the wait for Vault at start: without it, identities come from the record until it is there.
const firstLoginTime = 5 * time.Second

func (a *app) firstLogin(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, firstLoginTime)
	defer cancel()
	if err := a.resolvers.login(ctx); err != nil {
		a.log.WithError(err).Error("lookup: identities come from the audit record alone until Vault takes our token")
	}
}
