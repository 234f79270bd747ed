package wazuhapi

import (
	"sync"
	"time"
)

// window is the API's: max_request_per_minute counts in fixed windows of 60 s, over all of its clients, logins
// included (middlewares.py:151-213). No more than n requests in any 60 s are no more than n in each of its windows.
const window = 60 * time.Second

// budget counts this client's requests of the last 60 s, and keeps the last part of them for active responses and
// logins.
type budget struct {
	limit, reserve int

	mu   sync.Mutex
	sent []time.Time // oldest first, at most limit
}

// take counts one request, or says how long it is until there is room for it.
func (b *budget) take(now time.Time, urgent bool) (wait time.Duration, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	old := 0
	for old < len(b.sent) && now.Sub(b.sent[old]) >= window {
		old++
	}
	b.sent = b.sent[:copy(b.sent, b.sent[old:])]
	room := b.limit
	if !urgent {
		room -= b.reserve
	}
	if len(b.sent) < room {
		b.sent = append(b.sent, now)
		return 0, true
	}
	// Room comes when enough of the oldest have left the window.
	return window - now.Sub(b.sent[len(b.sent)-room]), false
}
