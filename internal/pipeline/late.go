package pipeline

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"custom-vault/internal/alert"
	"custom-vault/internal/event"
	"custom-vault/internal/identity"
	"custom-vault/internal/store"
)

// Bounds on alerts that wait for a better answer to who it was: the oldest are given up first. They wait in memory:
// after a restart what was decided on stays as it is.
const (
	maxLate  = 2_000
	lateTime = 10 * time.Minute
)

// late holds decided alerts whose identity may still become better: Vault was away, or the index of hashed accessors
// had not caught up. It belongs to the line's one goroutine.
type late struct {
	waiting []waiting
	dropped int // given up since that was last told
	first   alert.Key
	told    time.Time
}

type waiting struct {
	decided Decided
	since   time.Time
}

// mayImprove says whether a better answer may come. About a hashed accessor none comes but from an index.
func (p *Pipeline) mayImprove(d Decided) bool {
	return d.Alert.Record != nil && d.Identity.MayImprove() && (d.Identity.Why != identity.ReasonHashed || p.indexed[d.Cluster])
}

// add puts an alert on the list.
func (l *late) add(d Decided, now time.Time) {
	d.Line.Text = nil // it may be megabytes, and was read
	if len(l.waiting) >= maxLate {
		if l.dropped++; l.dropped == 1 {
			l.first = l.waiting[0].decided.Alert.Key
		}
		l.waiting = l.waiting[1:]
	}
	l.waiting = append(l.waiting, waiting{decided: d, since: now})
}

// tellDropped is how often it is told at the most that alerts were given up.
const tellDropped = lateTime

// keepDropped says how many alerts were given up because too many waited.
func (p *Pipeline) keepDropped(j *job, now time.Time) {
	l := &p.late
	if l.dropped == 0 || now.Sub(l.told) < tellDropped {
		return
	}
	p.log.WithField("alerts", l.dropped).Error("late: too many alerts wait for a better answer to who it was; the oldest stay as they were decided")
	p.seen.Dropped(l.dropped)
	p.publish(j, event.Dropped(l.dropped, maxLate, l.first), time.Time{})
	l.dropped, l.told = 0, now
}

// again asks once more about those that wait. Without a signal that answers may be better, alerts with a hashed
// accessor are not asked about: nothing but the index, which signals, can make theirs better. Those with a better answer leave the list, as a job that decides about
// them anew; nil if there are none. Each alert is decided again but once, and upwards only.
func (p *Pipeline) again(ctx context.Context, signalled bool) *job {
	now := p.deps.Now()
	asked := make([]identity.Identity, len(p.late.waiting))
	var asking errgroup.Group
	asking.SetLimit(lookupsAtOnce)
	for i, w := range p.late.waiting {
		if !signalled && w.decided.Identity.Why == identity.ReasonHashed {
			asked[i] = w.decided.Identity
			continue
		}
		asking.Go(func() error {
			asked[i] = p.deps.Resolver.Resolve(ctx, w.decided.Cluster, w.decided.Alert, true)
			return nil
		})
	}
	_ = asking.Wait() // the functions return nil
	j := &job{step: known}
	kept := p.late.waiting[:0]
	for i, w := range p.late.waiting {
		switch {
		case asked[i].Better(w.decided.Identity):
			in := w.decided.Identified
			in.Identity, in.before = asked[i], &w.decided
			j.identified = append(j.identified, in)
		case asked[i].MayImprove() && now.Sub(w.since) < lateTime:
			kept = append(kept, w)
		}
	}
	clear(p.late.waiting[len(kept):])
	p.late.waiting = kept
	if len(j.identified) == 0 {
		return nil
	}
	return j
}

// keepLate gathers what an alert leads to that was decided about before: its row is brought up to date, one more event
// says so, and a response follows if the first decision asked for none. Its acts were counted then.
func (p *Pipeline) keepLate(j *job, in Identified, look *look) {
	d := p.decide(Observed{Identified: in, Seen: in.before.Seen}, look)
	row, err := d.row()
	if err != nil {
		p.log.WithError(err).WithField("alert", d.Alert.ID).Error("keep: late decision is kept without what could not be encoded")
	}
	j.commit.Late = append(j.commit.Late, store.Late{Key: row.Key, Decision: row.Decision, Identity: row.Identity})
	j.result.Decided = append(j.result.Decided, d)
	p.seen.Decided(d.Alert, d.Identity, d.Decision, look.now)
	if d.Event != nil {
		p.publish(j, *d.Event, d.Alert.Timestamp)
	}
	p.keepIntent(j, d, look)
}
