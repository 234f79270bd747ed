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

// Prune deletes the journal's files of hours that ended more than PruneAfter ago, or
// are yet to come since a clock was wrong, and that committed, a bookmark that is
// safely stored, says are done. A file that
// grew after it had been given up is not deleted: its rest is read by the next
// Next. It returns the names of what it deleted, and goes on after an error.
func (f *Follower) Prune(committed Bookmark) (removed []string, err error) {
	l, ok := f.layout.(*journalLayout)
	if !ok {
		return nil, errors.New("prune: only the journal is ours to delete")
	}
	if !f.begun {
		return nil, nil
	}
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
		if busy[e.key] || !l.prunable(e.key, f.opt.Now()) {
			continue
		}
		name := l.name(e.key)
		was, done, serr := committed.doneWith(l, name)
		if done && serr == nil {
			done, serr = f.stillTorn(was)
		}
		if _, still := f.doneAt(name); !still && e.key.compare(f.newest) > 0 {
			done = false // another file of a name that was pruned
		}
		if !done || serr != nil {
			err = errors.Join(err, serr)
			continue
		}
		deleted, rerr := journal.Remove(l.dir, name, was.Size)
		err = errors.Join(err, rerr)
		if deleted {
			f.forget(name)
			removed = append(removed, name)
		}
	}
	return removed, err
}

// prunable says that an hour is long over, or that a clock which was wrong named it.
// The latter would be waited for until they come, while maxDone is all that can be
// remembered.
func (l *journalLayout) prunable(k key, now time.Time) bool {
	return now.Sub(l.end(k)) >= PruneAfter || l.future(k, now)
}

// doneWith says whether a file is done, and how.
func (b Bookmark) doneWith(l *journalLayout, name string) (was Done, done bool, err error) {
	for _, d := range b.Done {
		if d.Name == name {
			return d, true, nil
		}
	}
	k, _ := l.key(name)
	newest, known := l.key(b.Newest)
	if !known || k.compare(newest) > 0 {
		return Done{}, false, nil
	}
	info, err := os.Lstat(l.path(name))
	if err != nil {
		return Done{}, false, err
	}
	return Done{Name: name, Size: info.Size()}, true, nil
}
