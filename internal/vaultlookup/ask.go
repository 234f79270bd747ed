package vaultlookup

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"custom-vault/internal/secret"
	"custom-vault/internal/vaultclient"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/failsafe-go/failsafe-go/retrypolicy"
	"github.com/hashicorp/vault/api"
)

// breakerFailures in a row open the breaker of one address; after Options.Pause it lets one call through.
const breakerFailures = 3

// LossTrace may be implemented by a Trace. It learns of each call whose answer was lost on the way (a timeout, a cut):
// Vault may have served it, so a record without a known id may be ours.
type LossTrace interface {
	Lost(path string, at time.Time)
}

// AskTrace may be implemented by a Trace. It is told of each call before it is made. answered is called with the id of
// Vault's answer, empty for an answer without one, and not at all where the answer was lost on the way.
type AskTrace interface {
	Asking(path string, at time.Time) (answered func(requestID string))
}

// asker calls the nodes of one cluster: one breaker an address, one layer of retries over all of them.
type asker struct {
	nodes   []*node
	retry   failsafe.Executor[*api.Secret]
	first   atomic.Int64 // index of the address that answered last
	trace   Trace
	now     func() time.Time
	probing atomic.Bool
	tokens  atomic.Int64 // rises with each new token
	halted  atomic.Bool  // our token is invalid: asking on would only fill the audit log
	// invalid is told once when our token turns out to be invalid.
	invalid func()

	mu       sync.Mutex
	calls    map[string]int64
	failures map[vaultclient.Failure]int64
}

// node is one address.
type node struct {
	client  *vaultclient.Client
	breaker circuitbreaker.CircuitBreaker[any]
	last    atomic.Value // vaultclient.Failure: the last call's, None too
	detail  atomic.Value // string: what that call said of itself
	outage  *outage
}

// failedCall carries a call's failure through failsafe.
type failedCall struct {
	failure vaultclient.Failure
	again   bool // another address, or the same a little later, may answer
}

func (e *failedCall) Error() string { return string(e.failure) }

func newAsker(opts Options, better func()) *asker {
	a := &asker{
		trace: opts.Trace, now: opts.Now, invalid: func() {},
		calls: make(map[string]int64), failures: make(map[vaultclient.Failure]int64),
	}
	for _, client := range opts.Vaults {
		n := &node{client: client, outage: &outage{address: client.Address(), pause: opts.Pause, now: opts.Now, log: opts.Log}}
		n.last.Store(vaultclient.None)
		n.detail.Store("")
		n.breaker = circuitbreaker.NewBuilder[any]().
			WithFailureThreshold(breakerFailures).WithDelay(opts.Pause).WithJitterFactor(0.1).WithSuccessThreshold(1).
			OnOpen(func(circuitbreaker.StateChangedEvent) { n.outage.opened(n.failed()) }).
			OnClose(func(circuitbreaker.StateChangedEvent) {
				n.outage.closed()
				better()
			}).
			Build()
		a.nodes = append(a.nodes, n)
	}
	a.retry = failsafe.With[*api.Secret](retrypolicy.NewBuilder[*api.Secret]().
		HandleIf(func(_ *api.Secret, err error) bool {
			var failed *failedCall
			return errors.As(err, &failed) && failed.again
		}).
		WithMaxAttempts(len(opts.Vaults)+1).
		WithBackoff(30*time.Millisecond, 200*time.Millisecond).WithJitterFactor(0.25). // a failover takes 10–40 ms
		ReturnLastFailure().
		Build())
	return a
}

// read and write call Vault unless our token is known to be invalid, and give the answer's data.
func (a *asker) read(ctx context.Context, path string) (map[string]any, vaultclient.Failure) {
	return a.data(ctx, http.MethodGet, path, nil)
}

func (a *asker) write(ctx context.Context, path string, body map[string]any) (map[string]any, vaultclient.Failure) {
	return a.data(ctx, http.MethodPut, path, body)
}

func (a *asker) list(ctx context.Context, path string) (map[string]any, vaultclient.Failure) {
	return a.data(ctx, "LIST", path, nil)
}

func (a *asker) data(ctx context.Context, method, path string, body map[string]any) (map[string]any, vaultclient.Failure) {
	if a.halted.Load() {
		return nil, vaultclient.OwnTokenInvalid
	}
	answer, failure := a.call(ctx, method, path, body)
	if failure != vaultclient.None {
		return nil, failure
	}
	return answer.Data, vaultclient.None
}

// call tries the addresses until one answers, even with an invalid token.
func (a *asker) call(ctx context.Context, method, path string, body map[string]any) (*api.Secret, vaultclient.Failure) {
	answer, err := a.retry.WithContext(ctx).GetWithExecution(func(failsafe.Execution[*api.Secret]) (*api.Secret, error) {
		return a.attempt(ctx, method, path, body)
	})
	var failed *failedCall
	switch {
	case err == nil:
		return answer, vaultclient.None
	case errors.As(err, &failed):
		return nil, failed.failure
	case errors.Is(err, context.DeadlineExceeded):
		return nil, vaultclient.Timeout
	}
	return nil, vaultclient.Canceled
}

func (a *asker) attempt(ctx context.Context, method, path string, body map[string]any) (*api.Secret, error) {
	at, others := a.pick()
	if at < 0 {
		return nil, &failedCall{failure: a.heldBack()}
	}
	return a.try(ctx, at, others, method, path, body)
}

