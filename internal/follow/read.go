package follow

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"
)

// collect reads until the batch is full or there is nothing more for now.
func (f *Follower) collect(ctx context.Context, lim Limits, b *Batch) {
	if !f.begun {
		if err := f.begin(); err != nil {
			f.say(err)
			return
		}
	}
	for {
		for _, t := range slices.Clone(f.held) {
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
		if err == nil && !more && !f.since.IsZero() {
			f.since, f.moved = time.Time{}, true // what comes now is new, whatever its clock says
		}
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
	wasAtEnd := t.atEnd
	t.atEnd = t.ended
	for !b.full(lim) && ctx.Err() == nil {
		line, overlong, ok := t.line(f.opt.MaxLine)
		switch {
		case ok && overlong > 0:
			f.addGap(Gap{Reason: Overlong, File: t.name, Offset: t.off - overlong - 1, Bytes: overlong}, b)
		case ok && f.wanted(line):
			if piece := f.glued(line); piece > 0 {
				t.unread(len(line) - piece + 1)
				f.addGap(Gap{Reason: Torn, File: t.name, Offset: t.off - int64(piece), Bytes: int64(piece)}, b)
				continue
			}
			f.moved = true
			b.text += len(line)
			b.Items = append(b.Items, Item{
				Source: f.layout.source(), Text: bytes.Clone(line), File: t.name, Offset: t.off - int64(len(line)) - 1, After: f.Position(),
			})
		case ok:
			f.moved = true
			b.Passed++
		case t.atEnd:
			return nil
		default:
			n, err := t.fill(f.opt.MaxLine)
			b.scanned += int64(n)
			if n > 0 && wasAtEnd {
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

// glued is only of alerts.json: the hook closes a torn line before it appends.
func (f *Follower) glued(line []byte) int {
	if f.layout.source() != Alerts {
		return 0
	}
	return glued(line)
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
	var newest *tail
	for _, t := range f.held {
		if t.dated && t.key == f.newest {
			newest = t
		}
	}
	now := f.opt.Now()
	for _, t := range slices.Clone(f.held[:len(f.held)-1]) {
		if t == newest || t.id == named || !t.atEnd {
			continue
		}
		if !f.quiet(t, now) && len(f.held) <= maxHeld {
			continue
		}
		rest := t.pending()
		f.leave(t)
		f.drop(t)
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
	if end := f.layout.end(t.key); end.After(last) && !f.layout.future(t.key, now) {
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
