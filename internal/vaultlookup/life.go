package vaultlookup

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"custom-vault/internal/secret"
	"custom-vault/internal/vaultclient"

	"github.com/hashicorp/vault/api"
)

const (
	glance     = 5 * time.Second // how often the token's file is read again, and a Vault that was away is tried
	maxBackoff = time.Minute     // between logins that fail
	lifeCall   = 10 * time.Second
	maxFormer  = 16 // accessors of ours that are remembered as ours
)

// TokenSource says where our own token comes from: a file, or a login by AppRole.
type TokenSource struct {
	File    string // one line, checked by secret.ReadFile
	AppRole *AppRole
}

// AppRole logs in with a role id and a secret id. The token's entity then stays the same over all logins.
type AppRole struct {
	Mount        string // approle
	RoleID       string
	SecretIDFile string
}

// Own is what is known of our own token: how it shows in audit records, and how long it is good for.
type Own struct {
	Accessors []string  // ours, raw and hashed, the newest first, some former ones after it
	EntityID  string    // empty unless it comes from an AppRole
	Policies  []string  // names
	Expires   time.Time // zero: never, or not known
	Period    time.Duration
	Renewable bool
	Valid     bool   // false: no token yet, or Vault does not know it any more
	Problem   string // the last thing that went wrong, empty when all is well
}

// Own tells of our own token.
func (r *Resolver) Own() Own { return r.life.show() }

// caller is what a life needs of Vault.
type caller interface {
	call(ctx context.Context, method, path string, body map[string]any) (*api.Secret, vaultclient.Failure)
	setToken(secret.Text) error
	probe(ctx context.Context)
	setProbing(bool)
}

// life keeps our own token: gets it, learns what it is, renews it, gets it anew.
type life struct {
	source  *TokenSource
	vault   caller
	devices []string
	now     func() time.Time
	log     func(Note)
	better  func()
	wake    chan struct{}

	mu       sync.Mutex
	own      Own
	token    secret.Text          // what the file held, to see that it changed
	invalid  bool                 // Vault said so
	known    bool                 // lookup-self has answered for this token
	hashed   bool                 // our accessor's hashes are known
	told     map[string]time.Time // troubles, and when the log was told of each
	unhashed string               // why not; empty when all is well
	renewAt  time.Time            // zero: never
	loginAt  time.Time            // not before
	backoff  time.Duration
}

func newLife(opts Options, vault *asker, better func()) *life {
	l := &life{source: opts.Token, vault: vault, devices: opts.HashedDevices, now: opts.Now, log: opts.Log, better: better, wake: make(chan struct{}, 1), told: make(map[string]time.Time)}
	vault.invalid = l.sayInvalid
	return l
}

func (l *life) show() Own {
	l.mu.Lock()
	defer l.mu.Unlock()
	own := l.own
	if own.Problem == "" {
		own.Problem = l.unhashed
	}
	own.Accessors = slices.Clone(own.Accessors)
	own.Policies = slices.Clone(own.Policies)
	return own
}

// sayInvalid is told by the first call that Vault refused for an invalid token. Calls have stopped already.
func (l *life) sayInvalid() {
	l.mu.Lock()
	l.invalid, l.own.Valid = true, false
	l.problem("vault says that our own token is invalid: revoked, expired or used up; nothing is asked until there is another one")
	l.mu.Unlock()
	l.nudge()
}

// rehash makes the hashes of our accessor be asked for again: a device was enabled anew.
func (l *life) rehash() {
	l.mu.Lock()
	l.hashed = false
	l.mu.Unlock()
	l.nudge()
}

func (l *life) nudge() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// tellAgain is how long the same trouble is not told a second time, whatever comes in between.
const tellAgain = 10 * time.Minute

// problem notes what is wrong with our own token, and tells the log. l.mu is held.
func (l *life) problem(text string) {
	l.note(&l.own.Problem, text, "our own vault token is well again")
}

// hashProblem does the same for the hashes of our accessor, which may be missing while the token is well.
func (l *life) hashProblem(text string) {
	l.note(&l.unhashed, text, "our own lookups can be told again on all audit devices")
}

// note tells a trouble when it comes and when it is over. Two that take turns, as long as an outage lasts, are told
// once each in a while.
func (l *life) note(at *string, text, over string) {
	was := *at
	*at = text
	now := l.now()
	switch {
	case text == "" && was != "":
		l.log(Note{Text: over})
	case text == "" || text == was || !l.told[text].IsZero() && now.Sub(l.told[text]) < tellAgain:
	default:
		maps.DeleteFunc(l.told, func(_ string, at time.Time) bool { return now.Sub(at) >= tellAgain })
		l.told[text] = now
		l.log(Note{Problem: true, Text: text})
	}
}

