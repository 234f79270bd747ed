package vaultlookup

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"custom-vault/internal/alert"
	"custom-vault/internal/vaultclient"

	"golang.org/x/time/rate"
)

const (
	hashPrefix = alert.HashPrefix
	// canary is hashed first: when its hash changes, the device was enabled anew and all its hashes are void.
	canary = "custom-vault canary"
	// maxWanted bounds the hashes that wait for an answer, and those that were sought in vain.
	maxWanted = 4096
	// maxIndexed bounds the accessors in the index: a LIST of more exceeds the client's bound on answers.
	maxIndexed = 150_000
	// forgetVain is how long a hash that no live accessor has is not sought again.
	forgetVain = 10 * time.Minute
	indexCall  = 10 * time.Second
)

// IndexOptions say how hashed accessors are found. It needs a token that may LIST auth/token/accessors, which takes
// sudo, and each hash that is asked for adds 2.7 kB to the audit log: so it is off unless configured.
type IndexOptions struct {
	File      string        // kept over restarts, mode 0600
	PerSecond float64       // calls of audit-hash a second; 50 if zero
	Every     time.Duration // shortest time between two LISTs; 10 s if zero
}

// index knows the hashes of all live accessors, as each device makes them. One goroutine fills it.
type index struct {
	vault   *asker
	devices []string
	file    string
	every   time.Duration
	limit   *rate.Limiter
	now     func() time.Time
	log     func(Note)
	better  func()
	wake    chan struct{}
	running atomic.Bool

	mu       sync.Mutex
	byHash   map[string]string            // hash → accessor, over all devices
	known    map[string]map[string]string // device → accessor → hash
	canaries map[string]string            // device → hash of the canary
	wanted   map[string]time.Time         // hash → since when
	vain     map[string]time.Time         // hash → when it was sought in vain
	doubted  bool
	trouble  string
}

func newIndex(options IndexOptions, opts Options, vault *asker, better func()) (*index, error) {
	if options.PerSecond <= 0 {
		options.PerSecond = 50
	}
	if options.Every <= 0 {
		options.Every = 10 * time.Second
	}
	x := &index{
		vault: vault, devices: opts.HashedDevices, file: options.File, every: options.Every,
		limit: rate.NewLimiter(rate.Limit(options.PerSecond), max(1, int(options.PerSecond))),
		now:   opts.Now, log: opts.Log, better: better, wake: make(chan struct{}, 1),
		byHash: make(map[string]string), known: make(map[string]map[string]string), canaries: make(map[string]string),
		wanted: make(map[string]time.Time), vain: make(map[string]time.Time),
	}
	if len(x.devices) == 0 {
		return nil, fmt.Errorf("the index of hashed accessors needs the names of the audit devices that hash")
	}
	for _, device := range x.devices {
		x.known[device] = make(map[string]string)
	}
	return x, x.load()
}

// find gives the accessor of a hash, or nothing. With want, what is not known is sought.
func (x *index) find(hash string, want bool) string {
	x.mu.Lock()
	defer x.mu.Unlock()
	if accessor, ok := x.byHash[hash]; ok || !want {
		return accessor
	}
	if since, sought := x.vain[hash]; sought && x.now().Sub(since) < forgetVain {
		return ""
	}
	if _, waits := x.wanted[hash]; !waits && len(x.wanted) < maxWanted {
		x.wanted[hash] = x.now()
	}
	x.nudge()
	return ""
}

func (x *index) size() int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return len(x.byHash)
}

// doubt has the canaries looked at before the index is filled again: a device was enabled or disabled.
func (x *index) doubt() {
	x.mu.Lock()
	x.doubted = true
	x.mu.Unlock()
	x.nudge()
}

func (x *index) nudge() {
	select {
	case x.wake <- struct{}{}:
	default:
	}
}

// seek finds the accessor of a hash for somebody who waits, by filling the index in the foreground unless run does
// it already.
func (x *index) seek(ctx context.Context, hash string) string {
	if accessor := x.find(hash, true); accessor != "" || x.running.Load() {
		return accessor
	}
	(&pass{x: x}).fill(ctx)
	return x.find(hash, false)
}

// run fills the index whenever a hash is wanted, until ctx ends. The wants of a while are served by one LIST.
func (x *index) run(ctx context.Context) {
	x.running.Store(true)
	defer x.running.Store(false)
	pass := &pass{x: x}
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-x.wake:
			if x.hungry() {
				pass.fill(ctx)
			}
		}
	}
}

func (x *index) hungry() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return len(x.wanted) > 0 || x.doubted
}

// problem tells the log what is wrong, once as long as it stays the same, and when it is over.
func (x *index) problem(text string) {
	x.mu.Lock()
	changed := x.trouble != text
	x.trouble = text
	x.mu.Unlock()
	switch {
	case changed && text != "":
		x.log(Note{Problem: true, Text: text})
	case changed:
		x.log(Note{Text: "hashed accessors are found again"})
	}
}

// pass is the work of filling: what is left to hash, the newest on top.
type pass struct {
	x       *index
	pending []string // accessors, the last is next
	listed  time.Time
}

// fill lists all accessors and hashes those that are new, within the budget. A hash that comes to be wanted
// meanwhile has the list made again, so that its accessor, which must be a young one, is hashed before all others.
func (p *pass) fill(ctx context.Context) {
	x := p.x
	for {
		if wait := x.every - time.Since(p.listed); wait > 0 && !p.listed.IsZero() && !pause(ctx, wait) {
			return
		}
		began := x.now()
		p.listed = time.Now()
		if !x.checkCanaries(ctx) || !p.list(ctx) {
			return
		}
		finished, ok := p.hash(ctx)
		x.save() // also what was done until it ended
		if !ok {
			return
		}
		x.problem("")
		if finished {
			x.settle(began)
			if !x.hungry() {
				return
			}
		}
	}
}