// try calls one address, whose breaker has given its permit.
func (a *asker) try(ctx context.Context, at int, others bool, method, path string, body map[string]any) (*api.Secret, error) {
	n := a.nodes[at]
	if deadline, ok := ctx.Deadline(); ok && others {
		// Leave time for another address: one that hangs must not take it all.
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(deadline)/2)
		defer cancel()
	}
	token := a.tokens.Load()
	answered := a.asking(path)
	answer, err := n.send(ctx, method, path, body)
	failure := vaultclient.Classify(err)
	a.count(path, failure)
	n.last.Store(failure)
	n.detail.Store(detailOf(err))
	if failure.AnswersNothing() || failure == vaultclient.Canceled {
		n.breaker.RecordFailure()
		a.first.CompareAndSwap(int64(at), int64((at+1)%len(a.nodes)))
		if !a.lost(path, failure) {
			answered("")
		}
		return nil, &failedCall{failure: failure, again: again(failure, others)}
	}
	n.breaker.RecordSuccess()
	a.first.Store(int64(at))
	// A refusal that comes late is about the token before.
	if failure == vaultclient.OwnTokenInvalid && a.tokens.Load() == token && !a.halted.Swap(true) {
		a.invalid()
	}
	if failure != vaultclient.None {
		answered("")
		return nil, &failedCall{failure: failure}
	}
	answered(answer.RequestID)
	if a.trace != nil && answer.RequestID != "" {
		a.trace.Own(answer.RequestID, a.now())
	}
	return answer, nil
}

// again says whether another try may succeed within the time of one alert.
func again(failure vaultclient.Failure, others bool) bool {
	switch failure {
	case vaultclient.Throttled, vaultclient.Canceled:
		return false // a quota is the cluster's, so the other nodes have it, too
	case vaultclient.Standby, vaultclient.Redirect, vaultclient.Unreachable, vaultclient.ServerError:
		return true // a failover takes the same node 10–40 ms
	}
	return others // what was sealed, hung, or spoke nonsense does so again
}

// pick chooses an address whose breaker permits a call, and says whether there is another one behind it.
func (a *asker) pick() (at int, others bool) {
	first := int(a.first.Load())
	for i := range a.nodes {
		at := (first + i) % len(a.nodes)
		if a.probing.Load() && !a.nodes[at].breaker.IsClosed() || !a.nodes[at].breaker.TryAcquirePermit() {
			continue
		}
		for j := i + 1; j < len(a.nodes); j++ {
			others = others || a.nodes[(first+j)%len(a.nodes)].breaker.IsClosed()
		}
		return at, others
	}
	return -1, false
}

// heldBack names the failure of a call that was not made: sealed if that is what all said, else unreachable.
func (a *asker) heldBack() vaultclient.Failure {
	for _, n := range a.nodes {
		if n.last.Load() != vaultclient.Sealed {
			return vaultclient.Unreachable
		}
	}
	return vaultclient.Sealed
}

// probe tries the addresses that did not answer, each once its breaker lets it. It does so in place of the alerts:
// none of them has to wait for an address that hangs, only to find out that it still does.
func (a *asker) probe(ctx context.Context) {
	for at, n := range a.nodes {
		if n.breaker.IsClosed() || a.halted.Load() || !n.breaker.TryAcquirePermit() {
			continue
		}
		_, err := a.try(ctx, at, false, http.MethodGet, "auth/token/lookup-self", nil)
		_ = err // the breaker has been told
	}
}

// setProbing says whether somebody calls probe: if nobody does, an alert's call is the probe.
func (a *asker) setProbing(probing bool) { a.probing.Store(probing) }

func (a *asker) asking(path string) (answered func(requestID string)) {
	if trace, ok := a.trace.(AskTrace); ok {
		return trace.Asking(path, a.now())
	}
	return func(string) {}
}

// lost says whether the failure is one of the way, so that Vault may have served the call.
func (a *asker) lost(path string, failure vaultclient.Failure) bool {
	switch failure {
	case vaultclient.Timeout, vaultclient.Canceled, vaultclient.BadAnswer, vaultclient.Unreachable:
		if trace, ok := a.trace.(LossTrace); ok {
			trace.Lost(path, a.now())
		}
		return true
	}
	return false
}

// setToken gives all clients a token and lifts the halt.
func (a *asker) setToken(token secret.Text) error {
	for _, n := range a.nodes {
		if err := n.client.SetToken(token); err != nil {
			return err
		}
	}
	a.tokens.Add(1)
	a.halted.Store(false)
	return nil
}

// failed gives the last call's failure.
func (n *node) failed() (vaultclient.Failure, string) {
	failure, _ := n.last.Load().(vaultclient.Failure)
	detail, _ := n.detail.Load().(string)
	return failure, detail
}

func (n *node) send(ctx context.Context, method, path string, body map[string]any) (*api.Secret, error) {
	switch method {
	case http.MethodPut:
		return n.client.Write(ctx, path, body)
	case "LIST":
		return n.client.List(ctx, path)
	}
	return n.client.Read(ctx, path)
}

func (a *asker) count(path string, failure vaultclient.Failure) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.calls[kindOf(path)]++
	if failure != vaultclient.None {
		a.failures[failure]++
	}
}
