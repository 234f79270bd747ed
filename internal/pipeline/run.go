package pipeline

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"

	"custom-vault/internal/event"
	"custom-vault/internal/follow"
)

// Source gives batches of lines, in order, each with the bookmark behind it. Next waits until there is something.
type Source interface {
	Next(ctx context.Context) (Batch, error)
}

// Paces of the line when nothing comes, and when something fails.
const (
	tick       = 10 * time.Second // suspects are judged, and our request ids kept
	retryFirst = 100 * time.Millisecond
	retryMost  = 5 * time.Second
)

// Run reads the sources and handles what they give until ctx ends. A batch that could not be handled is tried again
// until it can: its source waits meanwhile, and the lines wait in their files.
func (p *Pipeline) Run(ctx context.Context, sources ...Source) error {
	jobs := make(chan *job) // unbuffered: work waits in files, not in memory
	readers, reading := errgroup.WithContext(ctx)
	for _, source := range sources {
		readers.Go(func() error { return p.read(reading, source, jobs) })
	}
	ticks := time.NewTicker(tick) // also where batches come without a pause
	defer ticks.Stop()
	for ctx.Err() == nil && reading.Err() == nil {
		p.seen.Turn()
		select {
		case j := <-jobs:
			p.insist(ctx, j)
		case <-p.deps.Better:
			p.insistLate(ctx, true)
		case <-ticks.C:
			p.insistLate(ctx, false)
			p.insist(ctx, p.newJob(Batch{}))
		case <-reading.Done():
		}
	}
	err := readers.Wait()
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// insistLate asks again who acted in alerts that could not be told well.
func (p *Pipeline) insistLate(ctx context.Context, signalled bool) {
	if j := p.again(ctx, signalled); j != nil {
		p.insist(ctx, j)
	}
}

// read reads a source. It parses ahead: the next batch's alerts while this one's are decided and kept.
func (p *Pipeline) read(ctx context.Context, source Source, jobs chan<- *job) error {
	for {
		batch, err := source.Next(ctx)
		if err != nil {
			return err
		}
		select {
		case jobs <- p.newJob(batch):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// insist goes on with a batch until it is kept or ctx ends; then it is read again after the restart.
func (p *Pipeline) insist(ctx context.Context, j *job) {
	for wait := retryFirst; ctx.Err() == nil; wait = min(2*wait, retryMost) {
		err := p.work(ctx, j)
		p.seen.Turn()
		if err == nil || ctx.Err() != nil {
			return
		}
		p.log.WithError(err).WithField("again_in", wait.String()).Error("pipeline: batch was not kept")
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}

// limits bound one batch: enough to make a transaction worth its sync, little enough to be quick.
var limits = follow.Limits{Lines: 512, Bytes: 4 << 20}

// Followed is a follower as a Source. With Committed set, which a journal's has, hours of the journal that were read
// and committed are deleted now and then.
type Followed struct {
	*follow.Follower
	Committed func(ctx context.Context) (follow.Bookmark, error)
	Pruned    func(removed []string, err error)

	lastPrune time.Time
}

// pruneEvery is how often old hours of the journal are looked for.
const pruneEvery = 10 * time.Minute

func (f *Followed) prune(ctx context.Context) {
	if f.Committed == nil || time.Since(f.lastPrune) < pruneEvery {
		return
	}
	f.lastPrune = time.Now()
	committed, err := f.Committed(ctx)
	if err != nil || committed.IsZero() {
		return // the line of stages reports a store that fails
	}
	f.Pruned(f.Follower.Prune(committed))
}

// Next gives the follower's next lines and gaps.
func (f *Followed) Next(ctx context.Context) (Batch, error) {
	f.prune(ctx)
	got, err := f.Follower.Next(ctx, limits)
	if err != nil {
		return Batch{}, err
	}
	batch := Batch{Source: string(got.After.Source), Bookmark: got.After.String()}
	for _, item := range got.Items {
		if item.Gap != nil {
			batch.Gaps = append(batch.Gaps, Gap{Behind: item.After.String(), Offset: item.Gap.Offset, Gap: event.Gap{
				Source: string(item.Source), File: item.Gap.File, Reason: string(item.Gap.Reason), Bytes: item.Gap.Bytes,
			}})
			continue
		}
		batch.Lines = append(batch.Lines, Line{Source: string(item.Source), File: item.File, Offset: item.Offset, Text: item.Text})
	}
	return batch, nil
}
