package wazuhapi

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestAHangEndsAtTheDeadlineAndIsUnknown(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	api := newFakeAPI(t, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})
	defer close(release)
	c := clientOf(t, api, func(cfg *Config) { cfg.RequestTimeout = time.Second })
	out, err := c.ActiveResponse(t.Context(), agents(t, "001"), seal())
	if e := failure(t, err); e.Reason != ReasonNoAnswer || e.Delivery != Unknown || !e.Retry || !errors.Is(e, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if out.Agents[0].Delivery != Unknown {
		t.Errorf("outcome %+v", out)
	}
	if n := api.count(http.MethodPut, "/active-response"); n != 1 {
		t.Errorf("asked %d times", n)
	}
}

func TestAHangingLoginEndsAtTheDeadline(t *testing.T) {
	t.Parallel()
	api := newFakeAPI(t, sentTo)
	api.login = func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	c := clientOf(t, api, func(cfg *Config) { cfg.LoginTimeout = time.Second })
	_, err := c.ActiveResponse(t.Context(), agents(t, "001"), seal())
	if e := failure(t, err); e.Reason != ReasonNoAnswer || e.Delivery != Refused {
		t.Errorf("login timeout: %v", err)
	}
	c = clientOf(t, api, func(cfg *Config) { cfg.CallTimeout = 50 * time.Millisecond })
	_, err = c.ActiveResponse(t.Context(), agents(t, "001"), seal())
	if e := failure(t, err); e.Reason != ReasonNoAnswer || e.Delivery != Refused || !errors.Is(e, context.DeadlineExceeded) {
		t.Errorf("call timeout: %v", err)
	}
}

func TestAnswersThatSayNothing(t *testing.T) {
	t.Parallel()
	full := `{"data": {"affected_items": ["001"], "failed_items": []}, "error": 0}`
	for name, tc := range map[string]struct {
		serve    func(http.ResponseWriter, *http.Request)
		reason   Reason
		delivery Delivery
	}{
		"cut body": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Length", fmt.Sprint(len(full)))
			_, _ = io.WriteString(w, full[:40])
			panic(http.ErrAbortHandler)
		}, ReasonNoAnswer, Unknown},
		"no answer": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, ReasonNoAnswer, Unknown},
		"10 MB body": {func(w http.ResponseWriter, _ *http.Request) {
			answerJSON(w, full+strings.Repeat(" ", 10<<20))
		}, ReasonBadAnswer, Unknown},
		"10 MB error": {func(w http.ResponseWriter, _ *http.Request) {
			answerProblem(w, 500, strings.Repeat(" ", 10<<20))
		}, ReasonBadAnswer, Unknown},
		"redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/security/users", http.StatusTemporaryRedirect)
		}, ReasonRedirected, Refused},
		"no content": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }, ReasonBadAnswer, Unknown},
		"text":       {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, full) }, ReasonBadAnswer, Unknown},
		"gzip, not asked": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			answerJSON(w, full)
		}, ReasonNoAnswer, Unknown},
		"no JSON":        {func(w http.ResponseWriter, _ *http.Request) { answerJSON(w, full[:30]) }, ReasonBadAnswer, Unknown},
		"502 of a proxy": {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "<html>", http.StatusBadGateway) }, ReasonServerError, Unknown},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			api := newFakeAPI(t, tc.serve)
			out, err := clientOf(t, api, nil).ActiveResponse(t.Context(), agents(t, "001"), seal())
			if e := failure(t, err); e.Reason != tc.reason || e.Delivery != tc.delivery || out.Agents[0].Delivery != tc.delivery {
				t.Errorf("got %s %s: %v", e.Delivery, e.Reason, err)
			}
			if n := len(api.seen()); n != 2 {
				t.Errorf("%d requests, want a login and the order", n)
			}
		})
	}
}

