// Package follow reads the lines of the two files that bring alerts, the
// manager's alerts.json and the hook's journal, by bookmark: each whole line
// once, in the order of the files, across rotation, compression, restarts and
// crashes, and what is lost as a counted [Gap] in the same stream.
//
// It imports the standard library, fsnotify and internal/journal (for the names
// of the hourly files). It never interprets a line beyond its time stamp, never
// writes, and never deletes anything but what [Follower.Prune] is told to.
package follow

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"time"
)

// Source says which of the two ways a line came.
type Source string

// The two ways.
const (
	Alerts  Source = "alerts"
	Journal Source = "journal"
)

// Start says where to begin when there is no bookmark.
type Start int

const (
	// AtEnd begins after the last whole line that is there.
	AtEnd Start = iota
	// AtBegin begins with the oldest file that is there, compressed ones included.
	AtBegin
)

// Options are what a caller may choose. The zero value is a working default.
type Options struct {
	// Start and Since matter only without a bookmark. Since, when it is set,
	// begins with the files of that time and passes over lines whose time stamp is
	// earlier; lines without one are delivered.
	Start Start
	Since time.Time

	// Keep says whether a line is worth delivering; nil keeps all. It is called for
	// every line and must be fast; line is valid only during the call.
	Keep func(line []byte) bool

	// Notice is told once when the source cannot be read, why, and once with nil
	// when it can be again. It is called from within Next and Open.
	Notice func(err error)

	// MaxLine is the longest line in bytes, without its newline. Default 4 MiB.
	MaxLine int
	// Poll is how often the files are looked at without having been woken by
	// inotify. Default 1 s.
	Poll time.Duration
	// Progress is how long Next waits at most before it returns a bookmark that has
	// moved over lines that Keep turned down. Default 5 s.
	Progress time.Duration
	// Settle is how long a file that has a successor must have been quiet before it
	// is given up; what then remains of it without a newline is a Gap. Lines are not
	// delayed by it: the successor is read at once. Default 1 min.
	Settle time.Duration
	// Now is the clock; default time.Now.
	Now func() time.Time
}

