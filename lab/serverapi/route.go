package serverapi

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"log"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

func discardLog() *log.Logger { return log.New(io.Discard, "", 0) }

// call is one request on its way through the API.
type call struct {
	r     *http.Request
	query url.Values
	raw   []byte
	body  any // decoded JSON
	user  *user
}

// endpoint is one operation of the API's specification.
type endpoint struct {
	// path segments; "{}" takes any.
	path   string
	method string
	login  bool
	query  []string // parameters that it knows
	body   schema   // nil: none is read
	run    func(*Server, context.Context, *call) answer
}

var loginPath = "/security/user/authenticate"

func endpoints() []endpoint {
	const pretty, wait = "pretty", "wait_for_complete"
	agents := []string{pretty, wait, "agents_list", "offset", "limit", "select", "sort", "search", "status", "q", "older_than", "os.platform", "os.version",
		"os.name", "manager", "version", "group", "node_name", "name", "ip", "registerIP", "group_config_status", "distinct"}
	return []endpoint{
		{path: loginPath, method: http.MethodGet, login: true, query: []string{"raw"}, run: (*Server).logIn},
		{path: loginPath, method: http.MethodPost, login: true, query: []string{"raw"}, run: (*Server).logIn},
		{path: "/", method: http.MethodGet, query: []string{pretty}, run: (*Server).root},
		{path: "/active-response", method: http.MethodPut, query: []string{"agents_list", pretty, wait}, body: activeResponseBody, run: (*Server).activeResponse},
		{path: "/agents", method: http.MethodGet, query: agents, run: (*Server).listAgents},
		{path: "/events", method: http.MethodPost, query: []string{pretty, wait}, body: eventsBody, run: (*Server).ingest},
		{path: "/logtest", method: http.MethodPut, query: []string{pretty, wait}, body: logtestBody, run: (*Server).logtest},
		{path: "/manager/status", method: http.MethodGet, query: []string{pretty, wait}, run: (*Server).managerStatus},
		{path: "/security/policies", method: http.MethodPost, query: []string{pretty, wait}, body: policyBody, run: (*Server).createPolicy},
		{path: "/security/roles", method: http.MethodPost, query: []string{pretty, wait}, body: roleBody, run: (*Server).createRole},
		{path: "/security/users", method: http.MethodPost, query: []string{pretty, wait}, body: userBody, run: (*Server).createUser},
		{path: "/security/roles/{}/policies", method: http.MethodPost, query: []string{pretty, wait, "policy_ids", "position"}, run: (*Server).linkPolicies},
		{path: "/security/users/{}/roles", method: http.MethodPost, query: []string{pretty, wait, "role_ids", "position"}, run: (*Server).linkRoles},
		{path: "/security/users/me", method: http.MethodGet, query: []string{pretty, wait}, run: (*Server).me},
		{path: "/security/users/me/policies", method: http.MethodGet, query: []string{pretty}, run: (*Server).myPolicies},
	}
}

func matches(pattern, path string) bool {
	want, have := strings.Split(pattern, "/"), strings.Split(path, "/")
	if len(want) != len(have) {
		return false
	}
	for i := range want {
		if want[i] != have[i] && want[i] != "{}" {
			return false
		}
	}
	return true
}

// serve answers one request in the order of the real API's layers: route, limits, login, parameters, body, size, then the work itself.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	c := &call{r: r}
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client went away
	}
	c.raw = raw
	a := s.answer(c)
	if values := r.URL.Query()["pretty"]; a.problem != nil && len(values) > 0 && values[len(values)-1] == "true" {
		a.body = dumps(a.problem, prettyIndent)
	}
	if !s.waitLatency(r.Context()) {
		return
	}
	name := ""
	if c.user != nil {
		name = c.user.name
	}
	s.mu.Lock()
	s.requests = append(s.requests, Request{At: s.cfg.Now(), Method: r.Method, Path: r.URL.RequestURI(), User: name, Body: raw, Status: a.status})
	s.mu.Unlock()
	w.Header().Set("Content-Type", a.contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(a.body)))
	w.Header().Set("Server", "Wazuh")
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body) // a client that is gone does not matter
}