// run does what is due until ctx ends.
func (l *life) run(ctx context.Context) {
	l.vault.setProbing(true)
	defer l.vault.setProbing(false)
	for ctx.Err() == nil {
		timer := time.NewTimer(l.step(ctx))
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-l.wake:
		}
		timer.Stop()
	}
}

// step does what is due now and says when to come again.
func (l *life) step(ctx context.Context) time.Duration {
	l.probe(ctx)
	if l.source == nil {
		return glance
	}
	if l.loginDue() {
		if err := l.login(ctx); err != nil {
			return glance
		}
	}
	l.mu.Lock()
	invalid, learn, hash := l.invalid || l.token.Empty(), !l.known, !l.hashed
	renew := !l.renewAt.IsZero() && !l.now().Before(l.renewAt)
	l.mu.Unlock()
	if invalid {
		return glance
	}
	if renew {
		l.renew(ctx)
	} else if learn {
		l.learn(ctx)
	}
	if hash {
		l.hashOwn(ctx)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if until := l.renewAt.Sub(l.now()); !l.renewAt.IsZero() && until < glance {
		return max(until, 10*time.Millisecond)
	}
	return glance
}

func (l *life) probe(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, lifeCall)
	defer cancel()
	l.vault.probe(ctx)
}

// loginDue says whether to get a token: there is none, its file changed, or an AppRole's has become invalid.
func (l *life) loginDue() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.source.AppRole != nil {
		return (l.token.Empty() || l.invalid) && !l.now().Before(l.loginAt)
	}
	if l.token.Empty() {
		return true
	}
	now, err := secret.ReadFile(l.source.File)
	return err == nil && !now.Equal(l.token)
}

// login gets a token and hands it to the clients.
func (l *life) login(ctx context.Context) error {
	if l.source == nil {
		return nil
	}
	token, accessor, err := l.fetch(ctx)
	if err == nil {
		err = l.vault.setToken(token)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.backoff = min(max(2*l.backoff, time.Second), maxBackoff)
		l.loginAt = l.now().Add(jitter(l.backoff))
		l.problem("our own vault token is not to be had: " + err.Error())
		return err
	}
	l.token, l.backoff, l.renewAt = token, 0, time.Time{}
	l.invalid, l.known, l.hashed = false, false, false
	l.own.Valid = true
	l.addAccessor(accessor)
	if l.source.AppRole != nil {
		l.problem("") // Vault gave it; what a file holds is to be seen
	}
	l.better()
	return nil
}

func (l *life) fetch(ctx context.Context) (token secret.Text, accessor string, err error) {
	role := l.source.AppRole
	if role == nil {
		token, err = secret.ReadFile(l.source.File)
		return token, "", err
	}
	id, err := secret.ReadFile(role.SecretIDFile)
	if err != nil {
		return secret.Text{}, "", err
	}
	ctx, cancel := context.WithTimeout(ctx, lifeCall)
	defer cancel()
	path := "auth/" + strings.Trim(role.Mount, "/") + "/login"
	answer, failure := l.vault.call(ctx, http.MethodPut, path, map[string]any{"role_id": role.RoleID, "secret_id": string(id.Reveal())})
	switch {
	case failure == vaultclient.Rejected:
		return secret.Text{}, "", fmt.Errorf("log in at %s: %w: role id or secret id refused: issue a new secret id into %s", path, ErrNotPermitted, role.SecretIDFile)
	case failure != vaultclient.None:
		return secret.Text{}, "", fmt.Errorf("log in at %s: %w", path, lookupError(failure))
	case answer.Auth == nil || answer.Auth.ClientToken == "":
		return secret.Text{}, "", errors.New("log in at " + path + ": the answer has no token")
	}
	return secret.New([]byte(answer.Auth.ClientToken)), clip(answer.Auth.Accessor), nil
}

