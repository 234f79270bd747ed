package wazuhapi

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestConcurrentCallersLogInOnce(t *testing.T) {
	t.Parallel()
	const callers = 20
	release := make(chan struct{})
	api := newFakeAPI(t, sentTo)
	api.login = func(w http.ResponseWriter, _ *http.Request) { <-release; api.giveToken(w) }
	c := clientOf(t, api, nil)
	var wg sync.WaitGroup
	errs := make([]error, callers)
	for i := range callers {
		wg.Go(func() { _, errs[i] = c.ActiveResponse(t.Context(), agents(t, "001"), seal()) })
	}
	close(release)
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	if api.logins != 1 {
		t.Errorf("%d logins for %d callers", api.logins, callers)
	}
}

func TestACallerWhoGivesUpDoesNotTakeTheLoginAlong(t *testing.T) {
	t.Parallel()
	entered, release := make(chan struct{}), make(chan struct{})
	api := newFakeAPI(t, sentTo)
	var once sync.Once
	api.login = func(w http.ResponseWriter, _ *http.Request) {
		once.Do(func() { close(entered) })
		<-release
		api.giveToken(w)
	}
	c := clientOf(t, api, nil)
	ctx, cancel := context.WithCancel(t.Context())
	first := make(chan error, 1)
	go func() { _, err := c.ActiveResponse(ctx, agents(t, "001"), seal()); first <- err }()
	<-entered
	second := make(chan error, 1)
	go func() { _, err := c.ActiveResponse(t.Context(), agents(t, "001"), seal()); second <- err }()
	cancel()
	if e := failure(t, <-first); e.Reason != ReasonCancelled || e.Delivery != Refused || !errors.Is(e, context.Canceled) {
		t.Errorf("the first caller: %v", e)
	}
	close(release)
	if err := <-second; err != nil {
		t.Errorf("the second caller: %v", err)
	}
	if api.logins != 1 {
		t.Errorf("%d logins", api.logins)
	}
}

func TestA401LeadsToOneNewLoginAndNoMore(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ refusals, logins, requests int }{
		{0, 1, 1},
		{1, 2, 2},
		{99, 2, 2}, // every token is refused: given up after the second
	} {
		api := newFakeAPI(t, sentTo)
		api.expire = tc.refusals
		out, err := clientOf(t, api, nil).ActiveResponse(t.Context(), agents(t, "001"), seal())
		if tc.refusals < 2 {
			if err != nil || !out.All() {
				t.Errorf("%d refusals: %+v, %v", tc.refusals, out, err)
			}
		} else if e := failure(t, err); e.Reason != ReasonTokenRefused || e.Delivery != Refused || !e.Retry || out.Agents[0].Reason != ReasonTokenRefused {
			t.Errorf("%d refusals: %+v, %v", tc.refusals, out, err)
		}
		if n := api.count(http.MethodPut, "/active-response"); api.logins != tc.logins || n != tc.requests {
			t.Errorf("%d refusals: %d logins, %d requests; want %d and %d", tc.refusals, api.logins, n, tc.logins, tc.requests)
		}
	}
}

func TestATokenIsRenewedBeforeItsEnd(t *testing.T) {
	t.Parallel()
	api := newFakeAPI(t, sentTo)
	now := &clock{t: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)}
	c := clientOf(t, api, func(cfg *Config) { cfg.Now = now.now })
	for _, step := range []struct {
		wait   time.Duration
		logins int
	}{{0, 1}, {869 * time.Second, 1}, {time.Second, 2}, {time.Second, 2}} {
		now.add(step.wait)
		if _, err := c.ActiveResponse(t.Context(), agents(t, "001"), seal()); err != nil {
			t.Fatal(err)
		}
		if api.logins != step.logins {
			t.Errorf("at %s: %d logins, want %d", now.now().Format(time.TimeOnly), api.logins, step.logins)
		}
	}
}

