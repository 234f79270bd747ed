package serverapi

import (
	"net"
	"time"
)

// window counts requests as middlewares.py does: in fixed windows of 60 s, the first of a new window counting as none.
type window struct {
	began time.Time
	count int
}

// over counts one request and says whether the limit is passed; a limit of 0 is none.
func (w *window) over(now time.Time, limit int) bool {
	if limit == 0 {
		return false
	}
	if w.began.IsZero() {
		w.began = now
	}
	if now.Sub(w.began) <= time.Minute {
		w.count++
	} else {
		w.count, w.began = 0, now
	}
	return w.count > limit
}

// logins counts failed logins by address. Success does not reset the count; only time does, from the first failure on.
type logins struct {
	byAddress map[string]*attempts
}

type attempts struct {
	first   time.Time
	count   int
	blocked bool
}

// blocked says whether an address may not log in.
func (l *logins) blocked(address string, now time.Time, blockTime time.Duration) bool {
	a := l.byAddress[address]
	if a == nil {
		return false
	}
	if now.Sub(a.first) >= blockTime {
		delete(l.byAddress, address)
		return false
	}
	return a.blocked
}

func (l *logins) failed(address string, now time.Time, limit int) {
	a := l.byAddress[address]
	if a == nil {
		a = &attempts{first: now}
		if l.byAddress == nil {
			l.byAddress = make(map[string]*attempts)
		}
		l.byAddress[address] = a
	}
	a.count++
	a.blocked = a.blocked || a.count >= limit
}

// hostOf is an address without its port.
func hostOf(remote string) string {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		return remote
	}
	return host
}
