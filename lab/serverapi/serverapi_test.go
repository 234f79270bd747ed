package serverapi_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"custom-vault/lab/pki"
	"custom-vault/lab/release"
	"custom-vault/lab/serverapi"
	"custom-vault/lab/testbed"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fleet is what the API reaches: agents, and what was sent to them.
type fleet struct {
	agents []serverapi.Agent
	hang   chan struct{} // if not nil, agents answer when it is closed

	mu   sync.Mutex
	sent []string
}

func (f *fleet) Agents() []serverapi.Agent { return f.agents }

func (f *fleet) ActiveResponseDisabled(ctx context.Context, _ string) (bool, error) {
	if f.hang == nil {
		return false, nil
	}
	select {
	case <-f.hang:
		return false, nil
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

func (f *fleet) Commands() []string { return []string{"vault-seal0"} }

func (f *fleet) Send(id string, message []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sent = append(f.sent, id+" "+string(message))
}

func (f *fleet) messages() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string(nil), f.sent...)
}

func (f *fleet) Event([]byte) error            { return nil }
func (f *fleet) Logtest(_, _, _ string) []byte { return nil }

// site is a server with a client of it.
type site struct {
	*serverapi.Server
	fleet  *fleet
	client *http.Client

	mu  sync.Mutex
	now time.Time
}

func (s *site) clock() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

func (s *site) advance(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = s.now.Add(d)
}

func start(t *testing.T, change func(*serverapi.Config)) *site {
	t.Helper()
	ca, err := pki.NewCA("test")
	must(t, err)
	certificate, err := ca.ServerConfig(pki.Options{DNSNames: []string{"localhost"}})
	must(t, err)
	s := &site{now: time.Now(), fleet: &fleet{agents: []serverapi.Agent{
		serverapi.Manager("wazuh-manager"),
		{ID: "001", Name: "vault-1", Status: "active", Groups: []string{"vault"}},
		{ID: "002", Name: "web-1", Status: "active"},
		{ID: "003", Name: "vault-3", Status: "disconnected", Groups: []string{"vault"}},
	}}}
	cfg := serverapi.Config{TLS: certificate, Fleet: s.fleet, Now: s.clock, Users: []serverapi.User{
		{Name: "admin", Password: "pw", Admin: true},
		{Name: "sealer", Password: "pw", Policies: []serverapi.Policy{
			{Name: "seal", Actions: []string{"active-response:command", "agent:read"}, Resources: []string{"agent:group:vault"}},
		}},
	}}
	if change != nil {
		change(&cfg)
	}
	s.Server, err = serverapi.Start(cfg)
	must(t, err)
	t.Cleanup(s.Stop)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: ca.Pool(), MinVersion: tls.VersionTLS12}}
	t.Cleanup(transport.CloseIdleConnections)
	s.client = &http.Client{Transport: transport, Timeout: testbed.Patience}
	return s
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (s *site) do(t *testing.T, method, path, authorization, body string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, s.URL()+path, strings.NewReader(body))
	must(t, err)
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	response, err := s.client.Do(r)
	must(t, err)
	defer response.Body.Close() //nolint:errcheck // read to its end
	text, err := io.ReadAll(response.Body)
	must(t, err)
	return response.StatusCode, string(text)
}

func (s *site) logIn(t *testing.T, user string) (bearer string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL()+"/security/user/authenticate?raw=true", nil)
	must(t, err)
	r.SetBasicAuth(user, "pw")
	response, err := s.client.Do(r)
	must(t, err)
	defer response.Body.Close() //nolint:errcheck // read to its end
	token, err := io.ReadAll(response.Body)
	must(t, err)
	if response.StatusCode != http.StatusOK {
		t.Fatalf("login: %d %s", response.StatusCode, token)
	}
	return "Bearer " + string(token)
}

func (s *site) seal(t *testing.T, bearer, agents, body string) (int, string) {
	t.Helper()
	return s.do(t, http.MethodPut, "/active-response"+agents, bearer, body)
}

const seal = `{"command":"!vault-seal"}`

