package follow

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"syscall"
	"time"
)

// begin finds the place to start from. It fails as long as the source's folder
// cannot be looked at: then nothing is known to be gone.
func (f *Follower) begin() error {
	live, err := f.layout.live()
	if err != nil {
		return err
	}
	all, err := f.layout.list(key{})
	if err != nil {
		return err
	}
	if f.from.IsZero() {
		err = f.start(all, live)
	} else {
		err = f.resume(all, live)
	}
	f.begun = err == nil
	return err
}

// start begins without a bookmark.
func (f *Follower) start(all []entry, live fs.FileInfo) error {
	switch {
	case !f.opt.Since.IsZero():
		f.since = f.opt.Since
		f.newest = f.layout.before(f.since)
		return nil
	case f.opt.Start == AtBegin || len(all) == 0 && live == nil:
		return nil
	}
	// What bears a time to come is no end: it is read when it is its turn.
	past := slices.DeleteFunc(slices.Clone(all), func(e entry) bool { return e.missing || f.layout.future(e.key, f.opt.Now()) })
	var t *tail
	var err error
	switch {
	case live != nil:
		t, err = f.openLive(live)
	case len(past) > 0:
		t, err = f.open(past[len(past)-1])
	default:
		return nil
	}
	if err != nil {
		return err
	}
	if t.zip == nil {
		if err := t.seekEnd(); err != nil {
			return errors.Join(err, t.close())
		}
	}
	if len(past) > 0 {
		f.reach(past[len(past)-1].key)
		if err := f.passOver(past[:len(past)-1]); err != nil {
			return errors.Join(err, t.close())
		}
	}
	if t.zip != nil {
		return t.close()
	}
	f.hold(t)
	return nil
}

// open opens a dated file, plain or, when it has just been compressed, that.
func (f *Follower) open(e entry) (t *tail, err error) {
	name := f.layout.name(e.key)
	path := f.layout.path(name)
	if !e.compressed {
		t, err = openTail(path, false, false)
	}
	if e.compressed || gone(err) {
		t, err = openTail(path+".gz", true, false)
	}
	if err != nil {
		return nil, err
	}
	t.name, t.key, t.dated = name, e.key, true
	return t, nil
}

// errMoved says that the name stands for another file by now: look again.
var errMoved = fmt.Errorf("it was replaced just now: %w", fs.ErrNotExist)

// openLive opens what alerts.json stands for, under its dated name if it has one:
// that one stays.
func (f *Follower) openLive(live fs.FileInfo) (*tail, error) {
	id := identify(live)
	if st, ok := live.Sys().(*syscall.Stat_t); !ok || st.Nlink > 1 {
		all, err := f.layout.list(key{})
		if err != nil {
			return nil, err
		}
		for _, e := range slices.Backward(all) {
			info, err := os.Lstat(f.layout.path(f.layout.name(e.key)))
			if err == nil && identify(info) == id {
				return f.open(entry{key: e.key})
			}
		}
	}
	t, err := openTail(f.layout.path(liveName), false, true)
	if err != nil {
		return nil, err
	}
	if t.id != id {
		return nil, errors.Join(errMoved, t.close())
	}
	t.name = liveName
	return t, nil
}

// advance takes up the next file, if there is one, and says whether it did.
func (f *Follower) advance() (bool, error) {
	if f.layout.source() == Journal {
		return f.advanceJournal()
	}
	live, err := f.layout.live()
	if err != nil {
		return false, err
	}
	if last := len(f.held) - 1; live != nil && last >= 0 && f.held[last].dated && f.held[last].id == identify(live) {
		return false, nil // what analysisd writes; an alerts.json put there by hand may have a dated file beside it
	}
	later, err := f.layout.list(f.newest)
	if err != nil {
		return false, err
	}
	for _, e := range later {
		if took, err := f.take(e); took || err != nil {
			return took, err
		}
	}
	switch {
	case live != nil && f.holding(identify(live)) == nil:
		t, err := f.openLive(live)
		if gone(err) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		if err := f.comeBack(t); err != nil {
			return false, errors.Join(err, t.close())
		}
		f.hold(t)
		return true, nil
	case len(f.held) == 0:
		return false, fmt.Errorf("wait for %s: %w", f.layout.path(liveName), fs.ErrNotExist)
	}
	return false, nil
}

// take takes up one dated file, unless it is read already or gone again.
func (f *Follower) take(e entry) (bool, error) {
	if e.missing {
		f.reach(e.key)
		f.hold(f.lost(Position{Name: f.layout.name(e.key)}, Gone, nil))
		return true, nil
	}
	t, err := f.open(e)
	switch {
	case gone(err):
		return false, nil
	case err != nil && e.compressed && !errors.Is(err, fs.ErrPermission):
		t = f.lost(Position{Name: f.layout.name(e.key)}, Unreadable, err)
	case err != nil:
		return false, err
	}
	if h := f.holding(t.id); h != nil && t.file != nil {
		// It was opened as alerts.json before it had this name.
		h.name, h.key, h.dated = t.name, t.key, true
		f.reach(t.key)
		return false, t.close()
	}
	f.reach(t.key)
	f.hold(t)
	return true, nil
}

