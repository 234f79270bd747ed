package publish

import (
	"context"
	"time"
)

// burst is how many datagrams may leave at once after a pause: as many as the kernel queues for a socket by default
// (net.unix.max_dgram_qlen 10).
const burst = 10

// pacer lets at most burst datagrams go in any moment, and one each interval in the long run.
type pacer struct {
	interval time.Duration
	next     time.Time // when the next one would be due at the steady pace
}

func newPacer(perSecond int) *pacer {
	return &pacer{interval: time.Second / time.Duration(perSecond)}
}

// wait returns nil when the next datagram may go, or ctx's error.
func (p *pacer) wait(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	now := time.Now()
	if earliest := now.Add(-(burst - 1) * p.interval); p.next.Before(earliest) {
		p.next = earliest
	}
	due := p.next
	p.next = p.next.Add(p.interval)
	if !due.After(now) {
		return nil
	}
	return sleep(ctx, due.Sub(now), nil)
}

// sleep waits for d, ctx or wake.
func sleep(ctx context.Context, d time.Duration, wake <-chan struct{}) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-wake:
	case <-t.C:
	}
	return nil
}
