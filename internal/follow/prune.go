package follow

import (
	"errors"
	"fmt"
	"os"
	"time"

	"custom-vault/internal/journal"
)

// PruneAfter is how long an hour of the journal is kept after its end.
const PruneAfter = 2 * time.Hour

// Prune deletes the journal's files of hours that ended more than PruneAfter ago
// and that committed, a bookmark that is safely stored, says are done. A file that
// grew after it had been given up is not deleted: its rest is read by the next
// Next. It returns the names of what it deleted, and goes on after an error.
func (f *Follower) Prune(committed Bookmark) (removed []string, err error) {
	l, ok := f.layout.(*journalLayout)
	if !ok {
		return nil, errors.New("prune: only the journal is ours to delete")
	}
	if !f.begun || committed.Newest == "" {
		return nil, nil
	}
	newest, _ := l.key(committed.Newest)
	all, err := l.list(key{})
	if err != nil {
		return nil, fmt.Errorf("prune the journal: %w", err)
	}
	busy := make(map[key]bool)
	for _, p := range committed.Files {
		k, _ := l.key(p.Name)
		busy[k] = true
	}
	for _, t := range f.held {
		busy[t.key] = true
	}
	for _, e := range all {
		if busy[e.key] || e.key.compare(newest) > 0 || f.opt.Now().Sub(l.end(e.key)) < PruneAfter {
			continue
		}
		name := l.name(e.key)
		gone, rerr := f.remove(l, name)
		err = errors.Join(err, rerr)
		if gone {
			removed = append(removed, name)
		}
	}
	return removed, err
}

func (f *Follower) remove(l *journalLayout, name string) (bool, error) {
	size, known := f.done[name]
	if !known { // given up before we were started
		info, err := os.Lstat(l.path(name))
		if err != nil {
			return false, err
		}
		size = info.Size()
	}
	ok, err := journal.Remove(l.dir, name, size)
	if ok {
		delete(f.done, name)
		return true, err
	}
	if err == nil && known {
		err = f.takeAgain(l, name, size)
	}
	return false, err
}

// takeAgain goes on with a file that was given up too early.
func (f *Follower) takeAgain(l *journalLayout, name string, size int64) error {
	k, _ := l.key(name)
	info, err := os.Lstat(l.path(name))
	if err != nil || info.Size() <= size {
		return err
	}
	t, err := f.open(entry{key: k})
	if err != nil {
		return err
	}
	if err := t.seek(size); err != nil {
		return errors.Join(err, t.close())
	}
	t.grew = f.opt.Now()
	delete(f.done, name)
	f.hold(t)
	// The successor stays the last one.
	last := len(f.held) - 1
	copy(f.held[1:], f.held[:last])
	f.held[0] = t
	return nil
}