func (s *Server) waitLatency(ctx context.Context) bool {
	s.mu.Lock()
	latency := s.latency
	s.mu.Unlock()
	if latency == 0 {
		return true
	}
	timer := time.NewTimer(latency)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (s *Server) answer(c *call) answer {
	e, a := route(c.r)
	if e == nil {
		return a
	}
	if a, over := s.limited(c.r); over {
		return a
	}
	if !e.login {
		if a, denied := s.authenticate(c); denied {
			return a
		}
	}
	if a, wrong := c.check(e); wrong {
		return a
	}
	if n := len(c.raw); n > maxUpload {
		return tooLarge(c.r, n)
	}
	if a, down := s.daemonsDown(); down {
		return a
	}
	if e.login {
		return e.run(s, c.r.Context(), c)
	}
	return s.inWorker(e, c)
}

// tooLarge is told once everything else about a request has been found good: the layer that counts bytes is the innermost. A client that asked
// beforehand whether to send is told with another status.
func tooLarge(r *http.Request, n int) answer {
	p := problem{status: http.StatusRequestEntityTooLarge, title: "Content size exceeded.",
		detail: "Maximum content size limit (" + strconv.Itoa(maxUpload) + ") exceeded (" + strconv.Itoa(n) + " bytes read)"}
	if strings.EqualFold(r.Header.Get("Expect"), "100-continue") {
		p.status, p.title = http.StatusExpectationFailed, "Expectation failed"
	}
	return p.answer()
}

// plainFailure is what a client gets when the API's own code fails where nobody expects it to.
func plainFailure() answer {
	return answer{status: http.StatusInternalServerError, contentType: typeText, body: []byte("Internal Server Error")}
}

func route(r *http.Request) (*endpoint, answer) {
	known := false
	for _, e := range endpoints() {
		if !matches(e.path, r.URL.Path) {
			continue
		}
		if e.method == r.Method {
			return &e, answer{}
		}
		known = true
	}
	if known {
		return nil, problem{status: http.StatusMethodNotAllowed, title: "Method Not Allowed", detail: "405: Method Not Allowed"}.answer()
	}
	return nil, problem{status: http.StatusNotFound, title: "Not Found", detail: "404: Not Found"}.answer()
}

// limited applies the limits of requests per minute and of failed logins. Up to 4.14.4 a POST /events over both limits is told of its own.
func (s *Server) limited(r *http.Request) (answer, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.cfg.Now()
	over := s.general.over(now, s.cfg.PerMinute)
	events := r.URL.Path == "/events" && s.events.over(now, s.cfg.EventsLimit)
	tooMany := problem{status: http.StatusTooManyRequests, title: "Too Many Requests", detail: "Maximum number of requests per minute reached"}
	switch {
	case events:
		tooMany.remediation, tooMany.code = nullRemediation{}, 6005
		return tooMany.answer(), true
	case over && r.URL.Path != "/events":
		tooMany.remediation, tooMany.code = "This limit can be changed in api.yaml file. More information here: "+documentation+
			"api/configuration.html#configuration-file", 6001
		return tooMany.answer(), true
	case r.URL.Path == loginPath && s.logins.blocked(hostOf(r.RemoteAddr), now, s.cfg.BlockTime):
		return problem{status: http.StatusForbidden, title: "Permission Denied", code: 6000,
			detail: "Limit of login attempts reached. The current IP has been blocked due to a high number of login attempts"}.answer(), true
	}
	return answer{}, false
}

func (s *Server) authenticate(c *call) (answer, bool) {
	scheme, token, found := strings.Cut(c.r.Header.Get("Authorization"), " ")
	if !found || !strings.EqualFold(scheme, "bearer") {
		return unauthorized("No authorization token provided"), true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	name, err := s.tokens.user(token, s.cfg.Now())
	if err != nil {
		return unauthorized(err.Error()), true
	}
	if c.user = s.access.user(name); c.user == nil {
		return unauthorized(errToken.Error()), true
	}
	return answer{}, false
}

// logIn answers GET and POST /security/user/authenticate.
func (s *Server) logIn(_ context.Context, c *call) answer {
	scheme, credentials, _ := strings.Cut(c.r.Header.Get("Authorization"), " ")
	name, password := "", ""
	if strings.EqualFold(scheme, "basic") {
		if decoded, ok := base64Decode(credentials); ok {
			var colon bool
			if name, password, colon = strings.Cut(string(decoded), ":"); !colon {
				return plainFailure() // the access log splits it and fails (middlewares.py, access_log)
			}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.cfg.Now()
	u := s.access.user(name)
	if u == nil || u.password != password || password == "" {
		s.logins.failed(hostOf(c.r.RemoteAddr), now, s.cfg.LoginAttempts)
		return unauthorized("Invalid credentials")
	}
	roles := u.roles
	if roles == nil {
		roles = []int{}
	}
	token, err := s.tokens.issue(u.name, roles, now, s.cfg.TokenLife)
	if err != nil {
		return problem{status: http.StatusInternalServerError, title: "Wazuh Internal Error", detail: err.Error(), code: 1000}.answer()
	}
	c.user = u
	if isTrue(c.query.Get("raw")) {
		return answer{status: http.StatusOK, contentType: typeText, body: []byte(token)}
	}
	return ok(object{{"data", object{{"token", token}}}, {"error", integer(0)}}, 0)
}

// base64Decode is Python's b64decode: what is no character of the alphabet is passed over, and the padding has to be there.
func base64Decode(text string) ([]byte, bool) {
	kept := strings.Map(func(r rune) rune {
		if strings.ContainsRune("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=", r) {
			return r
		}
		return -1
	}, text)
	decoded, err := base64.StdEncoding.DecodeString(kept)
	return decoded, err == nil
}

func isTrue(text string) bool { return strings.EqualFold(text, "true") }

// check validates query and body as the API's specification has them.
func (c *call) check(e *endpoint) (answer, bool) {
	c.query = c.r.URL.Query()
	var extra []string
	for name := range c.query {
		if !slices.Contains(e.query, name) {
			extra = append(extra, name)
		}
	}
	if len(extra) > 0 {
		slices.Sort(extra)
		return badRequest("Extra query parameter(s) %s not in spec", strings.Join(extra, ", ")), true
	}
	for _, p := range queryParameters {
		if complaint := p.complaint(c.query); complaint != "" {
			return badRequest("%s", complaint), true
		}
	}
	if e.body == nil {
		return answer{}, false
	}
	return c.checkBody(e.body)
}

func (c *call) checkBody(want schema) (answer, bool) {
	if kind, _, _ := strings.Cut(c.r.Header.Get("Content-Type"), ";"); kind != "" && !strings.EqualFold(strings.TrimSpace(kind), typeJSON) {
		return problem{status: http.StatusUnsupportedMediaType, title: "Unsupported Media Type",
			detail: "Invalid Content-type (" + strings.TrimSpace(kind) + "), expected ['application/json']"}.answer(), true
	}
	if len(c.raw) > 0 {
		body, err := loads(c.raw)
		var syntax *syntaxError
		if errors.As(err, &syntax) {
			return badRequest("%v", err), true
		}
		if err != nil {
			return plainFailure(), true
		}
		c.body = body
	}
	if c.body == nil {
		return badRequest("Request body must not be empty"), true
	}
	if complaint := want.best(c.body); complaint != nil {
		return badRequest("%s", complaint.withPath()), true
	}
	return c.unknownFields(want)
}

// unknownFields is base_model_.py: members that the model does not have.
func (c *call) unknownFields(want schema) (answer, bool) {
	body, _ := c.body.(object)
	var known properties
	for _, k := range want {
		if p, ok := k.value.(properties); ok {
			known = p
		}
	}
	var unknown []string
	for _, m := range body {
		if !slices.ContainsFunc(known, func(p property) bool { return p.name == m.name }) {
			unknown = append(unknown, reprString(m.name))
		}
	}
	if len(unknown) > 0 {
		return badRequest("Invalid field found {%s}", strings.Join(unknown, ", ")), true
	}
	return answer{}, false
}

// prettyIndent is the depth of a level in an answer that was asked for with pretty.
const prettyIndent = 3

func (c *call) indent() int {
	if isTrue(c.query.Get("pretty")) {
		return prettyIndent
	}
	return 0
}

// daemonsDown: no request is served while one of these daemons is not running.
func (s *Server) daemonsDown() (answer, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var down []string
	for _, name := range []string{"wazuh-modulesd", "wazuh-analysisd", "wazuh-execd", "wazuh-db", "wazuh-remoted"} {
		if s.stopped[name] {
			down = append(down, name+"->stopped")
		}
	}
	if len(down) == 0 {
		return answer{}, false
	}
	return problem{status: http.StatusInternalServerError, title: "Wazuh Internal Error", node: "node01", nodeLog: true, code: 1017,
		detail: `Some Wazuh daemons are not ready yet in node "node01" (` + strings.Join(down, ", ") + ")"}.answer(), true
}

// inWorker runs the request in the one worker process. When it takes longer than the API's time-out, the client is told so; the work goes on.
func (s *Server) inWorker(e *endpoint, c *call) answer {
	done := make(chan answer, 1)
	s.wait.Go(func() {
		select {
		case s.worker <- struct{}{}:
		case <-s.ctx.Done():
			return
		}
		defer func() { <-s.worker }()
		ctx, cancel := context.WithTimeout(s.ctx, s.cfg.AgentTimeout)
		defer cancel()
		done <- e.run(s, ctx, c)
	})
	var timeout <-chan time.Time
	if !isTrue(c.query.Get("wait_for_complete")) {
		timer := time.NewTimer(s.cfg.RequestTimeout)
		defer timer.Stop()
		timeout = timer.C
	}
	select {
	case a := <-done:
		return a
	case <-timeout:
	case <-c.r.Context().Done():
	}
	return timedOut()
}

func timedOut() answer {
	return problem{status: http.StatusInternalServerError, title: "Wazuh Internal Error", detail: "Timeout executing API request",
		node: "node01", nodeLog: true, code: 3021}.answer()
}