// lost stands in for a file that cannot be read, until that has been told.
func (f *Follower) lost(p Position, why Reason, err error) *tail {
	t := &tail{name: p.Name, off: p.Offset, was: p}
	t.key, t.dated = f.layout.key(p.Name)
	t.gap = &Gap{Reason: why, File: p.Name, Offset: p.Offset, Bytes: Unknown}
	if err != nil {
		t.gap.Detail = err.Error()
	}
	return t
}

// resume goes on at the bookmark.
func (f *Follower) resume(all []entry, live fs.FileInfo) (err error) {
	found := make([]*tail, len(f.from.Files))
	defer func() {
		if err == nil {
			return
		}
		for _, t := range found {
			if t != nil {
				err = errors.Join(err, t.close())
			}
		}
	}()
	for i, p := range f.from.Files {
		if found[i], err = f.find(p, all, live); err != nil {
			return err
		}
	}
	for i, p := range f.from.Files {
		if found[i] == nil {
			if found[i], err = f.rewritten(p, found, all, live); err != nil {
				return err
			}
		}
	}
	if f.from.Newest != "" {
		f.newest, _ = f.layout.key(f.from.Newest)
	}
	if f.done, err = f.stillDone(f.from.Done); err != nil {
		return err
	}
	if f.from.Since != 0 {
		f.since = time.UnixMilli(f.from.Since)
	}
	for _, t := range found {
		f.hold(t)
	}
	f.moved = false // nothing is new yet
	return nil
}

// find looks for the file of p under its name, plain or compressed, then under any
// other. It returns nil when there is none that holds what was read.
func (f *Follower) find(p Position, all []entry, live fs.FileInfo) (*tail, error) {
	k, dated := f.layout.key(p.Name)
	for _, e := range all {
		if dated && e.key == k {
			if t, err := f.match(p, func() (*tail, error) { return f.open(e) }); t != nil || err != nil {
				return t, err
			}
		}
	}
	if live != nil {
		if t, err := f.match(p, func() (*tail, error) { return f.openLive(live) }); t != nil || err != nil {
			return t, err
		}
	}
	for _, e := range slices.Backward(all) {
		if t, err := f.match(p, func() (*tail, error) { return f.open(e) }); t != nil || err != nil {
			return t, err
		}
	}
	return nil, nil
}

// match opens a file and goes to p in it, or returns nil when it is another file.
// The error is one of permission: then nobody can know yet.
func (f *Follower) match(p Position, open func() (*tail, error)) (*tail, error) {
	t, err := open()
	if err != nil {
		if errors.Is(err, fs.ErrPermission) {
			return nil, err
		}
		return nil, nil
	}
	if t.at(p) {
		return t, nil
	}
	return nil, t.close()
}

// at goes to p, and says whether this is the file that p was taken in. Under
// another name it must be that very file, or have a good deal in common with it:
// alerts all begin alike.
func (t *tail) at(p Position) bool {
	if t.name != p.Name && t.id != (identity{p.Device, p.Inode}) && p.Head.Len < tailSize {
		return false
	}
	if p.Head.Len == 0 {
		return t.name == p.Name && (t.dated || t.id == identity{p.Device, p.Inode})
	}
	if t.seek(int64(p.Head.Len)) != nil || printOf(t.head) != p.Head {
		return false
	}
	if t.seek(p.Offset) != nil {
		return false
	}
	at := t.position()
	return at.Head == p.Head && at.Tail == p.Tail
}

// rewritten takes a file that was found under p's name, and holds other bytes,
// from its start. Without one, p's file is gone.
func (f *Follower) rewritten(p Position, found []*tail, all []entry, live fs.FileInfo) (*tail, error) {
	taken := func(id identity) bool {
		return slices.ContainsFunc(found, func(t *tail) bool { return t != nil && t.id == id })
	}
	var t *tail
	err := fs.ErrNotExist
	k, dated := f.layout.key(p.Name)
	if i := slices.IndexFunc(all, func(e entry) bool { return e.key == k }); dated && i >= 0 {
		t, err = f.open(all[i])
	} else if !dated && live != nil && identify(live) == (identity{p.Device, p.Inode}) {
		t, err = f.openLive(live)
		if err == nil && t.dated { // a new file that got the inode of the old one
			return f.lost(p, Gone, nil), t.close()
		}
	}
	switch {
	case errors.Is(err, fs.ErrPermission):
		return nil, err
	case gone(err):
		return f.lost(p, Gone, nil), nil
	case err != nil:
		return f.lost(p, Unreadable, err), nil
	case taken(t.id):
		return f.lost(p, Gone, nil), t.close()
	}
	t.was = p
	t.gap = &Gap{Reason: Truncated, File: p.Name, Offset: p.Offset, Bytes: Unknown}
	return t, nil
}
