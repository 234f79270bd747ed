package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"custom-vault/internal/config"
	"custom-vault/internal/follow"
	"custom-vault/internal/ownids"
	"custom-vault/internal/pipeline"
	"custom-vault/internal/systemd"
)

func newServe(opts *options) *cobra.Command {
	var since time.Duration
	command := &cobra.Command{
		Use:   "serve",
		Short: "Run the daemon: follow alerts, enrich, publish, decide, respond",
		Long: `Run the daemon in the foreground. It follows alerts.json and the hook's journal, asks Vault who is behind each alert,
publishes enriched events, decides and, where it is armed, responds. SIGTERM ends it within five seconds: what is not
done by then waits safely in the store and in the files. SIGHUP reads the configuration anew, whole or not at all, and
opens the log file anew.
` + exitHelp,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			reload := make(chan os.Signal, 1)
			signal.Notify(reload, syscall.SIGHUP)
			defer signal.Stop(reload)
			o, err := optionsFromManager(daemonOptions{
				load: func() (config.Config, error) { return loadConfig(opts) },
				path: opts.config, since: since, reload: reload, stderr: cmd.ErrOrStderr(),
			})
			if err != nil {
				return &exitError{code: exitUsage, err: err}
			}
			return runServe(cmd.Context(), o)
		},
	}
	command.Flags().DurationVar(&since, "since", 0, "at the very first start, begin with alerts this old (such as 24h) instead of with new ones")
	return command
}

// daemonOptions is what the daemon is started with besides its configuration.
type daemonOptions struct {
	load    func() (config.Config, error)
	path    string // of the configuration
	since   time.Duration
	reload  <-chan os.Signal
	manager systemd.Manager
	feed    time.Duration // how often the watchdog is fed; 0: never
	stderr  io.Writer
}

// optionsFromManager are those that systemd gives.
func optionsFromManager(o daemonOptions) (daemonOptions, error) {
	o.manager = systemd.At(os.Getenv("NOTIFY_SOCKET"))
	var err error
	o.feed, err = systemd.FeedEvery(os.Getenv("WATCHDOG_USEC"), os.Getenv("WATCHDOG_PID"), os.Getpid())
	return o, err
}

// daemon runs one app after the other: each lives as long as its configuration.
type daemon struct {
	daemonOptions
	*lasting
	log      *logrus.Logger
	closeLog func() error
}

func runServe(ctx context.Context, o daemonOptions) error {
	cfg, err := o.load()
	if err != nil {
		return err
	}
	if err := errors.Join(checkFiles(cfg), checkHome(cfg)); err != nil {
		return &exitError{code: exitUsage, err: err}
	}
	d := &daemon{daemonOptions: o}
	d.log, d.closeLog = newLog(cfg, o.stderr)
	if d.lasting, err = newLasting(ctx, cfg, d.log, false); err != nil {
		return errors.Join(err, d.closeLog())
	}
	d.watch = newWatch()
	a, err := newAppOn(d.lasting, cfg, d.log)
	if err != nil {
		return errors.Join(err, d.lasting.close(), d.closeLog())
	}
	watching, endWatch := context.WithCancel(context.WithoutCancel(ctx))
	var watched sync.WaitGroup
	watched.Go(func() { d.watch.run(watching, o.manager, o.feed, d.log) })
	err = d.run(ctx, a)
	endWatch()
	if errors.Is(err, errHangs) {
		return failed(err) // whatever still runs ends with the process
	}
	watched.Wait()
	return failed(errors.Join(err, d.lasting.close(), d.closeLog()))
}

// run serves until ctx ends, with one app after the other.
func (d *daemon) run(ctx context.Context, a *app) (err error) {
	d.log.WithFields(about(a.cfg)).Info("serve: started")
	for a != nil && err == nil {
		a, err = d.serveOne(ctx, a)
	}
	if err != nil {
		d.log.WithError(err).Error("serve: ended")
	} else {
		d.log.Info("serve: ended")
	}
	return err
}

func about(cfg config.Config) logrus.Fields {
	return logrus.Fields{
		"version": version, "clusters": len(cfg.Clusters), "rules": cfg.Decide.Rules, "seal": sealMode(cfg), "publish": cfg.Publish.What,
	}
}

