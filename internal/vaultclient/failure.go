package vaultclient

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"unicode"

	"github.com/hashicorp/vault/api"
)

// Failure says what went wrong with a call: a closed set, fit for a metric's label.
type Failure string

// The failures. Only Gone says anything about the accessor that was asked for.
const (
	None            Failure = ""
	Gone            Failure = "gone"              // 400 invalid accessor: revoked, expired, never was, or a hash
	NotFound        Failure = "not found"         // 404: no such entity, group, policy or path
	OwnTokenInvalid Failure = "own token invalid" // 403 with "invalid token": ours is revoked, expired or wrong
	NotPermitted    Failure = "not permitted"     // 403 without: our policy, our entity disabled, wrong address
	Rejected        Failure = "rejected"          // any other 4xx
	Sealed          Failure = "sealed"            // 503 Vault is sealed, or not initialised
	Standby         Failure = "standby"           // a node that leads not and knows no leader, or may not seal
	Throttled       Failure = "throttled"         // 429, a quota
	ServerError     Failure = "server error"      // any other 5xx, a blocked audit device too
	Redirect        Failure = "redirect"          // 3xx, never followed
	BadAnswer       Failure = "bad answer"        // not what Vault says: no JSON, cut, empty, too long
	TLS             Failure = "tls"               // the certificate or the handshake
	Timeout         Failure = "timeout"           // ours or the caller's deadline
	Canceled        Failure = "canceled"          // the caller gave up
	Unreachable     Failure = "unreachable"       // no connection, or it was closed before an answer
)

// Failures lists all of them but None, for metrics that start at zero.
func Failures() []Failure {
	return []Failure{Gone, NotFound, OwnTokenInvalid, NotPermitted, Rejected, Sealed, Standby, Throttled, ServerError,
		Redirect, BadAnswer, TLS, Timeout, Canceled, Unreachable}
}

// AnswersNothing reports whether the failure says nothing about what was asked, so that another node, or the same one
// later, may answer.
func (f Failure) AnswersNothing() bool {
	switch f {
	case Sealed, Standby, Throttled, ServerError, Redirect, BadAnswer, TLS, Timeout, Unreachable:
		return true
	}
	return false
}

// Hint says what an operator can do about a failure that says nothing about what was asked.
func (f Failure) Hint() string {
	switch f {
	case Sealed:
		return "unseal it"
	case Standby:
		return "it has no leader: look at the cluster's other nodes"
	case Throttled:
		return "raise the rate limit quota for our address and paths"
	case ServerError:
		return "look at its server log; an audit device may be blocked, its disk full"
	case Redirect:
		return "give the address of each node itself: redirects are not followed, since a token would go with them"
	case BadAnswer:
		return "see what answers at that address: a proxy, or another server than vault"
	case TLS:
		return "compare its certificate with ca_file (the authority that signed it, not the system's), its names with the address or server_name, " +
			"and its dates with the clock"
	}
	return "check that it runs, and the way to it"
}

// Error is the failure of one call. Its text is one line of bounded length without the token; what Vault, or whoever
// answered in its place, wrote is quoted in part.
type Error struct {
	Failure Failure
	Op      string // what was tried: "read identity/entity/id/…"
	Address string
	Status  int // HTTP status; 0 if there was no answer
	text    string
	cause   error
}

func (e *Error) Error() string {
	return fmt.Sprintf("%s at vault %s: %s: %s", e.Op, e.Address, e.Failure, e.text)
}

// Detail is the error's text without what was tried and where.
func (e *Error) Detail() string { return e.text }

// Unwrap gives the cause as vault/api returned it. Its text may be long and of many lines: not for logs.
func (e *Error) Unwrap() error { return e.cause }

// Classify names the failure of an error that a Client or vault/api returned; None for nil.
func Classify(err error) Failure {
	var own *Error
	switch {
	case err == nil:
		return None
	case errors.As(err, &own):
		return own.Failure
	}
	var answer *api.ResponseError
	if errors.As(err, &answer) {
		return classifyAnswer(answer)
	}
	return classifyTransport(err)
}

