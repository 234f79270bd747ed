package vaultclient

import (
	"fmt"
	"io"
	"net/http"
)

// guard stands between vault/api and the network. vault/api takes an answer 3xx that is not followed for success
// (with DisableRedirects, Sys().Seal() returns nil and lookups nil, nil), and reads bodies to their end, however
// long; both end here, before it can.
type guard struct {
	next      http.RoundTripper
	maxAnswer int64
}

// RoundTrip makes redirects and bodies that are announced too long errors, and bounds all other bodies.
func (g *guard) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := g.next.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	var refused error
	switch {
	case response.StatusCode >= 300 && response.StatusCode < 400:
		refused = &RedirectError{Status: response.StatusCode, Location: response.Header.Get("Location")}
	case response.ContentLength > g.maxAnswer:
		refused = &TooLargeError{Limit: g.maxAnswer}
	}
	if refused != nil {
		// Not drained: what follows is not wanted, and the connection is dropped with it.
		_ = response.Body.Close()
		return nil, refused
	}
	response.Body = &boundedBody{ReadCloser: response.Body, left: g.maxAnswer, limit: g.maxAnswer}
	return response, nil
}

type boundedBody struct {
	io.ReadCloser
	left, limit int64
}

func (b *boundedBody) Read(p []byte) (int, error) {
	if b.left < 0 {
		return 0, &TooLargeError{Limit: b.limit}
	}
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1] // one byte more than allowed tells too long from just long enough
	}
	n, err := b.ReadCloser.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, &TooLargeError{Limit: b.limit}
	}
	return n, err
}

// RedirectError is an answer 3xx. It is never followed: the token would go to whatever host it names.
type RedirectError struct {
	Status   int
	Location string // as the server wrote it; not to be believed
}

func (e *RedirectError) Error() string {
	return fmt.Sprintf("redirect %d to %s not followed", e.Status, clip(e.Location))
}

// TooLargeError is an answer longer than Config.MaxAnswer.
type TooLargeError struct {
	Limit int64 // bytes
}

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("answer is longer than %d bytes", e.Limit)
}
