package wazuhapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/go-resty/resty/v2"
)

// Client speaks to one manager or cluster, by one or several API addresses. Its methods may be called from several
// goroutines.
type Client struct {
	cfg       Config
	http      *resty.Client
	transport *http.Transport
	endpoints []*endpoint
	preferred atomic.Int32 // the address that calls begin with
	budget    *budget

	life    context.Context // ends with Close
	end     context.CancelFunc
	flights sync.WaitGroup

	mu     sync.Mutex
	closed bool
}

// New checks cfg and reads its CA file. It sends nothing.
func New(cfg Config) (*Client, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	cas, err := trusted(cfg.CAFile)
	if err != nil {
		return nil, err
	}
	c := &Client{cfg: cfg, budget: &budget{limit: cfg.PerMinute, reserve: cfg.Reserve}}
	for _, a := range cfg.Addresses {
		base, err := baseAddress(a)
		if err != nil {
			return nil, err
		}
		c.endpoints = append(c.endpoints, &endpoint{base: base})
	}
	c.transport = newTransport(cas, cfg.ServerName)
	c.http = newResty(c.transport)
	c.life, c.end = context.WithCancel(context.Background())
	return c, nil
}

// Close ends what is under way and returns when that has ended.
func (c *Client) Close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.end()
	c.flights.Wait()
	c.transport.CloseIdleConnections()
}

// Format prints the addresses and nothing else, whatever the verb: a Client holds tokens.
func (c *Client) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "wazuh api client of %q", c.cfg.Addresses)
}

// begin counts a call in, and gives it its deadline and Close's end.
func (c *Client) begin(ctx context.Context) (context.Context, func(), error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, nil, ErrClosed
	}
	c.flights.Add(1)
	ctx, cancel := context.WithTimeout(ctx, c.cfg.CallTimeout)
	unhook := context.AfterFunc(c.life, cancel)
	return ctx, func() { unhook(); cancel(); c.flights.Done() }, nil
}

// request is one request as the API sees it.
type request struct {
	method, path, query string
	body                []byte
	// urgent may use the reserve. repeatable may go to the next address even when it may already have been carried
	// out.
	urgent, repeatable bool
}

func (r request) call() string { return r.method + " " + r.path }

// answer is a 200 with a JSON body.
type answer struct {
	body    []byte
	address string
	token   string // what must not be repeated in messages
}

// do sends a request to the addresses, one after the other, until one of them has answered.
func (c *Client) do(ctx context.Context, req request) (answer, *Error) {
	first := int(c.preferred.Load())
	var last *Error
	for i := range c.endpoints {
		n := (first + i) % len(c.endpoints)
		got, failed := c.ask(ctx, c.endpoints[n], req)
		if failed == nil {
			c.preferred.Store(int32(n))
			return got, nil
		}
		if last != nil {
			withEarlier := *failed
			withEarlier.Earlier = last
			failed = &withEarlier
		}
		if !elsewhere(failed) {
			return answer{}, failed
		}
		// Whatever comes next begins at the next address, also when this request goes no further.
		c.preferred.CompareAndSwap(int32(n), int32((n+1)%len(c.endpoints)))
		if failed.Delivery == Unknown && !req.repeatable || ctx.Err() != nil {
			return answer{}, failed
		}
		last = failed
	}
	return answer{}, last
}

// elsewhere says whether another address could do better: what failed belongs to the way there or to that one API
// process, not to the request or the user.
func elsewhere(e *Error) bool {
	switch e.Reason {
	case ReasonUnreachable, ReasonTLS, ReasonNoAnswer, ReasonNotReady, ReasonTimeout, ReasonServerError,
		ReasonBadAnswer, ReasonRedirected, ReasonRateLimited, ReasonLoginBlocked:
		return true
	}
	return false
}

// ask sends a request to one address, logging in where that is needed, and once more when the token is refused.
func (c *Client) ask(ctx context.Context, e *endpoint, req request) (answer, *Error) {
	var failed *Error
	for range 2 {
		token, err := c.tokenFor(ctx, e)
		if err != nil {
			return answer{}, notSent(err)
		}
		ctx, cancel := context.WithTimeout(ctx, c.cfg.RequestTimeout)
		var got answer
		got, failed = c.exchange(ctx, e, req, "Bearer "+token, token)
		cancel()
		if failed == nil {
			return got, nil
		}
		if failed.Status != http.StatusUnauthorized {
			return answer{}, failed
		}
		e.forget(token)
	}
	return answer{}, failed
}

// notSent is a failed login as the outcome of a request that therefore did not leave.
func notSent(login *Error) *Error {
	e := *login
	e.Delivery = Refused
	return &e
}

// exchange sends one request and reads its answer. secrets are what must not appear in an error.
func (c *Client) exchange(ctx context.Context, e *endpoint, req request, authorization string, secrets ...string) (answer, *Error) {
	if wait, ok := c.budget.take(c.cfg.Now(), req.urgent); !ok {
		return answer{}, &Error{Call: req.call(), Address: e.base, Reason: ReasonHeldBack, Delivery: Refused, Retry: true,
			Detail: fmt.Sprintf("room in %s", wait.Round(secondsShown))}
	}
	ctx, seen := watched(ctx)
	r := c.http.R().SetContext(ctx).SetHeader("Authorization", authorization)
	if req.body != nil {
		r.SetHeader("Content-Type", "application/json").SetBody(req.body)
	}
	url := e.base + req.path
	if req.query != "" {
		url += "?" + req.query
	}
	resp, err := r.Execute(req.method, url)
	if err != nil {
		return answer{}, transportFailed(ctx, e.base, req, seen, err, secrets)
	}
	if resp.StatusCode() != http.StatusOK {
		return answer{}, statusFailed(e, req, resp, secrets)
	}
	if t, _, err := mime.ParseMediaType(resp.Header().Get("Content-Type")); err != nil || t != "application/json" {
		return answer{}, badAnswer(e.base, req, "the answer is not application/json")
	}
	return answer{body: resp.Body(), address: e.base, token: secrets[0]}, nil
}

// problem is the API's error body (application/problem+json, error_handler.py:144-175).
type problem struct {
	Title  string `json:"title"`
	Detail string `json:"detail"`
	Error  int    `json:"error"`
}

func statusFailed(e *endpoint, req request, resp *resty.Response, secrets []string) *Error {
	var p problem
	if json.Unmarshal(resp.Body(), &p) != nil {
		p = problem{}
	}
	v := statusVerdict(resp.StatusCode(), p.Error)
	text := p.Detail
	if text == "" {
		text = p.Title
	}
	return &Error{Call: req.call(), Address: e.base, Reason: v.reason, Delivery: v.delivery, Retry: v.retry,
		Status: resp.StatusCode(), Code: p.Error, Detail: printable(without(text, secrets...))}
}

// badAnswer is an answer with status 200 that says nothing: whatever was asked for may have been done.
func badAnswer(address string, req request, what string) *Error {
	return &Error{Call: req.call(), Address: address, Reason: ReasonBadAnswer, Delivery: Unknown, Retry: true, Status: http.StatusOK, Detail: what}
}

// stopped is a call whose context ended before anything was sent.
func stopped(ctx context.Context, address, call string) *Error {
	err := &Error{Call: call, Address: address, Delivery: Refused, Retry: true, cause: ctx.Err()}
	if errors.Is(ctx.Err(), context.Canceled) {
		err.Reason, err.Detail = ReasonCancelled, "given up by the caller"
		return err
	}
	err.Reason, err.Detail = ReasonNoAnswer, "no answer to the login within the deadline"
	return err
}