func TestAWrongPasswordIsNotTriedAgainUntilItChangesOrAWhileHasPassed(t *testing.T) {
	t.Parallel()
	api := newFakeAPI(t, sentTo)
	now := &clock{t: time.Now()}
	secret := "wr0ng.Password"
	c := clientOf(t, api, func(cfg *Config) {
		cfg.Now = now.now
		cfg.Password = func() ([]byte, error) { return []byte(secret), nil }
	})
	ask := func() *Error {
		_, err := c.ActiveResponse(t.Context(), agents(t, "001"), seal())
		return failure(t, err)
	}
	for range 5 {
		if e := ask(); e.Reason != ReasonCredentials || e.Retry || e.Delivery != Refused {
			t.Fatalf("got %+v", e)
		}
	}
	if api.logins != 1 {
		t.Errorf("%d logins with the same wrong password", api.logins)
	}
	now.add(loginHold)
	ask()
	if api.logins != 2 {
		t.Errorf("%d logins after the hold, want 2", api.logins)
	}
	secret = testPassword
	if _, err := c.ActiveResponse(t.Context(), agents(t, "001"), seal()); err != nil {
		t.Errorf("with the corrected password: %v", err)
	}
}

func TestLoginFailures(t *testing.T) {
	t.Parallel()
	all := recordings(t)
	for name, tc := range map[string]struct {
		login  func(http.ResponseWriter, *http.Request)
		reason Reason
	}{
		"blocked":     {func(w http.ResponseWriter, _ *http.Request) { all["block-login"].write(w) }, ReasonLoginBlocked},
		"over limit":  {func(w http.ResponseWriter, _ *http.Request) { all["limit-429-login"].write(w) }, ReasonRateLimited},
		"not ready":   {func(w http.ResponseWriter, _ *http.Request) { all["fail-remoted-down"].write(w) }, ReasonNotReady},
		"plain 500":   {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "Internal Server Error", 500) }, ReasonServerError},
		"not JSON":    {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") }, ReasonBadAnswer},
		"no token":    {func(w http.ResponseWriter, _ *http.Request) { answerJSON(w, `{"data":{},"error":0}`) }, ReasonBadAnswer},
		"two headers": {func(w http.ResponseWriter, _ *http.Request) { answerJSON(w, `{"data":{"token":"a\r\nX: y"}}`) }, ReasonBadAnswer},
		"huge token": {func(w http.ResponseWriter, _ *http.Request) {
			answerJSON(w, `{"data":{"token":"`+strings.Repeat("a", maxToken+1)+`"}}`)
		}, ReasonBadAnswer},
		"redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		}, ReasonRedirected},
		"cut off":      {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, ReasonNoAnswer},
		"GET not here": {func(w http.ResponseWriter, _ *http.Request) { all["ar-wrong-method"].write(w) }, ReasonBadRequest},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			api := newFakeAPI(t, sentTo)
			api.login = tc.login
			out, err := clientOf(t, api, nil).ActiveResponse(t.Context(), agents(t, "001"), seal())
			// An order whose login failed has surely not left.
			if e := failure(t, err); e.Reason != tc.reason || e.Delivery != Refused || out.Agents[0].Delivery != Refused {
				t.Errorf("got %s %s: %v", e.Delivery, e.Reason, err)
			}
			if n := api.count(http.MethodPut, "/active-response"); n != 0 {
				t.Errorf("%d orders without a login", n)
			}
		})
	}
}

func TestWazuh43LogsInByGet(t *testing.T) {
	t.Parallel()
	api := newFakeAPI(t, sentTo)
	api.login = func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			recordings(t)["ar-wrong-method"].write(w)
			return
		}
		api.giveToken(w)
	}
	c := clientOf(t, api, nil)
	for range 2 {
		api.mu.Lock()
		api.expire = 1
		api.mu.Unlock()
		if _, err := c.ActiveResponse(t.Context(), agents(t, "001"), seal()); err != nil {
			t.Fatal(err)
		}
	}
	if posts, gets := api.count("POST", loginPath), api.count("GET", loginPath); posts != 1 || gets != 3 {
		t.Errorf("%d POST and %d GET logins, want 1 and 3", posts, gets)
	}
}

func TestUnreadablePassword(t *testing.T) {
	t.Parallel()
	api := newFakeAPI(t, sentTo)
	for name, read := range map[string]func() ([]byte, error){
		"error": func() ([]byte, error) { return nil, os.ErrPermission },
		"empty": func() ([]byte, error) { return nil, nil },
		"huge":  func() ([]byte, error) { return make([]byte, maxSecretBytes+1), nil },
	} {
		_, err := clientOf(t, api, func(cfg *Config) { cfg.Password = read }).Info(t.Context())
		if e := failure(t, err); e.Reason != ReasonSecretUnreadable {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(api.seen()) != 0 {
		t.Error("a login was tried")
	}
}
