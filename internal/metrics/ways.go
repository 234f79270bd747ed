package metrics

import (
	"sync"
	"time"

	"custom-vault/internal/alert"
	"custom-vault/internal/health"
)

// Bounds on what is remembered of lines that came by one way: for how long the other way is waited for (integratord
// looks once a second, and may lag), and how many.
const (
	otherWayWithin = 2 * time.Minute
	maxOpenLines   = 50_000
)

// way is a bit for each of the two ways.
type way uint8

const (
	byAlerts way = 1 << iota
	byJournal
)

// wayNames are the label values, in the order of wayOf.
var wayNames = [...]string{"both", "alerts-only", "journal-only"}

func wayOf(w way) int {
	switch w {
	case byAlerts:
		return 1
	case byJournal:
		return 2
	}
	return 0
}

// ways finds out which lines came by both ways and which by one only. What it forgets early, because too many are
// open, counts as having come by one way.
type ways struct {
	mu    sync.Mutex
	open  map[[8]byte]way // by the first bytes of the key, which is a hash
	order []opened        // oldest first
	hours [2]tally        // the last whole stretch and the current one
	until time.Time       // of the current one
	count func(name string)
}

type opened struct {
	key [8]byte
	at  time.Time
}

type tally [len(wayNames)]int

func newWays(count func(name string)) *ways { return &ways{open: make(map[[8]byte]way), count: count} }

// arrived notes a line.
func (w *ways) arrived(source string, key alert.Key, at time.Time) {
	by := byAlerts
	switch source {
	case "journal":
		by = byJournal
	case "alerts":
	default:
		return // a command's
	}
	short := [8]byte(key[:8])
	w.mu.Lock()
	defer w.mu.Unlock()
	w.settle(at)
	before, known := w.open[short]
	switch {
	case !known:
		if len(w.order) >= maxOpenLines {
			w.close(maxOpenLines / 4) // many at once, since it moves the rest
		}
		w.open[short] = by
		w.order = append(w.order, opened{short, at})
	case before != by:
		w.open[short] = before | by
	}
}

// settle counts the lines that were waited for long enough. w.mu is held.
func (w *ways) settle(now time.Time) {
	n := 0
	for n < len(w.order) && now.Sub(w.order[n].at) >= otherWayWithin {
		n++
	}
	if n > 0 {
		w.close(n - 1)
	}
	if !now.Before(w.until) {
		w.hours[0], w.hours[1] = w.hours[1], tally{}
		if now.Sub(w.until) >= 30*time.Minute {
			w.hours[0] = tally{}
		}
		w.until = now.Add(30 * time.Minute)
	}
}

// close counts the oldest lines, up to and with the one at index last. w.mu is held.
func (w *ways) close(last int) {
	for _, o := range w.order[:last+1] {
		which := wayOf(w.open[o.key])
		delete(w.open, o.key)
		w.hours[1][which]++
		w.count(wayNames[which])
	}
	w.order = append(w.order[:0], w.order[last+1:]...)
}

// lately is what was counted within the last half to whole hour.
func (w *ways) lately(now time.Time) health.Ways {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.settle(now)
	sum := w.hours[0]
	for i, n := range w.hours[1] {
		sum[i] += n
	}
	return health.Ways{Both: sum[0], AlertsOnly: sum[1], JournalOnly: sum[2]}
}
