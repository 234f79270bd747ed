package follow

import "errors"

// UnreadAlerts is how many bytes of the alerts at path there are behind a bookmark, as [Follower.Unread] says it of a
// follower's own place. It opens the files for a moment, and can be called beside a follower of the same ones. Behind
// the zero bookmark there is nothing: nobody has begun to read.
func UnreadAlerts(path string, from Bookmark) (int64, error) {
	f, err := OpenAlerts(path, from, Options{unwatched: true})
	return unreadOf(f, err)
}

// UnreadJournal does the same for the hook's files in dir.
func UnreadJournal(dir string, from Bookmark) (int64, error) {
	f, err := OpenJournal(dir, from, Options{unwatched: true})
	return unreadOf(f, err)
}

func unreadOf(f *Follower, err error) (int64, error) {
	if err != nil {
		return 0, err
	}
	var unread int64
	if !f.from.IsZero() {
		unread, err = f.Unread()
	}
	return unread, errors.Join(err, f.Close())
}
