package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"custom-vault/internal/alert"
	"custom-vault/internal/follow"
	"custom-vault/internal/store"
)

// open finds the place in both files where the last commit left them. At the very first start that is the end of
// alerts.json, or since that long ago, and the beginning of the journal: what the hook took over, nobody has read yet.
func (a *app) open(ctx context.Context, since time.Duration) (alerts, journal *follow.Follower, err error) {
	from, err := a.bookmarkOf(follow.Alerts)(ctx)
	if err != nil {
		return nil, nil, err
	}
	options := a.followOptions(follow.Alerts)
	if since > 0 {
		options.Since = time.Now().Add(-since)
	}
	if alerts, err = follow.OpenAlerts(a.cfg.Wazuh.AlertsFile(), from, options); err != nil {
		return nil, nil, err
	}
	if from, err = a.bookmarkOf(follow.Journal)(ctx); err != nil {
		return nil, nil, errors.Join(err, alerts.Close())
	}
	options = a.followOptions(follow.Journal)
	options.Start = follow.AtBegin
	if journal, err = follow.OpenJournal(a.cfg.Wazuh.JournalDir(), from, options); err != nil {
		return nil, nil, errors.Join(err, alerts.Close())
	}
	if err := a.keepPlaces(ctx, alerts, journal); err != nil {
		return nil, nil, errors.Join(err, alerts.Close(), journal.Close())
	}
	return alerts, journal, nil
}

func (a *app) followOptions(source follow.Source) follow.Options {
	return follow.Options{
		Keep: alert.MayConcern, MaxLine: alert.MaxLine,
		Notice: func(err error) {
			if a.watch != nil {
				a.watch.trouble(source, err)
			}
			entry := a.log.WithField("source", source)
			if err != nil {
				entry.WithError(err).Warn("follow: the file cannot be followed as it should")
			} else {
				entry.Info("follow: reading again")
			}
		},
	}
}

// keepPlaces stores where both readers stand: a crash before the first alert would otherwise begin at the end anew.
func (a *app) keepPlaces(ctx context.Context, followers ...*follow.Follower) error {
	marks := make(map[string]string)
	for _, follower := range followers {
		if place := follower.Position(); !place.IsZero() {
			marks[string(place.Source)] = place.String()
		}
	}
	return a.store.Commit(ctx, store.Commit{At: time.Now(), Bookmarks: marks})
}

// bookmarkOf reads how far a source was handled; the zero bookmark says that it never was.
func (a *app) bookmarkOf(source follow.Source) func(context.Context) (follow.Bookmark, error) {
	return func(ctx context.Context) (follow.Bookmark, error) {
		mark, ok, err := a.store.Bookmark(ctx, string(source))
		if err != nil || !ok {
			return follow.Bookmark{}, err
		}
		bookmark, err := follow.ParseBookmark(mark)
		if err != nil {
			return follow.Bookmark{}, fmt.Errorf("bookmark of %s in the store: %w", source, err)
		}
		return bookmark, nil
	}
}

func (a *app) pruned(removed []string, err error) {
	if err != nil {
		a.log.WithError(err).Warn("serve: old hours of the journal were not deleted")
	}
	if len(removed) > 0 {
		a.log.WithField("files", removed).Info("serve: old hours of the journal deleted")
	}
}
