// Package vaultlookup answers who is behind an alert: it climbs from the audit record to Vault's own knowledge of the
// token, its entity and what it may do. It may import alert, identity, secret and vaultclient. It must never hold an
// alert up longer than its deadline, never return an error in place of an identity, never ask Vault for a hashed
// accessor, and never read a secret of Vault's or change anything there but its own token's lease.
package vaultlookup

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"custom-vault/internal/alert"
	"custom-vault/internal/identity"
	"custom-vault/internal/vaultclient"

	"golang.org/x/sync/singleflight"
)

// Defaults of Options.
const (
	DefaultDeadline = 2 * time.Second
	DefaultTTL      = time.Minute
	DefaultEntries  = 10_000
	DefaultPause    = 5 * time.Second
)

// Trace learns the request id of each answer that Vault gave us. The id of the answer is that of the audit record.
type Trace interface {
	Own(requestID string, at time.Time)
}

// Options say how to look up. The zero value looks up nothing: identities then come from the records alone.
type Options struct {
	Vaults   []*vaultclient.Client // addresses of one cluster, in the order in which they are tried
	Token    *TokenSource          // nil: the clients have their token already, and nobody renews it
	Deadline time.Duration         // longest time that Resolve takes
	TTL      time.Duration         // how long an answer is believed; refusals a quarter of it
	Entries  int                   // bound of each cache
	Pause    time.Duration         // how long an address is left alone that failed three times in a row
	Places   []Place               // what to ask about a token's reach; nil: nothing is asked
	Index    *IndexOptions         // nil: hashed accessors are not looked up
	// HashedDevices are the audit devices, by name, that are collected and hash accessors.
	HashedDevices []string
	Trace         Trace            // may be nil
	Now           func() time.Time // nil: time.Now
	Log           func(Note)       // told of changes of our own token and of the index; may be nil
}

// Note is something that an operator wants to know: one line, and nothing secret in it.
type Note struct {
	Problem bool
	Text    string
}

// Resolver answers who is behind alerts of one Vault cluster. It is safe for concurrent use.
type Resolver struct {
	opts    Options
	vault   *asker
	life    *life
	index   *index
	caches  caches
	flights singleflight.Group
	better  chan struct{}
	flush   flush

	ctx    context.Context // ends the flights
	cancel context.CancelFunc
	mu     sync.Mutex
	closed bool
	flying sync.WaitGroup
}

// New makes a resolver. It opens files, but no connection; Close must be called in the end.
func New(opts Options) (*Resolver, error) {
	if opts.Deadline <= 0 {
		opts.Deadline = DefaultDeadline
	}
	if opts.TTL <= 0 {
		opts.TTL = DefaultTTL
	}
	if opts.Entries <= 0 {
		opts.Entries = DefaultEntries
	}
	if opts.Pause <= 0 {
		opts.Pause = DefaultPause
	}
	var devices []string
	for _, device := range opts.HashedDevices {
		if device = strings.Trim(device, "/"); device == "" {
			return nil, errors.New("an audit device has no name")
		}
		devices = append(devices, device) // Vault shows "file/", and takes either
	}
	opts.HashedDevices = devices
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Log == nil {
		opts.Log = func(Note) {}
	}
	if opts.Token != nil && len(opts.Vaults) == 0 {
		return nil, errors.New("a token for vault is given, but no address of vault")
	}
	r := &Resolver{opts: opts, better: make(chan struct{}, 1)}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	var err error
	if r.caches, err = newCaches(opts); err != nil {
		r.cancel()
		return nil, fmt.Errorf("make caches: %w", err)
	}
	r.vault = newAsker(opts, r.signalBetter)
	r.life = newLife(opts, r.vault, r.signalBetter)
	if opts.Index != nil && len(opts.Vaults) > 0 {
		if r.index, err = newIndex(*opts.Index, opts, r.vault, r.signalBetter); err != nil {
			r.Close()
			return nil, err
		}
	}
	return r, nil
}

// Close ends all lookups that are under way and waits for them.
func (r *Resolver) Close() {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.cancel()
	r.flying.Wait()
	r.caches.close()
	for _, client := range r.opts.Vaults {
		client.Close()
	}
}