func TestTokensEndWithTheirTimeAndWithAnyChangeOfRoles(t *testing.T) {
	t.Parallel()
	s := start(t, func(cfg *serverapi.Config) { cfg.TokenLife = time.Minute })
	bearer := s.logIn(t, "admin")
	ask := func() int {
		status, _ := s.do(t, http.MethodGet, "/", bearer, "")
		return status
	}
	if got := ask(); got != http.StatusOK {
		t.Fatalf("fresh: %d", got)
	}
	s.advance(61 * time.Second)
	if got := ask(); got != http.StatusUnauthorized {
		t.Errorf("expired: %d", got)
	}
	bearer = s.logIn(t, "admin")
	s.RevokeTokens()
	if got := ask(); got != http.StatusUnauthorized {
		t.Errorf("revoked: %d", got)
	}
	bearer = s.logIn(t, "admin")
	if got := ask(); got != http.StatusUnauthorized {
		t.Errorf("of the second of the change: %d", got)
	}
	s.advance(time.Second)
	bearer = s.logIn(t, "admin")
	if got := ask(); got != http.StatusOK {
		t.Errorf("of a second later: %d", got)
	}
}

func TestTheCertificateIsForLocalhostOnly(t *testing.T) {
	t.Parallel()
	s := start(t, nil)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, strings.Replace(s.URL(), "localhost", "127.0.0.1", 1), nil)
	must(t, err)
	response, err := s.client.Do(r)
	if err == nil {
		_ = response.Body.Close()
	}
	var wrong x509.HostnameError
	if !errors.As(err, &wrong) {
		t.Errorf("by address: %v", err)
	}
}

func TestRolesBoundTheAgents(t *testing.T) {
	t.Parallel()
	s := start(t, nil)
	sealer, admin := s.logIn(t, "sealer"), s.logIn(t, "admin")
	for _, c := range []struct {
		bearer, agents string
		status         int
		want           []string
	}{
		{sealer, "?agents_list=001", 200, []string{`"affected_items": ["001"]`, `"error": 0`}},
		{sealer, "?agents_list=002", 403, []string{`"error": 4000`}},
		{sealer, "?agents_list=001,002", 200, []string{`"affected_items": ["001"]`, `"code": 4000`, `"id": ["002"]`, `"error": 2`}},
		{sealer, "?agents_list=999", 403, []string{`"error": 4000`}},
		{sealer, "", 200, []string{`"affected_items": ["001"]`, `"code": 1707`, `"id": ["003"]`}}, // every agent that the role covers
		{admin, "?agents_list=999", 200, []string{`"code": 1701`, `"error": 1`}},
		{admin, "?agents_list=000", 200, []string{`"affected_items": [], "total_affected_items": 0, "total_failed_items": 0`, `"error": 0`}},
		{admin, "", 200, []string{`"affected_items": ["001", "002"]`}},
	} {
		status, body := s.seal(t, c.bearer, c.agents, seal)
		if status != c.status {
			t.Errorf("%s: %d %s, want %d", c.agents, status, body, c.status)
		}
		for _, want := range c.want {
			if !strings.Contains(body, want) {
				t.Errorf("%s: %s is not in %s", c.agents, want, body)
			}
		}
	}
}

func TestAgent000FailsUntil413(t *testing.T) {
	t.Parallel()
	s := start(t, func(cfg *serverapi.Config) { cfg.Release = release.Release{Minor: 13} })
	if _, body := s.seal(t, s.logIn(t, "admin"), "?agents_list=000", seal); !strings.Contains(body, `"code": 1703`) {
		t.Errorf("%s", body)
	}
}

func TestUnknownNamesFailFrom48On(t *testing.T) {
	t.Parallel()
	for minor, want := range map[int]string{7: `"affected_items": ["001"]`, 8: `"code": 1652`} {
		t.Run(fmt.Sprint(minor), func(t *testing.T) {
			t.Parallel()
			s := start(t, func(cfg *serverapi.Config) { cfg.Release = release.Release{Minor: minor} })
			if _, body := s.seal(t, s.logIn(t, "admin"), "?agents_list=001", `{"command":"nothing0"}`); !strings.Contains(body, want) {
				t.Errorf("%s is not in %s", want, body)
			}
		})
	}
}

