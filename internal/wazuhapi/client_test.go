package wazuhapi

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func nolog() *log.Logger { return log.New(io.Discard, "", 0) }

func failure(t *testing.T, err error) *Error {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("error %v (%T), want an *Error", err, err)
	}
	return e
}

func TestTheRequestsAreThoseThatWazuhWasSeenToTake(t *testing.T) {
	t.Parallel()
	for name, call := range map[string]func(context.Context, *Client) error{
		"ar-ok": func(ctx context.Context, c *Client) error {
			_, err := c.ActiveResponse(ctx, agents(t, "001"), seal())
			return err
		},
		"ar-minimal": func(ctx context.Context, c *Client) error {
			_, err := c.ActiveResponse(ctx, agents(t, "001"), Order{Command: "!vault-seal"})
			return err
		},
		"ar-mixed": func(ctx context.Context, c *Client) error {
			_, err := c.ActiveResponse(ctx, agents(t, "001", "002", "999"), seal())
			return err
		},
		"root": func(ctx context.Context, c *Client) error {
			_, err := c.Info(ctx)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rec := recordings(t)[name]
			api := newFakeAPI(t, func(w http.ResponseWriter, _ *http.Request) { rec.write(w) })
			if err := call(t.Context(), clientOf(t, api, nil)); err != nil {
				t.Fatal(err)
			}
			seen := api.seen()
			if len(seen) != 2 {
				t.Fatalf("%d requests, want a login and one more", len(seen))
			}
			login := recordings(t)["auth-ok"].Request
			if basic := base64.StdEncoding.EncodeToString([]byte(testUser + ":" + testPassword)); seen[0].method != login.Method ||
				seen[0].target != login.Path || seen[0].authorization != "Basic "+basic || len(seen[0].body) != 0 {
				t.Errorf("login %+v", seen[0])
			}
			if seen[1].method != rec.Request.Method || seen[1].target != rec.Request.Path || seen[1].contentType != rec.Request.Headers["Content-Type"] {
				t.Errorf("sent %s %s (%s), recorded %s %s", seen[1].method, seen[1].target, seen[1].contentType, rec.Request.Method, rec.Request.Path)
			}
			if rec.Request.Body == "" {
				return
			}
			var sent, recorded any
			if json.Unmarshal(seen[1].body, &sent) != nil || json.Unmarshal([]byte(rec.Request.Body), &recorded) != nil || !reflect.DeepEqual(sent, recorded) {
				t.Errorf("sent %s, recorded %s", seen[1].body, rec.Request.Body)
			}
		})
	}
}

func TestNothingIsSentWithoutAgents(t *testing.T) {
	t.Parallel()
	api := newFakeAPI(t, sentTo)
	c := clientOf(t, api, nil)
	if _, err := c.ActiveResponse(t.Context(), AgentIDs{}, seal()); !errors.Is(err, ErrNoAgents) {
		t.Errorf("active response: %v", err)
	}
	if _, err := c.Agents(t.Context(), AgentIDs{}); !errors.Is(err, ErrNoAgents) {
		t.Errorf("agents: %v", err)
	}
	if _, err := c.ActiveResponse(t.Context(), agents(t, "001"), Order{Command: "a b"}); !errors.Is(err, ErrOrder) {
		t.Errorf("bad order: %v", err)
	}
	if n := len(api.seen()); n != 0 {
		t.Errorf("%d requests reached the API", n)
	}
}

func TestAgents(t *testing.T) {
	t.Parallel()
	all := recordings(t)
	api := newFakeAPI(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.RawQuery, "agents_list=999&") {
			all["agents-unknown"].write(w)
			return
		}
		all["agents"].write(w)
	})
	c := clientOf(t, api, nil)
	list, err := c.Agents(t.Context(), agents(t, "003", "001", "002", "004"))
	if err != nil {
		t.Fatal(err)
	}
	want := []Agent{
		{ID: "003", Name: "vault-3", Status: StatusDisconnected, Node: "unknown", LastKeepAlive: time.Date(2026, 11, 24, 14, 23, 54, 0, time.UTC)},
		{ID: "001", Name: "vault-1", Status: StatusActive, Node: "undefined", Version: "Wazuh v4.14.4", LastKeepAlive: time.Date(2026, 11, 24, 14, 24, 26, 0, time.UTC)},
		{ID: "002", Name: "vault-2", Status: StatusNeverConnected, Node: "unknown"},
		{ID: "004", Problem: ReasonNotListed},
	}
	for i := range list {
		list[i].LastKeepAlive = list[i].LastKeepAlive.UTC()
	}
	if !reflect.DeepEqual(list, want) {
		t.Errorf("got %+v\nwant %+v", list, want)
	}
	list, err = c.Agents(t.Context(), agents(t, "999"))
	if err != nil || len(list) != 1 || list[0].Problem != ReasonAgentUnknown || list[0].Status != StatusUnlisted {
		t.Errorf("unknown agent: %+v, %v", list, err)
	}
	if seen := api.seen()[1]; seen.target != "/agents?agents_list=003,001,002,004&select=id,name,status,version,node_name,lastKeepAlive" {
		t.Errorf("asked %s", seen.target)
	}
}