func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// checkCanaries drops what is known of devices that were enabled anew.
func (x *index) checkCanaries(ctx context.Context) bool {
	x.mu.Lock()
	x.doubted = false
	x.mu.Unlock()
	for _, device := range x.devices {
		hash, ok := x.ask(ctx, device, canary)
		if !ok {
			x.mu.Lock()
			x.doubted = true
			x.mu.Unlock()
			return false
		}
		x.mu.Lock()
		if x.canaries[device] != hash {
			if x.canaries[device] != "" {
				x.log(Note{Text: fmt.Sprintf("audit device %s was enabled anew: its %d hashes are void", device, len(x.known[device]))})
			}
			for _, old := range x.known[device] {
				delete(x.byHash, old)
			}
			x.known[device] = make(map[string]string)
			x.canaries[device] = hash
		}
		x.mu.Unlock()
	}
	return true
}

// list asks for all accessors, forgets the dead ones and puts the new ones on top of what is pending.
func (p *pass) list(ctx context.Context) bool {
	x := p.x
	ctx, cancel := context.WithTimeout(ctx, indexCall)
	defer cancel()
	answer, failure := x.vault.list(ctx, "auth/token/accessors")
	if failure != vaultclient.None {
		x.problem(fmt.Sprintf("the list of accessors is not to be had (%s): hashed accessors stay unknown", failure))
		return false
	}
	keys, _ := answer["keys"].([]any)
	alive := make(map[string]bool, len(keys))
	for _, key := range keys {
		if accessor, ok := key.(string); ok && accessor != "" && len(accessor) <= maxText && len(alive) < maxIndexed {
			alive[accessor] = true
		}
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.prune(alive)
	p.pending = slices.DeleteFunc(p.pending, func(accessor string) bool { return !alive[accessor] })
	waiting := make(map[string]bool, len(p.pending))
	for _, accessor := range p.pending {
		waiting[accessor] = true
	}
	for accessor := range alive {
		if !waiting[accessor] && !x.complete(accessor) {
			p.pending = append(p.pending, accessor)
		}
	}
	return true
}

// prune forgets accessors that Vault does not list any more. x.mu is held.
func (x *index) prune(alive map[string]bool) {
	for _, byAccessor := range x.known {
		for accessor, hash := range byAccessor {
			if !alive[accessor] {
				delete(byAccessor, accessor)
				delete(x.byHash, hash)
			}
		}
	}
}

// complete reports whether all devices' hashes of an accessor are known. x.mu is held.
func (x *index) complete(accessor string) bool {
	for _, device := range x.devices {
		if _, ok := x.known[device][accessor]; !ok {
			return false
		}
	}
	return true
}

// hash hashes what is pending. It stops early, not finished, when another hash is wanted and a new list is due.
func (p *pass) hash(ctx context.Context) (finished, ok bool) {
	x := p.x
	for len(p.pending) > 0 {
		if time.Since(p.listed) > x.every && x.wantedSince(p.listed) {
			return false, true
		}
		accessor := p.pending[len(p.pending)-1]
		for _, device := range x.devices {
			x.mu.Lock()
			_, have := x.known[device][accessor]
			x.mu.Unlock()
			if have {
				continue
			}
			hash, ok := x.ask(ctx, device, accessor)
			if !ok {
				return false, false
			}
			x.learn(device, accessor, hash)
		}
		p.pending = p.pending[:len(p.pending)-1]
	}
	return true, true
}

// wantedSince reports whether a hash has come to be wanted after a time.
func (x *index) wantedSince(listed time.Time) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, since := range x.wanted {
		if since.After(listed) {
			return true
		}
	}
	return false
}

func (x *index) learn(device, accessor, hash string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.known[device][accessor] = hash
	x.byHash[hash] = accessor
	if _, waits := x.wanted[hash]; waits {
		delete(x.wanted, hash)
		x.better()
	}
}

// settle gives up hashes that were wanted before a pass began which hashed everything alive.
func (x *index) settle(began time.Time) {
	x.mu.Lock()
	defer x.mu.Unlock()
	now := x.now()
	for hash, since := range x.vain {
		if now.Sub(since) >= forgetVain {
			delete(x.vain, hash)
		}
	}
	for hash, since := range x.wanted {
		if !since.After(began) {
			delete(x.wanted, hash)
			if len(x.vain) < maxWanted {
				x.vain[hash] = now
			}
		}
	}
}

// ask has a device hash a value, within the budget.
func (x *index) ask(ctx context.Context, device, value string) (string, bool) {
	if x.limit.Wait(ctx) != nil {
		return "", false
	}
	ctx, cancel := context.WithTimeout(ctx, indexCall)
	defer cancel()
	answer, failure := x.vault.write(ctx, "sys/audit-hash/"+device, map[string]any{"input": value})
	hash := fields(answer).text("hash")
	if failure == vaultclient.None && !alert.Hashed(hash) {
		failure = vaultclient.BadAnswer
	}
	if failure != vaultclient.None {
		if failure != vaultclient.Canceled {
			x.problem(fmt.Sprintf("audit device %s does not hash for us (%s): hashed accessors stay unknown", device, failure))
		}
		return "", false
	}
	return hash, true
}