func TestBodiesAndParametersAreChecked(t *testing.T) {
	t.Parallel()
	s := start(t, nil)
	bearer := s.logIn(t, "admin")
	for _, c := range []struct{ query, body, want string }{
		{"", `{"command":"a b"}`, `'a b' is not a 'active_response_command' - 'command'`},
		{"", `{"command":"!../x"}`, `'!../x' is not a 'active_response_command' - 'command'`},
		{"", `{"command":"!x","custom":true}`, `Invalid field found {'custom'}`},
		{"", `{"command":"!x","arguments":[1]}`, `1 is not of type 'string' - 'arguments.0'`},
		{"", `{"command":"!x","alert":[{"it's":null}]}`, `[{\"it's\": None}] is not of type 'object' - 'alert'`},
		{"", `{"arguments":[1]}`, `'command' is a required property`},
		{"", `[1.50]`, `[1.5] is not of type 'object'`},
		{"", "{\"command\":\n \"x\"", `Expecting ',' delimiter: line 2 column 5 (char 16)`},
		{"", `{"a" 1}`, `Expecting ':' delimiter: line 1 column 6 (char 5)`},
		{"", `{"a": }`, `Expecting value: line 1 column 7 (char 6)`},
		{"", `"open`, `Unterminated string starting at: line 1 column 1 (char 0)`},
		{"", `{} x`, `Extra data: line 1 column 4 (char 3)`},
		{"", `null`, `Request body must not be empty`},
		{"?agents_list=01", seal, `'01' is too short. Failed validating 'minLength' in schema['items']: {'description': 'Agent ID', 'format': 'numbers', 'minLength': 3, 'type': 'string'}. On instance[0]: '01'`},
		{"?wait_for_complete=maybe", seal, `Wrong type, expected 'boolean' for query parameter 'wait_for_complete'`},
		{"?pretty=", seal, `Wrong type, expected 'boolean' for query parameter 'pretty'`},
		// validator.py's is_safe_path: a path upwards, not two dots within a name.
		{"", `{"command":"!x/.."}`, `'!x/..' is not a 'active_response_command' - 'command'`},
		{"", `{"command":".."}`, `'..' is not a 'active_response_command' - 'command'`},
		// error_handler.py's _cleanup_detail_field.
		{"", `{"command":"!a  b"}`, `'!a b' is not a 'active_response_command' - 'command'`},
		{"?agent_list=001", seal, `Extra query parameter(s) agent_list not in spec`},
	} {
		status, body := s.seal(t, bearer, c.query, c.body)
		if status != http.StatusBadRequest || !strings.Contains(body, c.want) {
			t.Errorf("%s %s: %d %s, want 400 with %s", c.query, c.body, status, body, c.want)
		}
	}
	if got := s.fleet.messages(); len(got) != 0 {
		t.Errorf("sent %q", got)
	}
	for _, command := range []string{"!a..b", "!väult", `dir\\x:y`} {
		if status, body := s.seal(t, bearer, "?agents_list=003", `{"command":"`+command+`"}`); status != http.StatusOK {
			t.Errorf("%s: %d %s", command, status, body)
		}
	}
}

// spec.yaml has the bounds; the words are those of connexion's parameter validator around jsonschema's.
func TestParametersOfAgentsAreChecked(t *testing.T) {
	t.Parallel()
	s := start(t, nil)
	bearer := s.logIn(t, "admin")
	for _, c := range []struct{ query, want string }{
		{"limit=x", `Wrong type, expected 'integer' for query parameter 'limit'`},
		{"limit=0", `0 is less than the minimum of 1. Failed validating 'minimum' in schema: {'default': 500, 'format': 'int32', 'maximum': 100000, 'minimum': 1, 'type': 'integer'}. On instance: 0`},
		{"limit=100001", `100001 is greater than the maximum of 100000. Failed validating 'maximum' in schema: {`},
		{"offset=-1", `-1 is less than the minimum of 0. Failed validating 'minimum' in schema: {'default': 0, 'format': 'int32', 'minimum': 0, 'type': 'integer'}. On instance: -1`},
		{"status=active,Gone", `'gone' is not one of ['active', 'pending', 'never_connected', 'disconnected']. Failed validating 'enum' in schema['items']: {'enum': ['active', 'pending', 'never_connected', 'disconnected'], 'type': 'string'}. On instance[1]: 'gone'`},
		{"select=a%20b", `'a b' is not a 'names'. Failed validating 'format' in schema['items']: {'format': 'names', 'type': 'string'}. On instance[0]: 'a b'`},
		{"name=a%7Cb", `'a|b' is not a 'alphanumeric'. Failed validating 'format' in schema: {'format': 'alphanumeric', 'type': 'string'}. On instance: 'a|b'`},
	} {
		status, body := s.do(t, http.MethodGet, "/agents?"+c.query, bearer, "")
		if status != http.StatusBadRequest || !strings.Contains(body, c.want) {
			t.Errorf("%s: %d %s, want 400 with %s", c.query, status, body, c.want)
		}
	}
	// An agent's id is there whatever was selected (WazuhDBQueryAgents), and a status in any case.
	_, body := s.do(t, http.MethodGet, "/agents?select=status&status=DISCONNECTED", bearer, "")
	if !strings.Contains(body, `"affected_items": [{"status": "disconnected", "id": "003"}]`) {
		t.Errorf("%s", body)
	}
}