func TestInfo(t *testing.T) {
	t.Parallel()
	api := newFakeAPI(t, func(w http.ResponseWriter, _ *http.Request) { recordings(t)["root"].write(w) })
	info, err := clientOf(t, api, nil).Info(t.Context())
	want := Info{Version: "4.14.4", Hostname: "wazuh-manager", Time: time.Date(2026, 11, 24, 14, 24, 28, 0, time.UTC)}
	if err != nil || info != want {
		t.Errorf("got %+v, %v; want %+v", info, err, want)
	}
}

func TestAReserveIsKeptForActiveResponses(t *testing.T) {
	t.Parallel()
	all := recordings(t)
	api := newFakeAPI(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut {
			sentTo(w, r)
			return
		}
		all["root"].write(w)
	})
	now := &clock{t: time.Now()}
	c := clientOf(t, api, func(cfg *Config) { cfg.PerMinute, cfg.Reserve, cfg.Now = 10, 4, now.now })
	for range 5 { // and one login
		if _, err := c.Info(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	_, err := c.Info(t.Context())
	if e := failure(t, err); e.Reason != ReasonHeldBack || e.Delivery != Refused || !e.Retry {
		t.Errorf("the sixth question: %v", err)
	}
	for range 4 {
		if _, err := c.ActiveResponse(t.Context(), agents(t, "001"), seal()); err != nil {
			t.Fatalf("an active response within the reserve: %v", err)
		}
	}
	_, err = c.ActiveResponse(t.Context(), agents(t, "001"), seal())
	if e := failure(t, err); e.Reason != ReasonHeldBack {
		t.Errorf("over the whole limit: %v", err)
	}
	if n := len(api.seen()); n != 10 {
		t.Errorf("the API saw %d requests, 10 were allowed", n)
	}
	now.add(window)
	if _, err := c.Info(t.Context()); err != nil {
		t.Errorf("a minute later: %v", err)
	}
}

func TestCloseEndsWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	entered := make(chan struct{})
	api := newFakeAPI(t, func(_ http.ResponseWriter, r *http.Request) { close(entered); <-r.Context().Done() })
	c := clientOf(t, api, nil)
	result := make(chan error, 1)
	go func() { _, err := c.ActiveResponse(t.Context(), agents(t, "001"), seal()); result <- err }()
	<-entered
	c.Close()
	if e := failure(t, <-result); e.Reason != ReasonCancelled || e.Delivery != Unknown {
		t.Errorf("got %v", e)
	}
	if _, err := c.Info(t.Context()); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	if _, err := c.ActiveResponse(t.Context(), agents(t, "001"), seal()); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

func answerRaw(w http.ResponseWriter, text string) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		panic(err)
	}
	_, _ = io.WriteString(conn, text)
	_ = conn.Close()
}

func TestConfigIsChecked(t *testing.T) {
	t.Parallel()
	api := newFakeAPI(t, sentTo)
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty.pem")
	if err := os.WriteFile(empty, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, edit := range map[string]func(*Config){
		"no address":       func(c *Config) { c.Addresses = nil },
		"http":             func(c *Config) { c.Addresses = []string{"http://m:55000"} },
		"no scheme":        func(c *Config) { c.Addresses = []string{"m:55000"} },
		"no host":          func(c *Config) { c.Addresses = []string{"https://"} },
		"password in it":   func(c *Config) { c.Addresses = []string{"https://u:" + testPassword + "@m:55000"} },
		"bad with secret":  func(c *Config) { c.Addresses = []string{"https://u:" + testPassword + "@m:55000/%zz"} },
		"path":             func(c *Config) { c.Addresses = []string{"https://m:55000/api"} },
		"query":            func(c *Config) { c.Addresses = []string{"https://m:55000?x=1"} },
		"no CA":            func(c *Config) { c.CAFile = "" },
		"CA not there":     func(c *Config) { c.CAFile = filepath.Join(dir, "none.pem") },
		"CA without certs": func(c *Config) { c.CAFile = empty },
		"no user":          func(c *Config) { c.User = "" },
		"colon in user":    func(c *Config) { c.User = "a:b" },
		"newline in user":  func(c *Config) { c.User = "a\nb" },
		"no password":      func(c *Config) { c.Password = nil },
		"all reserved":     func(c *Config) { c.PerMinute, c.Reserve = 10, 10 },
		"negative":         func(c *Config) { c.CallTimeout = -1 },
	} {
		cfg := Config{Addresses: []string{api.URL}, CAFile: api.caFile, User: testUser, Password: password(testPassword)}
		edit(&cfg)
		c, err := New(cfg)
		if err == nil {
			c.Close()
			t.Errorf("%s was accepted", name)
		} else if strings.Contains(err.Error(), testPassword) {
			t.Errorf("%s: the error repeats the password", name)
		}
	}
}

// clock is a clock that is set by hand.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}
