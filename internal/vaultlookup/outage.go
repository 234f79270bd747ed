package vaultlookup

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"custom-vault/internal/vaultclient"
)

// tellApart is the shortest time between two lines about the same address while it does not answer: what it does
// instead may change from call to call.
const tellApart = time.Minute

// outage tells the log that an address gives no answers: once, again when the reason is another, and when it is over.
// The breaker opens anew with each try that fails, every few seconds, and is not worth a line each time.
type outage struct {
	address string
	pause   time.Duration
	now     func() time.Time
	log     func(Note)

	mu   sync.Mutex
	last vaultclient.Failure // told; None: nothing is, or it is over
	at   time.Time
}

// opened is called when the breaker opens, also for a try that failed.
func (o *outage) opened(failure vaultclient.Failure, detail string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := o.now()
	if o.last == failure || o.last != vaultclient.None && now.Sub(o.at) < tellApart {
		return
	}
	o.last, o.at = failure, now
	what := "does not answer"
	if failure == vaultclient.Sealed {
		what = "cannot answer"
	}
	if detail == "" {
		detail = string(failure)
	}
	o.log(Note{Problem: true, Text: fmt.Sprintf("vault %s %s (%s): %s; it is tried every %v, and told when it is over",
		o.address, what, detail, failure.Hint(), o.pause)})
}

// closed is called when an address answers again.
func (o *outage) closed() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.last = vaultclient.None
	o.log(Note{Text: fmt.Sprintf("vault %s answers again", o.address)})
}

// detailOf is what a failed call says of itself, without the address and the path.
func detailOf(err error) string {
	var failed *vaultclient.Error
	if !errors.As(err, &failed) {
		return ""
	}
	return failed.Detail()
}
