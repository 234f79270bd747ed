package torture

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"syscall"
	"time"

	"custom-vault/lab/site"
)

// world does to the manager and the machine what happens to them, one thing after the other.
type world struct {
	site   *site.Site
	daemon *daemon
	killer *killer
	hooks  *hooks
	load   *load
	thefts *thefts
	ledger *ledger
	rand   *rand.Rand
	time   time.Duration
	zone   *atomic.Pointer[time.Location]
	store  string

	mayMount bool
	tell     func(format string, args ...any)

	counts    map[string]int
	destroyed int // lines whose event had not come when they were truncated
}

// ill is one kind of thing that happens.
type ill struct {
	name  string
	times int // in a whole run
	do    func(ctx context.Context) error
}

func (w *world) ills() []ill {
	return []ill{
		{integratordsKilled, wholeIntegratord, w.killIntegratord},
		{"integratord hung", 3, w.hangIntegratord},
		{"numbered rotation", 12, w.rotate},
		{"day changed, compressed", 2, w.turnDay},
		{"truncated, all read", 3, w.truncateRead},
		{"truncated behind the reader", 3, w.truncateUnread},
		{"torn line in the journal", 8, w.tear},
		{"analysisd down", 3, w.downAnalysisd},
		{"socket missing", 2, w.missingSocket},
		{"daemon down for long", 2, w.downDaemon},
		{"disk full", 4, w.fillDisk},
	}
}

// run does all of it in a drawn order, share of the times (at least once), spread over the time.
func (w *world) run(ctx context.Context, share float64) error {
	var todo []ill
	for _, i := range w.ills() {
		for range max(int(float64(i.times)*share+0.5), 1) {
			todo = append(todo, i)
		}
	}
	w.rand.Shuffle(len(todo), func(i, j int) { todo[i], todo[j] = todo[j], todo[i] })
	begin, planned := time.Now(), len(todo)
	for n := 0; n < len(todo); n++ {
		i := todo[n]
		due := begin.Add(time.Duration(float64(w.time) * float64(n) / float64(planned)))
		if !pause(ctx, time.Until(due)) {
			return nil
		}
		if err := i.do(ctx); err != nil {
			if errors.Is(err, errSkipped) { // what it needs may be there later
				if len(todo) < 2*planned {
					todo = append(todo, i)
				}
				continue
			}
			return fmt.Errorf("%s: %w", i.name, err)
		}
		w.counts[i.name]++
	}
	return nil
}

var errSkipped = errors.New("not possible here")

// some is a time between a tenth of most and most.
func (w *world) some(most time.Duration) time.Duration {
	return most/10 + time.Duration(w.rand.Int64N(int64(most)*9/10))
}

// killIntegratord also leaves the hook that runs an orphan. What is written until integratord is back never reaches it:
// there is one way only, so the daemon is killed more often then.
func (w *world) killIntegratord(ctx context.Context) error {
	w.site.Manager.KillIntegratord()
	alone := slices.DeleteFunc(stages(), func(s stage) bool {
		return s.name != "alert written" && s.name != "in the commit" && s.name != "after the commit"
	})
	for range strikesAlone {
		w.killer.strike(ctx, w.killer.pick(alone))
	}
	return w.site.Manager.StartIntegratord(context.WithoutCancel(ctx))
}

const strikesAlone = 4

func (w *world) hangIntegratord(ctx context.Context) error {
	d := w.some(6 * time.Second)
	w.hooks.hangNext(d)
	pause(ctx, d)
	return nil
}

func (w *world) now() time.Time { return time.Now().In(w.zone.Load()) }

func (w *world) rotate(context.Context) error { return w.site.Manager.Alerts().Rotate(w.now()) }

// turnDay moves the manager's time zone, so that the local day changes and no clock lies; every other time the daemon
// is down when monitord compresses the day before.
func (w *world) turnDay(ctx context.Context) error {
	yesterday := w.now()
	if yesterday.Format(time.DateOnly) == time.Now().In(lastZone()).Format(time.DateOnly) {
		return errSkipped
	}
	if w.counts["day changed, compressed"]%2 == 0 {
		release := w.daemon.hold()
		defer release()
		w.daemon.kill()
		pause(ctx, w.some(time.Second))
	}
	_, offset := yesterday.Zone()
	next := time.FixedZone("", offset)
	for time.Now().In(next).Format(time.DateOnly) == yesterday.Format(time.DateOnly) {
		offset += 3600
		next = time.FixedZone("", offset)
	}
	w.zone.Store(next)
	pause(ctx, w.some(2*time.Second)) // the new day's file is begun with the next alert
	if w.site.Manager.Alerts().DatedPath() == "" {
		return errSkipped
	}
	if err := w.site.Manager.Alerts().Flush(); err != nil {
		return err
	}
	if _, err := w.site.Manager.Alerts().Offset(w.now()); err != nil { // turns the day also when no alert came
		return err
	}
	return w.site.Manager.Alerts().CompressDay(yesterday)
}