// learn asks Vault what our token is.
func (l *life) learn(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, lifeCall)
	defer cancel()
	answer, failure := l.vault.call(ctx, http.MethodGet, "auth/token/lookup-self", nil)
	l.mu.Lock()
	defer l.mu.Unlock()
	switch failure {
	case vaultclient.None:
	case vaultclient.OwnTokenInvalid:
		return // sayInvalid has been told
	case vaultclient.NotPermitted:
		l.known = true      // asking again helps nobody
		l.renewAt = l.now() // a renewal tells how long it is good for, too
		l.own.Expires = time.Time{}
		l.problem("our own vault token may not look itself up: its policy lacks auth/token/lookup-self, its entity is disabled, or its addresses are bound")
		return
	default:
		l.problem("our own vault token could not be looked up: " + string(failure))
		return
	}
	data := fields(answer.Data)
	token := tokenOf(data)
	first := !l.known
	l.known = true
	l.own.EntityID, l.own.Policies = data.text("entity_id"), data.list("policies")
	l.own.Expires, l.own.Period, l.own.Renewable = token.Expires, token.Period, token.Renewable
	l.addAccessor(data.text("accessor"))
	l.problem("")
	if first {
		l.schedule(token.TTL)
		l.log(Note{Text: l.introduce(token.TTL)})
	}
}

func (l *life) introduce(ttl time.Duration) string {
	text := "our own vault token: policies " + strings.Join(l.own.Policies, ", ")
	switch {
	case l.own.Expires.IsZero():
		return text + "; it never expires"
	case l.renewAt.IsZero():
		return fmt.Sprintf("%s; good for %v, and cannot be renewed: replace it before", text, ttl)
	}
	return fmt.Sprintf("%s; good for %v, renewed in %v", text, ttl, l.renewAt.Sub(l.now()).Round(time.Second))
}

// schedule sets the next renewal at a third of the time that the token has. l.mu is held.
func (l *life) schedule(ttl time.Duration) {
	l.renewAt = time.Time{}
	if l.own.Renewable && ttl > 0 {
		l.renewAt = l.now().Add(jitter(ttl / 3))
	}
}

func (l *life) renew(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, lifeCall)
	defer cancel()
	answer, failure := l.vault.call(ctx, http.MethodPut, "auth/token/renew-self", map[string]any{})
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case failure == vaultclient.OwnTokenInvalid:
		l.renewAt = time.Time{}
	case l.own.Expires.IsZero() && failure == vaultclient.NotPermitted:
		l.renewAt = time.Time{} // it may neither look itself up nor renew itself: said already
	case failure != vaultclient.None || answer.Auth == nil:
		// A tenth of what is left, so that several tries remain.
		left := l.own.Expires.Sub(l.now())
		l.renewAt = l.now().Add(jitter(min(max(left/10, time.Second), maxBackoff)))
		l.problem(fmt.Sprintf("our own vault token could not be renewed (%s): good until %s", failure, l.own.Expires.UTC().Format(time.RFC3339)))
	default:
		ttl := time.Duration(min(max(answer.Auth.LeaseDuration, 0), 1<<31-1)) * time.Second
		l.own.Expires = l.now().Add(ttl)
		l.own.Renewable = answer.Auth.Renewable
		l.schedule(ttl)
		l.problem("")
	}
}

// hashOwn learns how our accessor shows on devices that hash it.
func (l *life) hashOwn(ctx context.Context) {
	l.mu.Lock()
	own := slices.Clone(l.own.Accessors)
	l.mu.Unlock()
	i := slices.IndexFunc(own, func(accessor string) bool { return !strings.HasPrefix(accessor, hashPrefix) })
	if i < 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, lifeCall)
	defer cancel()
	for _, device := range l.devices {
		answer, failure := l.vault.call(ctx, http.MethodPut, "sys/audit-hash/"+device, map[string]any{"input": own[i]})
		if failure != vaultclient.None {
			l.mu.Lock()
			l.hashProblem(fmt.Sprintf("audit device %s does not hash our accessor for us (%s): our own lookups cannot be told there", device, failure))
			l.mu.Unlock()
			return
		}
		l.mu.Lock()
		l.addAccessor(fields(answer.Data).text("hash"))
		l.mu.Unlock()
	}
	l.mu.Lock()
	l.hashed = true
	l.hashProblem("")
	l.mu.Unlock()
}

// addAccessor puts one more accessor, raw or hashed, in front. l.mu is held.
func (l *life) addAccessor(accessor string) {
	if accessor == "" || slices.Contains(l.own.Accessors, accessor) {
		return
	}
	l.own.Accessors = slices.Insert(l.own.Accessors, 0, accessor)
	if len(l.own.Accessors) > maxFormer {
		l.own.Accessors = l.own.Accessors[:maxFormer]
	}
}

// jitter varies a time by a tenth, so that several of us do not come at once.
func jitter(d time.Duration) time.Duration {
	return time.Duration(float64(d) * (0.9 + 0.2*rand.Float64())) //nolint:gosec // spread, not secrecy
}
