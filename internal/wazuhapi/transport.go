package wazuhapi

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/go-resty/resty/v2"
)

// secondsShown is how exactly waiting times are told.
const secondsShown = time.Second

// watched says, once the request has ended, whether it was given a connection: from then on the far side may have
// read it.
func watched(ctx context.Context) (context.Context, *atomic.Bool) {
	var connected atomic.Bool
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { connected.Store(true) },
	}), &connected
}

// transportFailed is a request that got no whole answer.
func transportFailed(ctx context.Context, address string, req request, connected *atomic.Bool, err error, secrets []string) *Error {
	failed := &Error{Call: req.call(), Address: address, Retry: true, Delivery: Refused, Reason: ReasonUnreachable}
	if connected.Load() {
		failed.Delivery, failed.Reason = Unknown, ReasonNoAnswer
	}
	var timeout net.Error
	switch {
	case errors.Is(err, resty.ErrResponseBodyTooLarge):
		failed.Reason = ReasonBadAnswer
		failed.Detail = fmt.Sprintf("the answer is over %d bytes", maxBodyBytes)
	case errors.Is(ctx.Err(), context.Canceled):
		failed.Reason, failed.cause = ReasonCancelled, context.Canceled
		failed.Detail = "given up by the caller"
	case isTLS(err):
		failed.Reason, failed.Retry = ReasonTLS, false
		failed.Detail = transportText(err, secrets)
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		failed.cause = context.DeadlineExceeded
		failed.Detail = "no answer within the deadline"
		if !connected.Load() {
			failed.Detail = "no connection within the deadline"
		}
	default:
		failed.Detail = transportText(err, secrets)
	}
	return failed
}

// transportText is the innermost useful text: url.Error would only repeat method and address.
func transportText(err error, secrets []string) string {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	return printable(without(err.Error(), secrets...))
}

func isTLS(err error) bool {
	var untrusted *tls.CertificateVerificationError
	var alert tls.AlertError
	var notTLS tls.RecordHeaderError
	return errors.As(err, &untrusted) || errors.As(err, &alert) || errors.As(err, &notTLS) || errors.Is(err, http.ErrSchemeMismatch)
}
