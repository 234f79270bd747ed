// Package follow reads the lines of the two files that bring alerts, the
// manager's alerts.json and the hook's journal, by bookmark: each whole line
// once, in the order of the files, across rotation, compression, restarts and
// crashes, and what is lost as a counted [Gap] in the same stream.
//
// It imports the standard library, fsnotify and internal/journal (for the names
// of the hourly files). It never interprets a line beyond its time stamp and whether
// it is whole, never writes, and never deletes anything but what [Follower.Prune] is
// told to.
package follow

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

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
	held    []*tail    // files that may still grow, oldest first
	newest  key        // of the newest dated file that was begun; see Bookmark for the journal
	done    []Done     // of the journal, by name; shared with bookmarks, so never changed in place
	left    []Position // of alerts.json's last files that were given up
	since   time.Time
	moved   bool // the bookmark has moved since Next returned it
	trouble string
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
	opt = opt.withDefaults()
	f := &Follower{
		layout: l, opt: opt, from: from,
		watch: &watcher{poll: opt.Poll, notice: opt.Notice, wake: make(chan struct{}, 1)},
	}
	if !opt.unwatched {
		f.watch.start()
	}
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
	b := Bookmark{Source: f.layout.source(), Done: f.done}
	if !f.since.IsZero() {
		b.Since = f.since.UnixMilli()
	}
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

// Unread is how many bytes there are behind the position, a compressed file
// counting with its compressed size. Like Next it is for the follower's goroutine.
func (f *Follower) Unread() (int64, error) {
	var sum int64
	for _, t := range f.held {
		if t.file == nil || t.zip != nil {
			continue
		}
		info, err := t.file.Stat()
		if err != nil {
			return 0, err
		}
		sum += max(0, info.Size()-t.off)
	}
	later, err := f.layout.list(f.newest)
	if err != nil || !f.begun {
		return sum, err
	}
	for _, e := range later {
		path := f.layout.path(f.layout.name(e.key))
		if e.compressed {
			path += ".gz"
		}
		info, err := os.Lstat(path)
		if err == nil && f.holding(identify(info)) == nil {
			read, _ := f.doneSize(f.layout.name(e.key))
			sum += max(0, info.Size()-read)
		}
	}
	return sum, nil
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
			full := b.full(lim)
			if len(b.Items) > 0 || f.moved && (full || !f.opt.Now().Before(tell)) {
				f.moved = false
				b.After = f.Position()
				return b, nil
			}
			b.scanned = 0
			if !full && ctx.Err() == nil {
				err = f.watch.wait(ctx)
			}
		}
		if err != nil {
			b.After = f.Position()
			return b, err
		}
	}
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
	f.held = append(f.held, t)
	f.moved = true
}

// reach says that a dated file was begun.
func (f *Follower) reach(k key) {
	if k.compare(f.newest) > 0 && f.layout.source() == Alerts {
		f.newest = k
		f.moved = true
	}
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