func (o Options) withDefaults() Options {
	if o.MaxLine <= 0 {
		o.MaxLine = 4 << 20
	}
	if o.Poll <= 0 {
		o.Poll = time.Second
	}
	if o.Progress <= 0 {
		o.Progress = 5 * time.Second
	}
	if o.Settle <= 0 {
		o.Settle = time.Minute
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Notice == nil {
		o.Notice = func(error) {}
	}
	return o
}

// Limits bound one batch. A batch may exceed Bytes by one line, and Lines by the
// gaps that were found on the way.
type Limits struct {
	Lines int // default 256
	Bytes int // of delivered text; default 8 MiB
}

// scanLimit is how much is read for one batch: with few lines kept, the bookmark
// comes back at least this often.
const scanLimit = 64 << 20

// Batch is what Next returns.
type Batch struct {
	Items []Item
	// After is where to go on after the whole batch. It may be further than the last
	// item's: lines that Keep turned down need no work.
	After Bookmark
	// Passed counts lines that Keep or Since turned down.
	Passed int64

	text    int
	scanned int64
}

// Item is a line, or a gap.
type Item struct {
	Source Source
	// Text is the line without its newline; the caller owns it. It is nil for a gap.
	Text []byte
	// Gap is nil for a line.
	Gap *Gap
	// After is where to go on once this item has been dealt with.
	After Bookmark
}

func (b *Batch) full(lim Limits) bool {
	return len(b.Items) >= lim.Lines || b.text >= lim.Bytes || b.scanned >= scanLimit
}

// maxHeld bounds the files that are watched for more at once. It is exceeded only
// by files that may not be given up: the newest and the one named alerts.json.
const maxHeld = 4

// Follower reads one source. It is for one goroutine; only Close may be called
// from another one, after Next has returned.
type Follower struct {
	layout layout
	opt    Options
	from   Bookmark
	watch  *watcher

	begun   bool
	held    []*tail // files that may still grow, oldest first
	newest  key     // of the newest dated file that was begun
	since   time.Time
	moved   bool // the bookmark has moved since Next returned it
	trouble string
	done    map[string]int64 // the journal's files that were given up, and how long they were
}

// OpenAlerts follows the manager's alerts.json at path, with the dated files
// below its folder that it was linked to before. It goes on at from or, when that
// is the zero bookmark, at opt.Start. A file or folder that is missing is waited
// for. The error is about from only.
func OpenAlerts(path string, from Bookmark, opt Options) (*Follower, error) {
	return open(&alertsLayout{file: path, root: filepath.Dir(path)}, from, opt)
}

// OpenJournal follows the hook's hourly files in dir, as [OpenAlerts] does.
func OpenJournal(dir string, from Bookmark, opt Options) (*Follower, error) {
	return open(&journalLayout{dir: dir}, from, opt)
}

func open(l layout, from Bookmark, opt Options) (*Follower, error) {
	if !from.IsZero() && from.Source != l.source() {
		return nil, fmt.Errorf("follow %s: the bookmark is one of %q", l.source(), from.Source)
	}
	f := &Follower{layout: l, opt: opt.withDefaults(), from: from, done: make(map[string]int64)}
	f.watch = newWatcher(f.opt.Poll, f.opt.Notice)
	f.watch.folder(l.folder())
	if err := f.begin(); err != nil {
		f.say(err)
	}
	return f, nil
}

// Close lets go of all files and ends the goroutine that waits for inotify.
func (f *Follower) Close() error {
	err := f.watch.close()
	for _, t := range f.held {
		err = errors.Join(err, t.close())
	}
	f.held = nil
	return err
}

// Position is where the follower stands: after everything that Next has returned
// and the lines that it passed over since. It is the zero bookmark as long as the
// source could not be looked at for the first time.
func (f *Follower) Position() Bookmark {
	if !f.begun {
		return f.from
	}
	b := Bookmark{Source: f.layout.source()}
	if f.newest != (key{}) {
		b.Newest = f.layout.name(f.newest)
	}
	if len(f.held) > 0 {
		b.Files = make([]Position, len(f.held))
		for i, t := range f.held {
			b.Files[i] = t.position()
		}
	}
	return b
}

// Next returns what there is, up to lim, and waits until there is something or ctx
// ends. A batch without items says that the bookmark moved. Together with ctx's
// error it returns the position reached.
func (f *Follower) Next(ctx context.Context, lim Limits) (Batch, error) {
	if lim.Lines <= 0 {
		lim.Lines = 256
	}
	if lim.Bytes <= 0 {
		lim.Bytes = 8 << 20
	}
	var b Batch
	tell := f.opt.Now().Add(f.opt.Progress)
	for {
		err := ctx.Err()
		if err == nil {
			f.collect(ctx, lim, &b)
			due := b.full(lim) || !f.opt.Now().Before(tell)
			if len(b.Items) > 0 || f.moved && due {
				f.moved = false
				b.After = f.Position()
				return b, nil
			}
			if ctx.Err() == nil {
				err = f.watch.wait(ctx)
			}
		}
		if err != nil {
			b.After = f.Position()
			return b, err
		}
	}
}

// collect reads until the batch is full or there is nothing more for now.
func (f *Follower) collect(ctx context.Context, lim Limits, b *Batch) {
	if !f.begun {
		if err := f.begin(); err != nil {
			f.say(err)
			return
		}
	}
	for {
		for _, t := range append([]*tail(nil), f.held...) {
			if err := f.drain(ctx, t, lim, b); err != nil {
				f.say(fmt.Errorf("read %s: %w", f.layout.path(t.name), err))
				return
			}
			if b.full(lim) || ctx.Err() != nil {
				return
			}
		}
		f.retire(b)
		more, err := f.advance()
		if err != nil || !more {
			f.say(err)
			return
		}
	}
}

// drain delivers t's whole lines until there are no more or the batch is full.
func (f *Follower) drain(ctx context.Context, t *tail, lim Limits, b *Batch) error {
	if t.gap != nil {
		f.tellGap(t, b)
		if t.file == nil {
			return nil
		}
	}
	changed, err := t.recheck()
	if err != nil {
		return err
	}
	if changed {
		gap := Gap{Reason: Truncated, File: t.name, Offset: t.off, Bytes: Unknown}
		if err := t.seek(0); err != nil {
			return err
		}
		f.addGap(gap, b)
	}
	t.atEnd = t.ended
	for !b.full(lim) && ctx.Err() == nil {
		line, overlong, ok := t.line(f.opt.MaxLine)
		switch {
		case ok && overlong > 0:
			f.addGap(Gap{Reason: Overlong, File: t.name, Offset: t.off - overlong - 1, Bytes: overlong}, b)
		case ok && f.wanted(line):
			f.moved = true
			b.text += len(line)
			b.Items = append(b.Items, Item{Source: f.layout.source(), Text: append([]byte(nil), line...), After: f.Position()})
		case ok:
			f.moved = true
			b.Passed++
		case t.atEnd:
			return nil
		default:
			n, err := t.fill(f.opt.MaxLine)
			b.scanned += int64(n)
			if n > 0 {
				t.grew = f.opt.Now()
			}
			if err != nil && t.zip != nil {
				f.drop(t)
				f.addGap(Gap{Reason: Unreadable, File: t.name, Offset: t.off, Bytes: Unknown, Detail: err.Error()}, b)
				return nil
			}
			if err != nil {
				return err
			}
		}
	}
	return t.keepWhole()
}

func (f *Follower) wanted(line []byte) bool {
	if len(line) == 0 || f.opt.Keep != nil && !f.opt.Keep(line) {
		return false
	}
	return f.since.IsZero() || !writtenBefore(line, f.since)
}

// retire gives up files that have a successor and have been quiet long enough.
// The newest dated file and the one that is named alerts.json stay: a manager
// whose alerts.json was replaced by hand goes on writing the dated file.
func (f *Follower) retire(b *Batch) {
	if len(f.held) < 2 {
		return
	}
	var named identity
	if live, err := f.layout.live(); err == nil && live != nil {
		named = identify(live)
	}
	now := f.opt.Now()
	for _, t := range append([]*tail(nil), f.held[:len(f.held)-1]...) {
		if t.dated && t.key == f.newest || t.id == named || !t.atEnd || f.layout.future(t.key, now) {
			continue
		}
		if !f.quiet(t, now) && len(f.held) <= maxHeld {
			continue
		}
		rest := t.pending()
		f.drop(t)
		if f.layout.source() == Journal {
			f.done[t.name] = t.readTo()
		}
		if rest > 0 {
			f.addGap(Gap{Reason: Torn, File: t.name, Offset: t.off, Bytes: rest}, b)
		}
	}
}

// quiet says that nothing more is to be expected of a file that has a successor.
func (f *Follower) quiet(t *tail, now time.Time) bool {
	if t.zip != nil {
		return true
	}
	last := t.grew
	if end := f.layout.end(t.key); end.After(last) {
		last = end
	}
	return now.Sub(last) >= f.opt.Settle
}

func (f *Follower) addGap(g Gap, b *Batch) {
	f.moved = true
	b.Items = append(b.Items, Item{Source: f.layout.source(), Gap: &g, After: f.Position()})
}

// tellGap delivers a gap that was found when the bookmark was taken up. Until then
// the bookmark goes on saying what it said, so that the gap is told once.
func (f *Follower) tellGap(t *tail, b *Batch) {
	gap := *t.gap
	t.gap = nil
	if t.file == nil {
		f.drop(t)
	}
	f.addGap(gap, b)
}

func (f *Follower) drop(t *tail) {
	for i, h := range f.held {
		if h == t {
			f.held = append(f.held[:i:i], f.held[i+1:]...)
			f.moved = true
			if !slices.ContainsFunc(f.held, func(o *tail) bool { return o.path == t.path }) {
				f.watch.forget(t.path)
			}
			if err := t.close(); err != nil {
				f.say(err)
			}
			return
		}
	}
}

// hold adds t to the files that are read.
func (f *Follower) hold(t *tail) {
	if t.file != nil && t.zip == nil {
		f.watch.file(t.path)
	}
	if t.dated && t.key.compare(f.newest) > 0 && !f.layout.future(t.key, f.opt.Now()) {
		f.newest = t.key
	}
	f.held = append(f.held, t)
	f.moved = true
}

func (f *Follower) holding(id identity) *tail {
	for _, t := range f.held {
		if t.file != nil && t.id == id {
			return t
		}
	}
	return nil
}

// say tells the caller about trouble once, and once that it is over.
func (f *Follower) say(err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	if text == f.trouble {
		return
	}
	f.trouble = text
	f.opt.Notice(err)
}

// gone says that an error means "not there", now or any more.
func gone(err error) bool { return errors.Is(err, fs.ErrNotExist) }