// classifyAnswer judges an answer of status 4xx or 5xx. What kind of 403 it is stands in its text only.
func classifyAnswer(answer *api.ResponseError) Failure {
	text := strings.Join(answer.Errors, "\n")
	code := answer.StatusCode
	switch {
	case code == http.StatusTooManyRequests:
		return Throttled
	case answer.RawError && code < 500:
		return BadAnswer // Vault's own refusals are JSON: a proxy or another server speaks here
	case code == http.StatusBadRequest && strings.Contains(text, "invalid accessor"):
		return Gone
	case code == http.StatusForbidden && strings.Contains(text, "invalid token"):
		return OwnTokenInvalid
	case code == http.StatusForbidden:
		return NotPermitted
	case code == http.StatusNotFound:
		return NotFound
	case code < 500:
		return Rejected
	case code == http.StatusServiceUnavailable && strings.Contains(text, "sealed"):
		return Sealed
	case strings.Contains(text, "active cluster node not found"), strings.Contains(text, "standby mode"):
		return Standby
	}
	return ServerError
}

func classifyTransport(err error) Failure {
	var (
		redirect *RedirectError
		tooLarge *TooLargeError
		network  net.Error
	)
	switch {
	case errors.As(err, &redirect):
		return Redirect
	case errors.As(err, &tooLarge), errors.Is(err, errNotVault):
		return BadAnswer
	case errors.Is(err, context.Canceled):
		return Canceled
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &network) && network.Timeout():
		return Timeout
	case isTLS(err):
		return TLS
	case errors.Is(err, io.ErrUnexpectedEOF), isProtocol(err):
		return BadAnswer
	}
	return lastResort(err)
}

// lastResort tells what broke on the way (net/http wraps it in url.Error, a body's loss is a net.OpError) from what
// came whole and could not be understood.
func lastResort(err error) Failure {
	var request *url.Error
	var operation *net.OpError
	if errors.As(err, &request) || errors.As(err, &operation) {
		return Unreachable
	}
	return BadAnswer
}

func isTLS(err error) bool {
	var (
		verify    *tls.CertificateVerificationError
		record    tls.RecordHeaderError
		alert     tls.AlertError
		authority x509.UnknownAuthorityError
		invalid   x509.CertificateInvalidError
		hostname  x509.HostnameError
	)
	return errors.As(err, &verify) || errors.As(err, &record) || errors.As(err, &alert) || errors.As(err, &authority) ||
		errors.As(err, &invalid) || errors.As(err, &hostname) || errors.Is(err, http.ErrSchemeMismatch) ||
		// crypto/tls has no type for these: a peer's alert and a protocol version that does not fit.
		strings.Contains(err.Error(), "remote error: tls:") || strings.Contains(err.Error(), ": tls: ")
}

// isProtocol reports whether what came back is not HTTP. net/http has no exported type for it.
func isProtocol(err error) bool {
	return strings.Contains(err.Error(), "malformed HTTP") || strings.Contains(err.Error(), "server response headers exceeded")
}

// failed makes an Error of what vault/api returned.
func (c *Client) failed(op string, err error) error {
	e := &Error{Failure: Classify(err), Op: op, Address: c.address, cause: err}
	var answer *api.ResponseError
	var request *url.Error
	switch {
	case errors.As(err, &answer):
		e.Status = answer.StatusCode
		e.text = strconv.Itoa(answer.StatusCode) + " " + strings.Join(answer.Errors, "; ")
		if answer.RawError {
			// Somebody else's page, perhaps with our own request in it.
			e.text = strconv.Itoa(answer.StatusCode) + " with a body that is not Vault's"
		}
	case errors.As(err, &request):
		e.text = request.Err.Error() // without method and URL, which Op and Address say better
	default:
		e.text = err.Error()
	}
	if token := c.api.Token(); token != "" {
		e.text = strings.ReplaceAll(e.text, token, "[redacted]")
	}
	e.text = clip(e.text)
	return e
}

// errNotVault is an answer that says success and yet is not what Vault answers.
var errNotVault = errors.New("answer is not what vault says")

// maxQuote bounds what of a foreign text is repeated in an error, in bytes.
const maxQuote = 300

// clip makes a foreign text fit for one line of an error.
func clip(text string) string {
	if len(text) > maxQuote {
		text = text[:maxQuote] + "…"
	}
	text = strings.ToValidUTF8(text, "�")
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool {
		return unicode.IsSpace(r) || !unicode.IsPrint(r)
	}), " ")
}
