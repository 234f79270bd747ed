// Package torture kills the product's processes, breaks what they stand on, and counts at the receivers whether
// anything was lost, done twice or left undone: at the lab's queue socket and alerts.json, its server API, in
// vault-seal's reports and Vault's audit log, never in the product's own counters.
//
// It may import the lab, and never the product: the product runs as its built binaries.
package torture

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"custom-vault/lab/manager"
	"custom-vault/lab/site"
	"custom-vault/lab/story"
	"custom-vault/lab/torture/broken"
)

// Options of a run.
type Options struct {
	Seed  uint64
	Time  time.Duration // of the load and of all that happens meanwhile
	Kills int           // of enrich serve
	Hooks int           // kills of the hook
	// Share of the other ills of a whole run; each happens at least once.
	Share float64
	// Rate is how many events agents send in a second.
	Rate float64
	// SeenWithin is publish.seen_within of the daemon's configuration.
	SeenWithin time.Duration
	// Break names a way of package broken in which the product is built first; empty for the product itself.
	Break      string
	Repository string
	Dir        string // kept after a run that failed
	Full       bool   // each stage of kills must have been hit often enough
	// Settle is how long the product is watched when all has come: a request under its token that it does not know
	// makes it cry intruder after half a minute.
	Settle time.Duration
	Out    io.Writer
}

// theftEvery keeps the seals of a whole run below sealsPerDay, the most that the configuration takes.
const (
	theftEvery  = 700 * time.Millisecond
	sealsPerDay = 1000
)

// run is a run under way.
type run struct {
	o              Options
	bus            *bus
	ledger         *ledger
	zone           atomic.Pointer[time.Location]
	site           *site.Site
	hooks          *hooks
	daemon         *daemon
	killer         *killer
	world          *world
	load           *load
	thefts         *thefts
	store, journal string
	mayMount       bool
	report         Report
	began          time.Time
}

// Run tortures once. The error is about what could not be done; what the product did wrong is in the report.
func Run(ctx context.Context, o Options) (report Report, err error) {
	r := &run{o: o, bus: newBus(), began: time.Now()}
	r.zone.Store(firstZone())
	r.ledger = newLedger(r.bus)
	r.hooks = &hooks{bus: r.bus, total: o.Hooks, rand: r.random(1), counts: make(map[string]int)}
	if err := os.RemoveAll(o.Dir); err != nil {
		return Report{}, fmt.Errorf("clear the folder of the last run: %w", err)
	}
	defer func() { err = errors.Join(err, r.unmount()) }()
	if err := r.set(ctx); err != nil {
		return Report{}, fmt.Errorf("set-up: %w", err)
	}
	r.tell("everything stands; seed %d", o.Seed)
	err = r.play(ctx)
	r.fill()
	if err == nil {
		err = r.report.count(r.ledger, r.site)
	}
	return r.report, errors.Join(err, r.site.Stop())
}

// reports is the file that vault-seal reports in.
func (r *run) reports() string {
	return filepath.Join(r.site.AgentHome(), "logs", "active-responses.log")
}

// random is a source of its own for each goroutine, so that the seed decides as much as it can.
func (r *run) random(n uint64) *rand.Rand { return rand.New(rand.NewPCG(r.o.Seed, n)) }

func (r *run) tell(format string, args ...any) {
	fmt.Fprintf(r.o.Out, "%7.1fs  %s\n", time.Since(r.began).Seconds(), fmt.Sprintf(format, args...))
}

