package wazuhapi

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

const (
	loginPath = "/security/user/authenticate"
	// loginHold is how long a refused login is not repeated with the same password. The API blocks an address for 300
	// s at 50 wrong logins, and does not forget them on a good one.
	loginHold = 60 * time.Second
	// tokenMargin is how long before its end a token is not used any more.
	tokenMargin = 30 * time.Second
	maxToken    = 16 << 10
)

// endpoint is one API address with the token that it gave. Nothing says that another node would take it.
type endpoint struct {
	base   string
	flight singleflight.Group

	mu       sync.Mutex
	token    string
	until    time.Time // when the token is to be renewed unasked; zero: when it is refused
	loginGet bool      // 4.3: logs in with GET, and answers 405 to POST

	heldUntil time.Time
	held      *Error
	heldFor   [sha256.Size]byte
}

// current is the token if there is one that is worth trying.
func (e *endpoint) current(now time.Time) (string, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.token == "" || !e.until.IsZero() && !now.Before(e.until) {
		return "", false
	}
	return e.token, true
}

// forget drops a token that was refused, unless somebody has already put another in its place.
func (e *endpoint) forget(token string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.token == token {
		e.token = ""
	}
}

func (e *endpoint) keep(token string, now time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.token, e.until, e.held = token, time.Time{}, nil
	if life := lifetime(token); life > 2*tokenMargin {
		e.until = now.Add(life - tokenMargin)
	}
}

// refused remembers a login that is not to be repeated for a while.
func (e *endpoint) refused(err *Error, password [sha256.Size]byte, now time.Time) {
	if err.Reason != ReasonCredentials && err.Reason != ReasonLoginBlocked {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.held, e.heldFor, e.heldUntil = err, password, now.Add(loginHold)
}

// holds is the earlier refusal, if a login now would only count as one more wrong one. A changed password is tried at
// once, except from a blocked address.
func (e *endpoint) holds(password [sha256.Size]byte, now time.Time) *Error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.held == nil || !now.Before(e.heldUntil) {
		return nil
	}
	if e.held.Reason == ReasonCredentials && e.heldFor != password {
		return nil
	}
	return e.held
}

// lifetime is how long a token lives by its own word (exp less nbf), 0 if it does not say. Both are the manager's
// clock, so ours does not matter.
func lifetime(token string) time.Duration {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return 0
	}
	claims, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return 0
	}
	var c struct {
		Exp int64 `json:"exp"`
		Nbf int64 `json:"nbf"`
	}
	if json.Unmarshal(claims, &c) != nil || c.Nbf <= 0 || c.Exp <= c.Nbf || c.Exp-c.Nbf > 1<<31 {
		return 0
	}
	return time.Duration(c.Exp-c.Nbf) * time.Second
}

// tokenFor is the endpoint's token, from a login if there is none. However many ask, one login is made.
func (c *Client) tokenFor(ctx context.Context, e *endpoint) (string, *Error) {
	if t, ok := e.current(c.cfg.Now()); ok {
		return t, nil
	}
	c.flights.Add(1)
	ch := e.flight.DoChan("login", func() (any, error) {
		if t, ok := e.current(c.cfg.Now()); ok {
			return t, nil // a login that ended between the look above and this one
		}
		// The login belongs to all who wait for it, so it does not end with the first of them.
		ctx, cancel := context.WithTimeout(c.life, c.cfg.LoginTimeout)
		defer cancel()
		t, err := c.login(ctx, e)
		if err != nil {
			return "", err
		}
		return t, nil
	})
	select {
	case r := <-ch:
		c.flights.Done()
		return flightResult(r)
	case <-ctx.Done():
		go func() { <-ch; c.flights.Done() }()
		return "", stopped(ctx, e.base, http.MethodPost+" "+loginPath)
	}
}

func flightResult(r singleflight.Result) (string, *Error) {
	var failed *Error
	if errors.As(r.Err, &failed) {
		return "", failed
	}
	token, _ := r.Val.(string)
	return token, nil
}

// login asks for a token: with POST, and with GET where POST is not known (4.3).
func (c *Client) login(ctx context.Context, e *endpoint) (string, *Error) {
	password, err := c.cfg.Password()
	defer clear(password)
	if err == nil && (len(password) == 0 || len(password) > maxSecretBytes) {
		err = errors.New("the password is empty or far too long")
	}
	if err != nil {
		return "", &Error{Call: http.MethodPost + " " + loginPath, Address: e.base, Reason: ReasonSecretUnreadable, Delivery: Refused, Retry: true,
			Detail: printable(without(err.Error(), string(password))), cause: err}
	}
	sum := sha256.Sum256(password)
	if held := e.holds(sum, c.cfg.Now()); held != nil {
		return "", held
	}
	e.mu.Lock()
	method := http.MethodPost
	if e.loginGet {
		method = http.MethodGet
	}
	e.mu.Unlock()
	token, failed := c.authenticate(ctx, e, method, password)
	if failed != nil && failed.Status == http.StatusMethodNotAllowed && method == http.MethodPost {
		token, failed = c.authenticate(ctx, e, http.MethodGet, password)
		e.mu.Lock()
		e.loginGet = failed == nil
		e.mu.Unlock()
	}
	if failed != nil {
		e.refused(failed, sum, c.cfg.Now())
		return "", failed
	}
	e.keep(token, c.cfg.Now())
	return token, nil
}

func (c *Client) authenticate(ctx context.Context, e *endpoint, method string, password []byte) (string, *Error) {
	basic := base64.StdEncoding.EncodeToString([]byte(c.cfg.User + ":" + string(password)))
	req := request{method: method, path: loginPath, urgent: true, repeatable: true}
	got, failed := c.exchange(ctx, e, req, "Basic "+basic, basic, string(password))
	if failed != nil {
		if failed.Status == http.StatusUnauthorized && failed.Code == 0 {
			failed.Reason, failed.Retry = ReasonCredentials, false
		}
		return "", failed
	}
	var answer struct {
		Data struct {
			Token string `json:"token"`
		} `json:"data"`
	}
	if err := json.Unmarshal(got.body, &answer); err != nil {
		return "", badAnswer(e.base, req, "the answer to the login is not the JSON that the API documents")
	}
	if t := answer.Data.Token; t == "" || len(t) > maxToken || strings.ContainsFunc(t, notTokenChar) {
		return "", badAnswer(e.base, req, "the answer to the login holds no usable token")
	}
	return answer.Data.Token, nil
}

// notTokenChar keeps out of the Authorization header what could end it.
func notTokenChar(r rune) bool { return r <= ' ' || r > '~' }