// Login gets our own token and hands it to the clients: for commands that ask once and end. Run does it itself.
func (r *Resolver) Login(ctx context.Context) error { return r.life.login(ctx) }

// Begin is Login for who stays: it learns besides how our own token shows in audit records, so that the first requests
// in its name are known as ours. What could not be learned, Run goes on with.
func (r *Resolver) Begin(ctx context.Context) error {
	if err := r.life.login(ctx); err != nil {
		return err
	}
	r.life.step(ctx)
	return nil
}

// Run keeps our own token alive and the index of hashed accessors full until ctx ends.
func (r *Resolver) Run(ctx context.Context) {
	var owned sync.WaitGroup
	owned.Go(func() { r.life.run(ctx) })
	if r.index != nil {
		owned.Go(func() { r.index.run(ctx) })
	}
	owned.Wait()
}

// Better receives when answers may be better than they were: Vault is back, our token is valid again, the index grew.
// What it says is coalesced; ask again about identities whose MayImprove is true.
func (r *Resolver) Better() <-chan struct{} { return r.better }

func (r *Resolver) signalBetter() {
	select {
	case r.better <- struct{}{}:
	default: // the last signal was not taken yet, and says the same
	}
}

// Resolve says who is behind an alert. It never takes longer than the deadline and never fails: an identity that
// could not be confirmed stands on the audit record, and says why.
func (r *Resolver) Resolve(ctx context.Context, a *alert.Alert) identity.Identity {
	base, ask := question(a)
	if ask.nothing() {
		return base
	}
	if len(r.opts.Vaults) == 0 {
		return unconfirmed(base, identity.ReasonOff)
	}
	if ask.hash != "" {
		if ask.accessor = r.unhash(ask.hash); ask.accessor == "" && ask.entity == "" {
			return base
		}
	}
	r.flushIfDue()
	if known, ok := r.caches.tokens.GetIfPresent(ask.accessor); ok && known.failure == vaultclient.None {
		return withToken(base, known.value, ask) // nearly every alert ends here: without a timer
	}
	ctx, cancel := context.WithTimeout(ctx, r.opts.Deadline)
	defer cancel()
	if ask.accessor != "" {
		token, failure := r.token(ctx, ask.accessor)
		if failure == vaultclient.None {
			return withToken(base, token, ask)
		}
		base = withoutToken(base, failure, ask)
	}
	if ask.entity == "" {
		return base
	}
	entity, failure := r.entity(ctx, ask.entity)
	return withEntity(base, entity, failure)
}

// Recorded says who is behind an alert that is about our own token, without asking: each question would be one more
// such alert.
func (r *Resolver) Recorded(a *alert.Alert) identity.Identity {
	base, ask := question(a)
	if !ask.nothing() {
		base.Why = identity.ReasonOwnToken
	}
	return base
}

// unhash finds the raw accessor of a hashed one; what is not indexed is put down as wanted.
func (r *Resolver) unhash(hash string) string {
	if r.index == nil {
		return ""
	}
	return r.index.find(hash, true)
}

// fly runs work once for all who want the same at the same time. The work outlives a caller who gives up, so that
// its answer serves the next; it ends with its own deadline or the resolver.
func fly[T any](ctx context.Context, r *Resolver, key string, work func(context.Context) result[T]) result[T] {
	done := r.flights.DoChan(key, func() (any, error) {
		if !r.board() {
			return result[T]{failure: vaultclient.Canceled}, nil
		}
		defer r.flying.Done()
		// A little less than those who wait have, so that half an answer still reaches them.
		ctx, cancel := context.WithTimeout(r.ctx, r.opts.Deadline*4/5)
		defer cancel()
		return work(ctx), nil
	})
	select {
	case landed := <-done:
		answer, ok := landed.Val.(result[T])
		if !ok {
			return result[T]{failure: vaultclient.BadAnswer}
		}
		return answer
	case <-ctx.Done():
		return result[T]{failure: vaultclient.Timeout}
	}
}

// board counts one more flight, unless the resolver is closed.
func (r *Resolver) board() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return false
	}
	r.flying.Add(1)
	return true
}

// result is an answer of Vault's or why there is none; both are worth remembering.
type result[T any] struct {
	value   T
	failure vaultclient.Failure
	brief   bool // a part is missing: ask again soon
}