// The zones between which days can change: RFC 3339 knows offsets of less than a day.
func firstZone() *time.Location { return time.FixedZone("", -23*3600) }
func lastZone() *time.Location  { return time.FixedZone("", 23*3600) }

// truncateRead empties alerts.json when all of it should have been read: what is lost then is the product's fault.
func (w *world) truncateRead(ctx context.Context) error {
	again := w.load.still()
	defer again()
	w.thefts.stopped.Lock()
	defer w.thefts.stopped.Unlock()
	for deadline := time.Now().Add(4 * time.Second); w.ledger.missing() > 0 && time.Now().Before(deadline); {
		if !pause(ctx, 20*time.Millisecond) {
			return nil
		}
	}
	return w.truncate()
}

func (w *world) truncateUnread(context.Context) error { return w.truncate() }

// truncate empties alerts.json while analysisd stands still, and notes what it destroys.
func (w *world) truncate() error {
	q := w.site.Manager.Queue()
	q.Pause()
	defer q.Resume()
	for { // what it took already is written first
		if c := q.Counters(); c.Processed == c.Decoded && c.Decoded+c.Dropped == c.Received {
			break
		}
		time.Sleep(time.Millisecond)
	}
	if err := w.site.Manager.Alerts().Flush(); err != nil {
		return err
	}
	path := w.site.Manager.AlertsFile()
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := os.Truncate(path, 0); err != nil {
		return err
	}
	w.destroyed += w.ledger.destroy(bytes.Split(bytes.TrimSuffix(text, []byte("\n")), []byte("\n")))
	return nil
}

// tear leaves in the journal what a power cut leaves of a line: its beginning, without a newline.
func (w *world) tear(context.Context) error {
	names, err := filepath.Glob(filepath.Join(w.site.Journal(), "*.jsonl"))
	if err != nil || len(names) == 0 {
		return errors.Join(err, errSkipped)
	}
	file, err := os.OpenFile(names[len(names)-1], os.O_RDWR|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX); err != nil {
		return err
	}
	text, err := os.ReadFile(file.Name())
	if err != nil {
		return err
	}
	line, _, _ := bytes.Cut(text, []byte("\n"))
	if len(line) < 2 || !bytes.HasSuffix(text, []byte("\n")) {
		return errSkipped
	}
	_, err = file.Write(line[:1+w.rand.IntN(len(line)-1)])
	return err
}

func (w *world) downAnalysisd(ctx context.Context) error {
	w.site.Manager.StopAnalysisd()
	pause(ctx, w.some(4*time.Second))
	return w.site.Manager.StartAnalysisd()
}

func (w *world) missingSocket(ctx context.Context) error {
	w.site.Manager.StopAnalysisd()
	if err := os.Remove(w.site.Manager.QueueSocket()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	pause(ctx, w.some(4*time.Second))
	return w.site.Manager.StartAnalysisd()
}

// downDaemon leaves it down while alerts come and files are rotated.
func (w *world) downDaemon(ctx context.Context) error {
	release := w.daemon.hold()
	defer release()
	w.daemon.kill()
	pause(ctx, w.some(3*time.Second))
	if err := w.rotate(ctx); err != nil {
		return err
	}
	pause(ctx, w.some(3*time.Second))
	return nil
}

// fillDisk fills the file system of the store and that of the journal in turn.
func (w *world) fillDisk(ctx context.Context) error {
	if !w.mayMount {
		return errSkipped
	}
	if w.counts["disk full"]%2 == 1 {
		return w.fill(ctx, w.site.Journal())
	}
	// The store is on a disk of its own for this time only: on a real one, a kill finds commits that wait for the disk.
	if err := w.moveStore(func() error { return mountOver(w.store, storeSize) }); err != nil {
		return err
	}
	err := w.fill(ctx, w.store)
	return errors.Join(err, w.moveStore(func() error { return unmountFrom(w.store) }))
}

// moveStore keeps the daemon down while the store goes to another file system.
func (w *world) moveStore(move func() error) error {
	release := w.daemon.hold()
	defer release()
	w.daemon.kill()
	return move()
}

// fill takes all the room that there is, for a while.
func (w *world) fill(ctx context.Context, folder string) error {
	ballast := filepath.Join(folder, "ballast")
	file, err := os.OpenFile(ballast, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	block := make([]byte, 1<<20)
	for size := len(block); size > 0; {
		if _, err := file.Write(block[:size]); err != nil {
			size /= 2
		}
	}
	pause(ctx, w.some(4*time.Second))
	return errors.Join(file.Close(), os.Remove(ballast))
}
