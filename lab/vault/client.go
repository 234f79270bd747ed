package vault

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// requestTimeout bounds one request. A seal of a raft node that lost its peers takes 3 s.
const requestTimeout = time.Minute

// maxAnswer bounds an answer's body. The largest that the lab asks for is a list of 100,000 accessors, 2.7 MB.
const maxAnswer = 16 << 20

// methodList is Vault's own HTTP method.
const methodList = "LIST"

// Client asks one server with one token. It is safe for concurrent use.
type Client struct {
	address      string
	token        string
	forwardedFor string
	http         *http.Client
}

// Answer is what Vault said, whatever it was.
type Answer struct {
	Status int
	Body   []byte
}

// APIError is an answer that is not a success.
type APIError struct {
	Method, Path string
	Status       int
	// Errors are Vault's own texts. A 404 may have none.
	Errors []string
}

// Error names the request and Vault's words; it never holds a token.
func (e *APIError) Error() string {
	text := strings.Join(e.Errors, "; ")
	if text == "" {
		text = http.StatusText(e.Status)
	}
	return fmt.Sprintf("%s %s: vault answered %d: %s", e.Method, e.Path, e.Status, strings.TrimSpace(text))
}

// Auth is a token that Vault has issued.
type Auth struct {
	ClientToken   string            `json:"client_token"`
	Accessor      string            `json:"accessor"`
	EntityID      string            `json:"entity_id"`
	Policies      []string          `json:"policies"`
	Metadata      map[string]string `json:"metadata"`
	LeaseDuration int               `json:"lease_duration"` // seconds
	Orphan        bool              `json:"orphan"`
	TokenType     string            `json:"token_type"`
}

// response is the envelope of a Vault answer.
type response struct {
	RequestID string          `json:"request_id"`
	Data      json.RawMessage `json:"data"`
	Auth      *Auth           `json:"auth"`
	Errors    []string        `json:"errors"`
	Warnings  []string        `json:"warnings"`
}

// Client returns a client with that token; an empty one sends none.
func (s *Server) Client(token string) *Client {
	return &Client{
		address: s.Address(),
		token:   token,
		http: &http.Client{
			Transport:     s.transport,
			Timeout:       requestTimeout,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// Root returns a client with the root token that Init got.
func (s *Server) Root() *Client { return s.Client(s.keys.RootToken) }

// WithToken returns a client for the same server with another token.
func (c *Client) WithToken(token string) *Client {
	other := *c
	other.token = token
	return &other
}

// From returns a client that says it forwards for ip (X-Forwarded-For). The audit log shows that address
// if the server trusts this client's: Config.TrustForwardedFrom.
func (c *Client) From(ip string) *Client {
	other := *c
	other.forwardedFor = ip
	return &other
}

// Do sends one request; path is what follows /v1/. Its error means that there was no whole answer: every
// status is an Answer.
func (c *Client) Do(ctx context.Context, method, path string, body any) (Answer, error) {
	var payload io.Reader
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			return Answer{}, fmt.Errorf("%s %s: encode the request: %w", method, path, err)
		}
		payload = bytes.NewReader(encoded)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.address+"/v1/"+path, payload)
	if err != nil {
		return Answer{}, fmt.Errorf("%s %s: make the request: %w", method, path, err)
	}
	req.Header.Set("User-Agent", "custom-vault-lab")
	req.Header.Set("X-Vault-Request", "true")
	if c.token != "" {
		req.Header.Set("X-Vault-Token", c.token)
	}
	if c.forwardedFor != "" {
		req.Header.Set("X-Forwarded-For", c.forwardedFor)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return Answer{}, fmt.Errorf("%s %s: %w", method, path, err)
	}
	content, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		return Answer{}, fmt.Errorf("%s %s: read the answer: %w", method, path, err)
	}
	if len(content) > maxAnswer {
		return Answer{}, fmt.Errorf("%s %s: the answer is longer than %d bytes", method, path, maxAnswer)
	}
	return Answer{Status: resp.StatusCode, Body: content}, nil
}

// Err is nil for a 2xx answer, else an *APIError for the request that led to it.
func (a Answer) Err(method, path string) error {
	if a.Status >= 200 && a.Status < 300 {
		return nil
	}
	var r response
	_ = json.Unmarshal(a.Body, &r) // a proxy's page has no Vault errors; the status says enough
	return &APIError{Method: method, Path: path, Status: a.Status, Errors: r.Errors}
}

// ask sends one request and wants a 2xx answer; data, if not nil, takes the answer's data.
func (c *Client) ask(ctx context.Context, method, path string, body, data any) (response, error) {
	answer, err := c.Do(ctx, method, path, body)
	if err != nil {
		return response{}, err
	}
	if err := answer.Err(method, path); err != nil {
		return response{}, err
	}
	var r response
	if len(answer.Body) == 0 {
		return r, nil
	}
	if err := json.Unmarshal(answer.Body, &r); err != nil {
		return response{}, fmt.Errorf("%s %s: read the answer: %w", method, path, err)
	}
	if data == nil {
		return r, nil
	}
	if err := json.Unmarshal(r.Data, data); err != nil {
		return response{}, fmt.Errorf("%s %s: read the answer's data: %w", method, path, err)
	}
	return r, nil
}

// StatusOf is the status of the answer that err reports, or 0 if it reports none.
func StatusOf(err error) int {
	var api *APIError
	if errors.As(err, &api) {
		return api.Status
	}
	return 0
}
