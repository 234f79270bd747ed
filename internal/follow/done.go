package follow

import (
	"bufio"
	"cmp"
	"errors"
	"io"
	"os"
	"slices"
)

// maxDone bounds the journal's files that a bookmark knows to be done. There are
// more only while a reader that was away for days catches up, or none is pruned.
const maxDone = 48

// advanceJournal takes up the oldest hour that is neither being read nor done, or
// that grew after it was given up. Its name may be older than what was read before:
// clocks are set back, and a hook can be held up behind its look at the clock.
func (f *Follower) advanceJournal() (bool, error) {
	all, err := f.layout.list(key{})
	if err != nil {
		return false, err
	}
	f.forgetDeleted(all)
	for _, e := range all {
		if slices.ContainsFunc(f.held, func(t *tail) bool { return t.key == e.key }) {
			continue
		}
		if took, err := f.takeHour(e); took || err != nil {
			return took, err
		}
	}
	return false, nil
}

func (f *Follower) takeHour(e entry) (bool, error) {
	name := f.layout.name(e.key)
	i, done := f.doneAt(name)
	if !done && e.key.compare(f.newest) <= 0 {
		return false, nil
	}
	if !done {
		return f.take(e)
	}
	was := f.done[i]
	info, err := os.Lstat(f.layout.path(name))
	if gone(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if info.Size() == was.Size {
		if same, err := f.stillTorn(was); same || err != nil {
			return false, err
		}
	}
	took, err := f.take(e)
	if !took || err != nil {
		return took, err
	}
	f.forget(name)
	t := f.held[len(f.held)-1]
	t.grew = f.opt.Now()
	if t.behind(was) {
		return true, nil
	}
	return true, t.seek(0) // another file of that name
}

// stillTorn says whether what d ended with still is a piece of a line, for a file of the
// same size: its writer may have cut it off, and others have brought lines that are
// just as long.
func (f *Follower) stillTorn(d Done) (bool, error) {
	if d.Rest == 0 {
		return true, nil
	}
	t, err := openTail(f.layout.path(d.Name), false, false)
	if gone(err) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	piece := bufio.NewReader(io.NewSectionReader(t.file, d.Size-d.Rest, d.Rest))
	for err = bufio.ErrBufferFull; errors.Is(err, bufio.ErrBufferFull); {
		_, err = piece.ReadSlice('\n')
	}
	torn := errors.Is(err, io.EOF)
	if torn {
		err = nil
	}
	return torn, errors.Join(err, t.close())
}

// behind goes to where d's whole lines end, and says whether this is that file.
func (t *tail) behind(d Done) bool {
	return t.seek(d.Size-d.Rest) == nil && printOf(t.place()) == d.Tail
}

// stillDone leaves out files that are gone, and those that were made anew since: one
// may have been pruned after the bookmark was stored.
func (f *Follower) stillDone(done []Done) ([]Done, error) {
	var still []Done
	for _, d := range done {
		k, _ := f.layout.key(d.Name)
		t, err := f.open(entry{key: k})
		if gone(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if t.behind(d) {
			still = append(still, d)
		}
		if err := t.close(); err != nil {
			return nil, err
		}
	}
	return still, nil
}

// done is t's place, with what is behind its last whole line.
func (t *tail) done() Done {
	return Done{Name: t.name, Size: t.readTo(), Rest: t.pending(), Tail: printOf(t.place())}
}

func (f *Follower) doneSize(name string) (int64, bool) {
	i, ok := f.doneAt(name)
	if !ok {
		return 0, false
	}
	return f.done[i].Size, true
}

func (f *Follower) doneAt(name string) (int, bool) {
	return slices.BinarySearchFunc(f.done, name, func(d Done, name string) int { return cmp.Compare(d.Name, name) })
}

// finished remembers that a file of the journal is done.
func (f *Follower) finished(d Done) {
	i, ok := f.doneAt(d.Name)
	done := slices.Clone(f.done)
	if ok {
		done[i] = d
	} else {
		done = slices.Insert(done, i, d)
	}
	if len(done) > maxDone {
		if k, _ := f.layout.key(done[0].Name); k.compare(f.newest) > 0 {
			f.newest = k
		}
		done = done[1:]
	}
	f.done, f.moved = done, true
}

func (f *Follower) forget(name string) {
	if i, ok := f.doneAt(name); ok {
		f.done, f.moved = slices.Delete(slices.Clone(f.done), i, i+1), true
	}
}

// forgetDeleted forgets what is not there any more.
func (f *Follower) forgetDeleted(all []entry) {
	there := func(d Done) bool {
		return slices.ContainsFunc(all, func(e entry) bool { return f.layout.name(e.key) == d.Name })
	}
	for _, d := range f.done {
		if !there(d) {
			f.forget(d.Name)
		}
	}
	if f.newest != (key{}) && !slices.ContainsFunc(all, func(e entry) bool { return e.key.compare(f.newest) <= 0 }) {
		f.newest, f.moved = key{}, true
	}
}

// passOver takes the journal's files that were there before a first start at the
// end for done.
func (f *Follower) passOver(files []entry) error {
	if f.layout.source() != Journal {
		return nil
	}
	for _, e := range files {
		t, err := f.open(e)
		if gone(err) {
			continue
		}
		if err != nil {
			return err
		}
		if err := errors.Join(t.seekEnd(), t.close()); err != nil {
			return err
		}
		f.finished(t.done())
	}
	return nil
}

// maxLeft bounds the files of alerts.json that may come back.
const maxLeft = 4

// leave remembers where a file was given up.
func (f *Follower) leave(t *tail) {
	if f.layout.source() == Journal {
		f.finished(t.done())
		return
	}
	if !t.dated || t.zip != nil {
		return
	}
	if len(f.left) == maxLeft {
		f.left = slices.Delete(f.left, 0, 1)
	}
	f.left = append(f.left, t.position())
}

// comeBack goes on where a file was left that alerts.json stands for again: when
// clocks are set back over midnight, analysisd goes on with the file of the day
// before.
func (f *Follower) comeBack(t *tail) error {
	for i, p := range f.left {
		if t.dated && p.Name == t.name {
			f.left = slices.Delete(f.left, i, i+1)
			if t.at(p) {
				return nil
			}
			return t.seek(0)
		}
	}
	return nil
}
