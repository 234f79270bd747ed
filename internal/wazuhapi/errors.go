package wazuhapi

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxDetailBytes bounds what is kept of a text that the far side chose.
const maxDetailBytes = 300

// ErrClosed is what calls answer after Close.
var ErrClosed = errors.New("the client of the wazuh api is closed")

// Error is a call that as a whole did not succeed. Its text names the call, the address, the reason and what to do,
// and holds no secret.
type Error struct {
	// Call is the method and path, without the query.
	Call string
	// Address is the API address that answered, or was tried last.
	Address string
	Reason  Reason
	// Delivery is Unknown where the request may have had its effect.
	Delivery Delivery
	// Retry says whether the same call can go better a while later with nobody changing anything.
	Retry bool
	// Status is the HTTP status, 0 when there was no answer. Code is Wazuh's error code, 0 when there was none.
	Status, Code int
	// Detail is what the API or the transport said: bounded, without control characters, without secrets.
	Detail string
	// Earlier is what happened at the addresses that were tried before.
	Earlier *Error

	cause error
}

func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s at %s: %s", e.Call, e.Address, e.Reason)
	var facts []string
	if e.Status != 0 {
		facts = append(facts, fmt.Sprintf("http status %d", e.Status))
	}
	if e.Code != 0 {
		facts = append(facts, fmt.Sprintf("code %d", e.Code))
	}
	if e.Detail != "" {
		facts = append(facts, e.Detail)
	}
	if len(facts) > 0 {
		fmt.Fprintf(&b, " (%s)", strings.Join(facts, ", "))
	}
	if h := e.Reason.Hint(); h != "" {
		b.WriteString(": " + h)
	}
	if e.Earlier != nil {
		fmt.Fprintf(&b, "; before that at %s: %s", e.Earlier.Address, e.Earlier.Reason)
		if e.Earlier.Detail != "" {
			fmt.Fprintf(&b, " (%s)", e.Earlier.Detail)
		}
	}
	return b.String()
}

// Unwrap gives context.Canceled, context.DeadlineExceeded or the password reader's error where that was the cause.
func (e *Error) Unwrap() error { return e.cause }

// printable bounds text, and takes control characters and whatever is not UTF-8 out of it.
func printable(text string) string {
	cut := len(text) > 4*maxDetailBytes
	if cut {
		text = text[:4*maxDetailBytes]
	}
	text = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || unicode.IsControl(r) || !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, " "))
	if len(text) > maxDetailBytes {
		text, cut = text[:maxDetailBytes], true
		for len(text) > 0 && !utf8.ValidString(text) {
			text = text[:len(text)-1]
		}
	}
	if cut {
		text += "…"
	}
	return text
}

// without takes every secret out of text, before text is cut (half a token is still half a token).
func without(text string, secrets ...string) string {
	for _, s := range secrets {
		if s != "" {
			text = strings.ReplaceAll(text, s, "(secret)")
		}
	}
	return text
}