// endTime is how long the daemon may take to end: systemd, and people, wait for it. All that is under way is either in
// the store or in the files, so that to break it off loses nothing.
const endTime = 4500 * time.Millisecond

var errHangs = errors.New("something that was under way does not end; it is done again after the restart")

// serveOne serves with one app. It returns the next one where the configuration was read anew, and nil where ctx ended.
func (d *daemon) serveOne(ctx context.Context, a *app) (next *app, err error) {
	serving, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- errors.Join(a.serve(serving, d), a.close()) }()
	for next == nil {
		select {
		case err := <-ended:
			return nil, err
		case <-ctx.Done():
			d.tell(d.manager.Stopping())
			return nil, wait(ended)
		case <-d.reload:
			d.tell(d.manager.Reloading())
			if next, err = d.prepare(a.cfg); err != nil {
				d.log.WithError(err).Error("serve: the configuration was not read anew; the old one goes on")
				d.tell(d.manager.Ready("the configuration was refused; the old one goes on"))
			}
			d.watch.reloaded(err)
		}
	}
	stop()
	if err := wait(ended); err != nil {
		return nil, errors.Join(err, next.close())
	}
	d.log.WithFields(about(next.cfg)).Info("serve: the configuration was read anew")
	return next, nil
}

func wait(ended <-chan error) error {
	select {
	case err := <-ended:
		return err
	case <-time.After(endTime):
		return errHangs
	}
}

func (d *daemon) tell(err error) {
	if err != nil {
		d.log.WithError(err).Warn("serve: the service manager was not told")
	}
}

// prepare reads the configuration anew and makes an app of it, whole or not at all.
func (d *daemon) prepare(old config.Config) (*app, error) {
	cfg, err := d.load()
	if err != nil {
		return nil, err
	}
	if cfg.Store.Dir != old.Store.Dir {
		return nil, fmt.Errorf("store.dir changes from %s to %s: that takes a restart", old.Store.Dir, cfg.Store.Dir)
	}
	if err := errors.Join(checkFiles(cfg), checkHome(cfg)); err != nil {
		return nil, err
	}
	a, err := newAppOn(d.lasting, cfg, d.log)
	if err != nil {
		return nil, err
	}
	d.relog(cfg)
	return a, nil
}

// relog opens the log anew: as it is configured now, and after a rotation under its new name.
func (d *daemon) relog(cfg config.Config) {
	fresh, closeFresh := newLog(cfg, d.stderr)
	d.log.SetLevel(fresh.GetLevel())
	d.log.SetFormatter(fresh.Formatter)
	d.log.SetOutput(fresh.Out)
	if err := d.closeLog(); err != nil {
		d.log.WithError(err).Warn("log: the old file was not closed as it should")
	}
	d.closeLog = closeFresh
}

// serve runs the line and the workers until ctx ends. Each goroutine is waited for.
func (a *app) serve(ctx context.Context, d *daemon) error {
	alerts, journal, err := a.open(ctx, d.since)
	if err != nil {
		return err
	}
	if err := a.store.AwaitEchoes(ctx, time.Now().Add(a.cfg.Publish.SeenWithin)); err != nil {
		return errors.Join(err, alerts.Close(), journal.Close())
	}
	limitMemory(a.cfg)
	a.asking.Store(a.resolvers)
	a.watch.serving(a)
	open := a.listen(d.path) // before ready is said: who was told so may ask
	running, ctx := errgroup.WithContext(ctx)
	running.Go(func() error { return a.answer(ctx, open) })
	d.tell(d.manager.Ready("following alerts; sealing is " + sealMode(a.cfg)))
	a.firstLogin(ctx)
	a.log.WithFields(logrus.Fields{"alerts": a.cfg.Wazuh.AlertsFile(), "journal": a.cfg.Wazuh.JournalDir()}).Info("serve: following")
	running.Go(func() error {
		return a.line.Run(ctx, &pipeline.Followed{Follower: alerts}, &pipeline.Followed{
			Follower: journal, Committed: a.bookmarkOf(follow.Journal), Pruned: a.pruned,
		})
	})
	running.Go(func() error { return a.publisher.Run(ctx) })
	running.Go(func() error { return a.responder.Run(ctx) })
	running.Go(func() error { return a.takeOwnRequests(ctx) })
	running.Go(func() error { return a.forget(ctx) })
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
	if err := a.resolvers.begin(ctx); err != nil {
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