func (r *run) set(ctx context.Context) (err error) {
	bin := filepath.Join(r.o.Repository, "build", "bin")
	if r.o.Break != "" {
		r.tell("building the product broken: %s", r.o.Break)
		// "_": the folder lies in the product's module, and is none of its packages.
		if bin, err = broken.Build(ctx, r.o.Repository, r.o.Break, filepath.Join(r.o.Dir, "_broken")); err != nil {
			return err
		}
	}
	r.site, err = site.Start(ctx, site.Config{
		Dir: r.o.Dir, Repository: r.o.Repository, Bin: bin, VaultServer: filepath.Join(r.o.Repository, "build", "bin", "vaultserver"),
		AgentPoll: 100 * time.Millisecond, Installed: r.mount,
		Manager: manager.Config{
			Now:        func() time.Time { return time.Now().In(r.zone.Load()) },
			FlushEvery: 100 * time.Millisecond, IntegratorPoll: 100 * time.Millisecond,
			OnEvent: r.event, OnAlert: r.ledger.wrote, OnOrder: r.ledger.ordered, OnProgram: r.hooks.started, OnProgramEnd: r.hooks.ended,
		},
	})
	if err != nil {
		return err
	}
	r.ledger.setOwn(r.site.Story.Lookup.Accessor)
	config, err := r.site.Configure(site.Settings{
		Rules: "article", Seal: "armed", SealsPerDay: sealsPerDay, Publish: "all", SeenWithin: r.o.SeenWithin, Store: r.store,
	})
	if err != nil {
		return err
	}
	log, err := os.Create(r.site.Path("enrich.log"))
	if err != nil {
		return err
	}
	r.daemon = &daemon{program: r.site.Enrich(), config: config, log: log, bus: r.bus}
	r.killer = &killer{daemon: r.daemon, bus: r.bus, rand: r.random(2), total: r.o.Kills, time: r.o.Time, counts: make(map[string]int)}
	if o := r.o; o.Full {
		r.killer.each = leastOfStage
	}
	r.load = &load{manager: r.site.Manager, rand: r.random(3), rate: r.o.Rate}
	r.thefts = &thefts{vault: r.site.Vault, bus: r.bus, ledger: r.ledger, every: theftEvery, reports: r.reports()}
	r.world = &world{
		site: r.site, daemon: r.daemon, killer: r.killer, hooks: r.hooks, load: r.load, thefts: r.thefts, ledger: r.ledger, rand: r.random(4),
		time: r.o.Time, zone: &r.zone, store: r.store, mayMount: r.mayMount, tell: r.tell, counts: make(map[string]int),
	}
	return r.thefts.prepare(ctx, story.UserPolicy)
}

// event is told each datagram that analysisd takes.
func (r *run) event(frame []byte) {
	if bytes.Contains(frame, []byte(`{"integration":"custom-vault"`)) {
		r.bus.tell(topicDatagram)
	}
}

// mount gives the journal a file system of its own, where that is allowed.
func (r *run) mount(s *site.Site) error {
	r.store, r.journal = s.Path("state"), s.Journal()
	if err := os.MkdirAll(r.store, 0o700); err != nil {
		return err
	}
	err := mountOver(r.journal, journalSize)
	if errors.Is(err, syscall.EPERM) {
		r.report.Skipped = append(r.report.Skipped, fmt.Sprintf("a full disk: %v", err))
		return nil
	}
	r.mayMount = err == nil
	return err
}

func (r *run) unmount() error {
	var errs []error
	for _, folder := range []string{r.store, r.journal} {
		if folder != "" && mounted(folder) {
			errs = append(errs, unmountFrom(folder))
		}
	}
	return errors.Join(errs...)
}

// play lets everything happen, and then lets the product finish.
func (r *run) play(ctx context.Context) (err error) {
	watch, err := watchFolders(map[string]func(string, uint32){
		r.store: func(name string, mask uint32) {
			if name == "state.db-wal" && mask&syscall.IN_MODIFY != 0 {
				r.bus.tell(topicWAL)
			}
		},
		r.site.Journal(): func(_ string, mask uint32) {
			if mask&syscall.IN_MODIFY != 0 {
				r.bus.tell(topicJournal)
			} else if mask&syscall.IN_OPEN != 0 {
				r.bus.tell(topicOpened)
			}
		},
		filepath.Dir(r.site.Story.AuditFile): func(name string, mask uint32) {
			if name == filepath.Base(r.site.Story.AuditFile) && mask&syscall.IN_MODIFY != 0 {
				r.bus.tell(topicAsked)
			}
		},
		filepath.Join(r.site.AgentHome(), "logs"): func(name string, mask uint32) {
			if name == "active-responses.log" && mask&syscall.IN_MODIFY != 0 {
				r.bus.tell(topicReport)
			}
		},
	})
	if err != nil {
		return err
	}
	defer watch.close()
	serving, endServe := context.WithCancel(context.WithoutCancel(ctx))
	served := make(chan error, 1)
	following, forget := r.bus.once(topicFollowing, 0)
	defer forget()
	go func() { served <- r.daemon.run(serving) }()
	defer func() {
		endServe()
		err = errors.Join(err, <-served)
	}()
	select {
	case <-following: // at its first start it begins at the end of alerts.json
	case err := <-served:
		served <- nil
		return fmt.Errorf("enrich serve did not start: %w: see %s", err, r.site.Path("enrich.log"))
	case <-time.After(2 * time.Minute):
		return fmt.Errorf("enrich serve does not follow: see %s", r.site.Path("enrich.log"))
	}
	hurting, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	go func() {
		err := <-served
		giveUp(err)
		served <- err
	}()
	if err := r.hurt(hurting); err != nil {
		return err
	}
	r.drain(hurting)
	return context.Cause(hurting)
}

