package oracle

import (
	"sync/atomic"
	"time"
)

// turnable is a clock that can be put on, and stopped.
type turnable struct {
	ahead   atomic.Int64
	stopped atomic.Pointer[time.Time]
}

func (c *turnable) now() time.Time {
	if at := c.stopped.Load(); at != nil {
		return *at
	}
	return time.Now().Add(time.Duration(c.ahead.Load()))
}

func (c *turnable) stop() (goOn func()) {
	now := c.now()
	c.stopped.Store(&now)
	return func() { c.stopped.Store(nil) }
}

func (c *turnable) turn(d time.Duration) { c.ahead.Add(int64(d)) }