func TestTLSIsVerified(t *testing.T) {
	t.Parallel()
	good, ca := certificates(t, time.Now().Add(time.Hour), "127.0.0.1")
	_, otherCA := certificates(t, time.Now().Add(time.Hour), "127.0.0.1")
	expired, expiredCA := certificates(t, time.Now().Add(-time.Hour), "127.0.0.1")
	named, namedCA := certificates(t, time.Now().Add(time.Hour), "localhost")
	for name, tc := range map[string]struct {
		api        *fakeAPI
		serverName string
		reason     Reason
	}{
		"right":               {startFake(t, sentTo, good, ca), "", ReasonSent},
		"wrong CA":            {startFake(t, sentTo, good, otherCA), "", ReasonTLS},
		"expired":             {startFake(t, sentTo, expired, expiredCA), "", ReasonTLS},
		"other name":          {startFake(t, sentTo, named, namedCA), "", ReasonTLS},
		"other name, allowed": {startFake(t, sentTo, named, namedCA), "localhost", ReasonSent},
		"wrong server name":   {startFake(t, sentTo, good, ca), "wazuh.com", ReasonTLS},
	} {
		c := clientOf(t, tc.api, func(cfg *Config) { cfg.ServerName = tc.serverName })
		_, err := c.ActiveResponse(t.Context(), agents(t, "001"), seal())
		if tc.reason == ReasonSent {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if e := failure(t, err); e.Reason != tc.reason || e.Delivery != Refused || e.Retry {
			t.Errorf("%s: %v", name, err)
		}
		if len(tc.api.seen()) != 0 {
			t.Errorf("%s: a request went to an unverified server", name)
		}
	}
}

func TestPlainHTTPBehindTheAddress(t *testing.T) {
	t.Parallel()
	api := newFakeAPI(t, sentTo)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	plain := &http.Server{Handler: http.HandlerFunc(sentTo), ErrorLog: nolog()}
	done := make(chan struct{})
	go func() { defer close(done); _ = plain.Serve(l) }()
	t.Cleanup(func() { _ = plain.Close(); <-done })
	c := clientOf(t, api, func(cfg *Config) { cfg.Addresses = []string{"https://" + l.Addr().String()} })
	_, err = c.Info(t.Context())
	if e := failure(t, err); e.Reason != ReasonTLS {
		t.Errorf("got %v", err)
	}
}

func TestTheNextAddressIsTriedWhenTheFirstCannotBeReached(t *testing.T) {
	t.Parallel()
	cert, ca := certificates(t, time.Now().Add(time.Hour), "127.0.0.1")
	gone, here := startFake(t, sentTo, cert, ca), startFake(t, sentTo, cert, ca)
	gone.Close()
	c := clientOf(t, here, func(cfg *Config) { cfg.Addresses = []string{gone.URL, here.URL} })
	for range 2 {
		if out, err := c.ActiveResponse(t.Context(), agents(t, "001"), seal()); err != nil || !out.All() {
			t.Fatalf("got %+v, %v", out, err)
		}
	}
	c = clientOf(t, here, func(cfg *Config) { cfg.Addresses = []string{gone.URL, gone.URL} })
	_, err := c.ActiveResponse(t.Context(), agents(t, "001"), seal())
	if e := failure(t, err); e.Reason != ReasonUnreachable || e.Delivery != Refused || !e.Retry || e.Earlier == nil || e.Earlier.Reason != ReasonUnreachable {
		t.Errorf("nobody there: %v", err)
	}
}

func TestAnOrderInDoubtIsNotRepeatedButTheNextCallGoesElsewhere(t *testing.T) {
	t.Parallel()
	cert, ca := certificates(t, time.Now().Add(time.Hour), "127.0.0.1")
	cuts := startFake(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, cert, ca)
	works := startFake(t, sentTo, cert, ca)
	c := clientOf(t, works, func(cfg *Config) { cfg.Addresses = []string{cuts.URL, works.URL} })
	out, err := c.ActiveResponse(t.Context(), agents(t, "001"), seal())
	if e := failure(t, err); e.Reason != ReasonNoAnswer || out.Agents[0].Delivery != Unknown || e.Address != cuts.URL {
		t.Fatalf("first call: %+v, %v", out, err)
	}
	if len(works.seen()) != 0 {
		t.Error("an order in doubt went to a second address")
	}
	if out, err := c.ActiveResponse(t.Context(), agents(t, "001"), seal()); err != nil || !out.All() {
		t.Errorf("second call: %+v, %v", out, err)
	}
	if cuts.count("PUT", "/active-response") != 1 || works.count("PUT", "/active-response") != 1 {
		t.Error("the second call did not begin at the other address")
	}
}

func TestAQuestionInDoubtIsRepeatedElsewhere(t *testing.T) {
	t.Parallel()
	cert, ca := certificates(t, time.Now().Add(time.Hour), "127.0.0.1")
	all := recordings(t)
	cuts := startFake(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, cert, ca)
	works := startFake(t, func(w http.ResponseWriter, _ *http.Request) { all["root"].write(w) }, cert, ca)
	c := clientOf(t, works, func(cfg *Config) { cfg.Addresses = []string{cuts.URL, works.URL} })
	if info, err := c.Info(t.Context()); err != nil || info.Version != "4.14.4" {
		t.Errorf("got %+v, %v", info, err)
	}
}

func TestAManagerThatIsNotReadyIsPassedOver(t *testing.T) {
	t.Parallel()
	cert, ca := certificates(t, time.Now().Add(time.Hour), "127.0.0.1")
	all := recordings(t)
	down := startFake(t, func(w http.ResponseWriter, _ *http.Request) { all["fail-remoted-down"].write(w) }, cert, ca)
	works := startFake(t, sentTo, cert, ca)
	c := clientOf(t, works, func(cfg *Config) { cfg.Addresses = []string{down.URL, works.URL} })
	if out, err := c.ActiveResponse(t.Context(), agents(t, "001"), seal()); err != nil || !out.All() {
		t.Errorf("got %+v, %v", out, err)
	}
}

func TestNothingComesFromTheEnvironment(t *testing.T) {
	// Not parallel: it sets variables. A proxy that nobody listens on would break every request; so would another
	// list of CAs.
	for _, v := range []string{"HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"} {
		t.Setenv(v, "http://127.0.0.1:1")
	}
	t.Setenv("SSL_CERT_FILE", "/nonexistent")
	api := newFakeAPI(t, sentTo)
	c := clientOf(t, api, nil)
	if _, err := c.ActiveResponse(t.Context(), agents(t, "001"), seal()); err != nil {
		t.Fatal(err)
	}
	// net/http never uses a proxy for loopback addresses, so the request alone would not tell.
	if c.transport.Proxy != nil {
		t.Error("the transport has a proxy")
	}
}

func TestErrorsHoldNoSecrets(t *testing.T) {
	t.Parallel()
	basic := base64.StdEncoding.EncodeToString([]byte(testUser + ":" + testPassword))
	echo := func(status int) func(http.ResponseWriter, *http.Request) {
		return func(w http.ResponseWriter, r *http.Request) {
			detail := strings.Repeat("x", 250) + " you sent " + r.Header.Get("Authorization") + " and " + testPassword
			body, _ := json.Marshal(map[string]any{"title": detail, "detail": detail, "error": 0})
			answerProblem(w, status, string(body))
		}
	}
	raw := func(w http.ResponseWriter, r *http.Request) { answerRaw(w, r.Header.Get("Authorization")+"\r\n\r\n") }
	for name, tc := range map[string]struct {
		login, serve func(http.ResponseWriter, *http.Request)
	}{
		"login echoes":          {echo(500), nil},
		"login echoes, blocked": {echo(403), nil},
		"answer echoes":         {nil, echo(400)},
		"answer echoes, 401":    {nil, echo(401)},
		"transport echoes":      {nil, raw},
		"login transport":       {raw, nil},
		"failed item echoes": {nil, func(w http.ResponseWriter, r *http.Request) {
			body, _ := json.Marshal(map[string]any{"data": map[string]any{"affected_items": []string{r.Header.Get("Authorization")},
				"failed_items": []any{map[string]any{"error": map[string]any{"code": 1, "message": r.Header.Get("Authorization")}, "id": []string{"001"}}}}})
			answerJSON(w, string(body))
		}},
	} {
		api := newFakeAPI(t, tc.serve)
		api.login = tc.login
		c := clientOf(t, api, nil)
		out, err := c.ActiveResponse(t.Context(), agents(t, "001"), seal())
		told := fmt.Sprintf("%v %+v %#v %+v %v %+v %#v %s", err, err, err, out, c, c, c, c)
		if err != nil {
			told += fmt.Sprintf("%+v", *failure(t, err))
		}
		for what, secret := range map[string]string{"password": testPassword, "basic": basic, "token": api.token(1), "second token": api.token(2), "claims": strings.Split(api.token(1), ".")[1]} {
			if strings.Contains(told, secret) {
				t.Errorf("%s: the %s is in %s", name, what, told)
			}
		}
	}
}

// answerRaw answers with bytes that are not HTTP.