// error_handler.py prints errors prettily when pretty is exactly "true".
func TestErrorsArePrettyWhenAskedFor(t *testing.T) {
	t.Parallel()
	s := start(t, nil)
	for query, want := range map[string]string{
		"?pretty=true": "{\n   \"title\": \"Unauthorized\",\n   \"detail\": \"No authorization token provided\"\n}",
		"?pretty=True": `{"title": "Unauthorized", "detail": "No authorization token provided"}`,
	} {
		if _, body := s.do(t, http.MethodGet, "/"+query, "", ""); body != want {
			t.Errorf("%s: %s; want %s", query, body, want)
		}
	}
}

// The layer that counts bytes is the innermost (wazuh_apid.py): without a token, or with a faulty body, that is what one is told.
func TestASizeIsComplainedAboutLast(t *testing.T) {
	t.Parallel()
	s := start(t, nil)
	long := `{"command":"!x","alert":{"p":"` + strings.Repeat("x", 10<<20) + `"}}`
	if status, _ := s.seal(t, "", "", long); status != http.StatusUnauthorized {
		t.Errorf("without a token: %d", status)
	}
	bearer := s.logIn(t, "admin")
	if status, _ := s.seal(t, bearer, "", long[1:]); status != http.StatusBadRequest {
		t.Errorf("no JSON: %d", status)
	}
	if status, body := s.seal(t, bearer, "", long); status != http.StatusRequestEntityTooLarge || !strings.Contains(body, fmt.Sprintf("exceeded (%d bytes read)", len(long))) {
		t.Errorf("%d %s", status, body)
	}
}

func TestTheMessageForTheAgentIsPythonsJSON(t *testing.T) {
	t.Parallel()
	s := start(t, nil)
	s.seal(t, s.logIn(t, "admin"), "?agents_list=001", `{"command":"!x","arguments":["é"],"alert":{"a":null,"n":1e3,"b":[null],"a b":"\ud83d\ude00"}}`)
	const want = `001 {"version": 1, "origin": {"name": null, "module": "API"}, "command": "!x", "parameters": {"extra_args": ["\u00e9"], "alert": {"n": 1000.0, "b": [null], "a b": "\ud83d\ude00"}}}`
	if got := s.fleet.messages(); len(got) != 1 || got[0] != want {
		t.Errorf("sent %q, want %q", got, want)
	}
}

func TestATimeOutDoesNotTellWhetherTheCommandArrives(t *testing.T) {
	t.Parallel()
	s := start(t, func(cfg *serverapi.Config) { cfg.RequestTimeout = time.Second })
	s.fleet.hang = make(chan struct{})
	status, body := s.seal(t, s.logIn(t, "admin"), "?agents_list=001", seal)
	if status != http.StatusInternalServerError || !strings.Contains(body, `"error": 3021`) {
		t.Fatalf("%d %s", status, body)
	}
	close(s.fleet.hang) // the agent answers after all
	testbed.Until(t, "the work behind the scenes, which goes on", func() bool { return len(s.fleet.messages()) > 0 })
}

func TestTimeOutNextIsDeliveredOrLost(t *testing.T) {
	t.Parallel()
	for _, delivered := range []bool{true, false} {
		s := start(t, nil)
		s.TimeOutNext(delivered)
		bearer := s.logIn(t, "admin")
		if status, body := s.seal(t, bearer, "?agents_list=001", seal); status != http.StatusInternalServerError || !strings.Contains(body, "3021") {
			t.Errorf("%d %s", status, body)
		}
		if got := len(s.fleet.messages()) == 1; got != delivered {
			t.Errorf("delivered %v, want %v", got, delivered)
		}
		if status, _ := s.seal(t, bearer, "?agents_list=001", seal); status != http.StatusOK {
			t.Errorf("the one after: %d", status)
		}
	}
}