// hurt returns when the load, the kills and the ills are over.
func (r *run) hurt(ctx context.Context) error {
	r.ledger.begin()
	r.hooks.mu.Lock()
	r.hooks.until = time.Now().Add(r.o.Time)
	r.hooks.mu.Unlock()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	loading, stopLoad := context.WithCancel(ctx)
	defer stopLoad()
	var background, foreground sync.WaitGroup
	var theftErr, illErr error
	background.Go(func() { r.load.run(loading) })
	background.Go(func() { theftErr = r.thefts.run(loading, story.Mount, story.Secret) })
	background.Go(func() { r.progress(loading) })
	foreground.Go(func() {
		limit, cancel := context.WithTimeout(ctx, 2*r.o.Time+5*time.Minute) // used up by no run but one that hangs
		defer cancel()
		r.killer.run(limit)
	})
	foreground.Go(func() { illErr = r.world.run(ctx, r.o.Share) })
	foreground.Wait()
	if r.o.Settle > 0 { // the last kills: what they leave in doubt is not cleared by another one
		for range lastStrikes {
			r.killer.strikeAt(ctx, "vault asked")
		}
	}
	for i := 0; i < 200 && r.hookKills() < r.o.Hooks; i++ { // those that were aimed at late ones
		pause(ctx, 50*time.Millisecond)
	}
	stopLoad()
	background.Wait()
	return errors.Join(theftErr, illErr)
}

func (r *run) hookKills() int {
	r.hooks.mu.Lock()
	defer r.hooks.mu.Unlock()
	return r.hooks.done
}

// lastStrikes are the last kills.
const lastStrikes = 5

const progressEvery = 30 * time.Second

func (r *run) progress(ctx context.Context) {
	for pause(ctx, progressEvery) {
		r.ledger.mu.Lock()
		alerts, events := len(r.ledger.alerts), len(r.ledger.events)
		r.ledger.mu.Unlock()
		r.tell("alerts %d, events %d, missing %d, plans ended %d, kills of the hook %d", alerts, events, r.ledger.missing(), r.ledger.ended(), r.hookKills())
	}
}

// drain waits until everything has come, or nothing more comes for longer than a repeat takes.
func (r *run) drain(ctx context.Context) {
	r.tell("the load is over; waiting for what is under way: %d", r.ledger.missing())
	patience := 2*r.o.SeenWithin + 15*time.Second
	last, since := -1, time.Now()
	for time.Since(since) < patience {
		n := r.ledger.missing() + r.ledger.unfinished()
		if n == 0 {
			break
		}
		if n != last {
			last, since = n, time.Now()
		}
		if !pause(ctx, 50*time.Millisecond) {
			return
		}
	}
	// What was sent twice needs a moment to show.
	pause(ctx, max(r.o.Settle, min(r.o.SeenWithin, 3*time.Second)))
}

// fill puts into the report what was done.
func (r *run) fill() {
	r.report.Seed, r.report.full = r.o.Seed, r.o.Full
	r.report.Kills, r.report.Hooks, r.report.Ills = r.killer.counts, r.hooks.counts, r.world.counts
	r.report.Thefts, r.report.Sealed = r.thefts.began, r.thefts.sealed
	r.daemon.mu.Lock()
	r.report.Starts, r.report.Ended = r.daemon.starts, r.daemon.ended
	r.daemon.mu.Unlock()
}
