package follow

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"
)

// watcher wakes a follower. It watches the files themselves as well as the
// folder: analysisd writes alerts.json under its dated name, and inotify tells a
// folder only of what is done through names in it.
type watcher struct {
	notify *fsnotify.Watcher // nil when the kernel gave none: then polling is all
	notice func(error)
	told   bool
	poll   time.Duration
	dir    string
	wake   chan struct{}
	reader sync.WaitGroup
}

func (w *watcher) start() {
	notify, err := fsnotify.NewWatcher()
	if err != nil {
		w.complain(err)
		return
	}
	w.notify = notify
	w.reader.Go(w.read)
}

// read empties inotify's queue, so that it never overflows, into one wake-up.
func (w *watcher) read() {
	for {
		select {
		case _, ok := <-w.notify.Events:
			if !ok {
				return
			}
		case _, ok := <-w.notify.Errors:
			if !ok {
				return
			}
			// An overflow: something happened.
		}
		select {
		case w.wake <- struct{}{}:
		default:
		}
	}
}

// complain says once that inotify does not help.
func (w *watcher) complain(err error) {
	if !w.told {
		w.told = true
		w.notice(fmt.Errorf("inotify is not available, looking every %s instead (raise fs.inotify.max_user_watches or max_user_instances): %w", w.poll, err))
	}
}

func (w *watcher) folder(path string) {
	w.dir = path
	w.add(path)
}

// file watches what path names now, and no longer what it named before. What is
// not there is left to the poll.
func (w *watcher) file(path string) {
	w.forget(path)
	w.add(path)
}

func (w *watcher) add(path string) {
	if w.notify == nil {
		return
	}
	if err := w.notify.Add(path); err != nil && !gone(err) {
		w.complain(fmt.Errorf("watch %s: %w", path, err))
	}
}

// forget ends a watch. That there is none, or that the kernel has ended it with
// its file, is no error.
func (w *watcher) forget(path string) {
	if w.notify != nil {
		_ = w.notify.Remove(path)
	}
}

// wait returns when something may have happened.
func (w *watcher) wait(ctx context.Context) error {
	timer := time.NewTimer(w.poll)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-w.wake:
	case <-timer.C:
		// The folder may be another one by now; adding it again costs one system call.
		w.add(w.dir)
	}
	return nil
}

func (w *watcher) close() error {
	if w.notify == nil {
		return nil
	}
	err := w.notify.Close()
	w.reader.Wait()
	return err
}