func TestRequestsAreServedOneAfterTheOther(t *testing.T) {
	t.Parallel()
	s := start(t, func(cfg *serverapi.Config) { cfg.RequestTimeout = time.Second })
	s.fleet.hang = make(chan struct{})
	defer close(s.fleet.hang)
	bearer := s.logIn(t, "admin")
	s.seal(t, bearer, "?agents_list=001", seal)
	if status, body := s.do(t, http.MethodGet, "/agents", bearer, ""); status != http.StatusInternalServerError || !strings.Contains(body, "3021") {
		t.Errorf("behind a request that hangs: %d %s", status, body)
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	s := start(t, func(cfg *serverapi.Config) { cfg.PerMinute, cfg.LoginAttempts = 5, 3 })
	bearer := s.logIn(t, "admin") // the first
	for i := range 5 {
		want := http.StatusOK
		if i == 4 {
			want = http.StatusTooManyRequests
		}
		if status, body := s.do(t, http.MethodGet, "/", bearer, ""); status != want {
			t.Errorf("request %d: %d %s", i+2, status, body)
		}
	}
	s.advance(61 * time.Second)
	for i := range 4 {
		want := http.StatusUnauthorized
		if i == 3 {
			want = http.StatusForbidden
		}
		if status, body := s.do(t, http.MethodPost, "/security/user/authenticate", "Basic YWRtaW46d3Jvbmc=", ""); status != want {
			t.Errorf("wrong login %d: %d %s", i+1, status, body)
		}
	}
	s.advance(301 * time.Second)
	s.logIn(t, "admin")
}

func TestNoDaemonNoService(t *testing.T) {
	t.Parallel()
	s := start(t, nil)
	bearer := s.logIn(t, "admin")
	s.SetDaemon("wazuh-remoted", false)
	s.SetDaemon("wazuh-db", false)
	for _, path := range []string{"/", "/agents"} {
		if status, body := s.do(t, http.MethodGet, path, bearer, ""); status != http.StatusInternalServerError || !strings.Contains(body, `(wazuh-db->stopped, wazuh-remoted->stopped)`) {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	if status, body := s.do(t, http.MethodPost, "/security/user/authenticate", "Basic YWRtaW46cHc=", ""); status != http.StatusInternalServerError || !strings.Contains(body, "1017") {
		t.Errorf("login: %d %s", status, body)
	}
	s.SetDaemon("wazuh-remoted", true)
	s.SetDaemon("wazuh-db", true)
	if status, _ := s.do(t, http.MethodGet, "/", bearer, ""); status != http.StatusOK {
		t.Errorf("when they are back: %d", status)
	}
}

// Python's b64decode passes over what is not of its alphabet; the access log fails on what has no colon (middlewares.py), but not on what cannot be
// decoded.
func TestABasicHeaderWithoutAColonIsAnInternalError(t *testing.T) {
	t.Parallel()
	s := start(t, nil)
	for credentials, want := range map[string]int{"%%%": 500, "bm9jb2xvbg==": 500, "bm9jb2xvbg": 401, "YTpi": 401, "YWRt%aW46cHc=": 200} {
		status, body := s.do(t, http.MethodPost, "/security/user/authenticate", "Basic "+credentials, "")
		if status != want || status == 500 && body != "Internal Server Error" {
			t.Errorf("%s: %d %q; want %d", credentials, status, body, want)
		}
	}
}

func TestDownAndUpKeepTheAddress(t *testing.T) {
	t.Parallel()
	s := start(t, nil)
	bearer, url := s.logIn(t, "admin"), s.URL()
	s.Down()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/", nil)
	must(t, err)
	if response, err := s.client.Do(r); err == nil {
		_ = response.Body.Close()
		t.Error("an API that is down answers")
	}
	must(t, s.Up())
	if status, _ := s.do(t, http.MethodGet, "/", bearer, ""); status != http.StatusOK || s.URL() != url {
		t.Errorf("%d at %s", status, s.URL())
	}
}

func TestRequestsAreRecorded(t *testing.T) {
	t.Parallel()
	s := start(t, nil)
	s.seal(t, s.logIn(t, "sealer"), "?agents_list=001", seal)
	got := s.Requests()
	if len(got) != 2 || got[0].User != "sealer" || got[1].Path != "/active-response?agents_list=001" || string(got[1].Body) != seal || got[1].Status != http.StatusOK {
		t.Errorf("recorded %+v", got)
	}
}

func TestLatencyHoldsAnswersBack(t *testing.T) {
	t.Parallel()
	s := start(t, nil)
	bearer := s.logIn(t, "admin")
	s.SetLatency(100 * time.Millisecond)
	began := time.Now()
	s.do(t, http.MethodGet, "/", bearer, "")
	if took := time.Since(began); took < 100*time.Millisecond {
		t.Errorf("answered after %v", took)
	}
}
