package oracle

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"custom-vault/lab/agent"
	"custom-vault/lab/manager"
	"custom-vault/lab/serverapi"
)

// transcript is a line of api/transcripts.jsonl. The lines are one session with one manager, in order.
type transcript struct {
	Name     string
	About    string
	Request  *apiRequest
	Response apiResponse
	Program  *[][]json.RawMessage `json:"agent_program_got"`

	// The lines that count something.
	UntilLimit  int  `json:"requests_until_429"`
	WrongLogins int  `json:"wrong_logins"`
	Status      int  `json:"status"`
	LateRuns    *int `json:"late_runs"`
}

type apiRequest struct {
	Method, Path string
	Headers      map[string]string
	Body         *string
	BodyBytes    int    `json:"body_bytes"`
	BodyHead     string `json:"body_head"`
}

type apiResponse struct {
	Status  int
	Headers map[string]string
	Body    string
}

const (
	// The recorded time-outs are 10 s and more; how long it took is not compared. A slow machine's ordinary answers must not run into them.
	apiTimeout   = 3 * time.Second
	agentTimeout = 4 * time.Second
	// apiTurn is what the API's clock is put on between two cases, so that its windows of a minute begin anew; apiUnblock ends a blocked address.
	apiTurn    = 61 * time.Second
	apiUnblock = 301 * time.Second
	// tokenUse is how old a token gets before the oracle logs in again (it lives 900 s).
	tokenUse = 600 * time.Second
)

// apiVocabulary holds words that the API itself or the recorded configuration knows. vault-seal is not among them: programs and users can be
// called otherwise.
const apiVocabulary = `wazuh wazuh-manager localhost custom-vault enriched kind integration name policy actions resources effect allow username password
active-response command agent read arguments alert data event events log_format location syslog`

func runAPI(dir string, m *Mutator, report *Report) error {
	return playTwice(report, func(v *verdicts) error {
		session, err := readCases[transcript](filepath.Join(dir, "transcripts.jsonl"), v)
		if err != nil {
			return err
		}
		var bodies []string
		for _, t := range session {
			if t.Request != nil && t.Request.Body != nil && !strings.Contains(t.Request.Path, "/logtest") {
				bodies = append(bodies, *t.Request.Body)
			}
		}
		w, err := newWorkshop()
		if err != nil {
			return err
		}
		defer w.close()
		s, err := w.apiSession(filepath.Dir(dir), session, m, m.For(apiVocabulary, bodies...))
		if err != nil {
			return err
		}
		defer s.Stop()
		for i := range session {
			reason := ""
			difference := compared(func() (difference string, err error) {
				difference, reason, err = s.replay(&session[i])
				return difference, err
			})
			v.settle(session[i].Name, difference, reason)
		}
		return nil
	})
}

// apiSession is the lab's API with the recorded agents behind it.
type apiSession struct {
	*manager.Manager
	client    *http.Client
	clock     *turnable
	change    Mapping
	mutator   *Mutator
	rulesText string // "" without the article's ruleset, which only logtest needs
	agentHome string
	users     map[string]*apiUser
	newest    string            // the user that was made last
	policies  []json.RawMessage // those that somebody ends up with
	late      int               // runs seen when a time-out began
	condition string
	made      map[string]int  // how many policies, roles and users there are, by path
	known     map[string]bool // what was asked to be made, by path and body
	limited   string          // the limit that is used up
	shown     []transcript    // all that the folder has
	linked    map[string]bool // links that the folder does not show, by path, and that are made
}

type apiUser struct {
	name, password string
	token          string
	since          time.Time
	changed        bool // a role was changed after the token was given
}

func (w *workshop) apiSession(cases string, session []transcript, m *Mutator, change Mapping) (*apiSession, error) {
	home, err := w.home()
	if err != nil {
		return nil, err
	}
	agentHome, err := w.home()
	if err != nil {
		return nil, err
	}
	program := change.Text("vault-seal")
	if err := w.put(agentHome, "active-response/bin/"+program, 0o750, []string{"read1", "exit 0"}); err != nil {
		return nil, err
	}
	s := &apiSession{clock: &turnable{}, change: change, mutator: m, agentHome: agentHome, users: map[string]*apiUser{},
		made: map[string]int{}, known: map[string]bool{}, linked: map[string]bool{}, shown: session}
	rules, text, err := articleRules(cases)
	if err == nil {
		s.rulesText = text
	} else {
		rules = minimalRules()
	}
	for _, t := range session {
		s.policies = append(s.policies, policiesIn(t.Response.Body)...)
	}
	admin := serverapi.User{Name: "wazuh", Password: "wazuh", Admin: true}
	s.users[admin.Name] = &apiUser{name: admin.Name, password: admin.Password}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	s.Manager, err = manager.Start(ctx, manager.Config{
		Home: home, Rules: rules, Now: s.clock.now, Users: []serverapi.User{admin},
		OssecConf: "<command><name>" + program + "</name><executable>" + program + "</executable><timeout_allowed>no</timeout_allowed></command>" +
			"<active-response><command>" + program + "</command><location>local</location></active-response>",
		Agents: []agent.Config{{ID: "001", Name: change.Text("vault-1"), Home: agentHome, Env: recordedEnv(), Credential: credential(0)}},
		OtherAgents: []serverapi.Agent{
			serverapi.Manager("localhost"),
			{ID: "002", Name: change.Text("vault-2"), Status: "never_connected", NodeName: "unknown"},
			{ID: "003", Name: change.Text("vault-3"), Status: "disconnected", NodeName: "unknown", LastKeepAlive: time.Now().Add(-time.Hour)},
		},
		API: serverapi.Config{RequestTimeout: apiTimeout, AgentTimeout: agentTimeout},
	})
	if err != nil {
		return nil, err
	}
	return s, s.connect()
}

func (s *apiSession) connect() error {
	pem, err := os.ReadFile(s.CAFile())
	if err != nil {
		return fmt.Errorf("read the lab's authority: %w", err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	s.client = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}, Timeout: time.Minute}
	return nil
}

// policiesIn finds the policies that an answer shows whole.
func policiesIn(body string) (found []json.RawMessage) {
	for _, match := range policyText.FindAllString(body, -1) {
		found = append(found, json.RawMessage(strings.TrimRight(match, "},")+"}}"))
	}
	return found
}

var policyText = regexp.MustCompile(`\{"id": \d+, "name": "[^"]*", "policy": \{"actions": \[[^\]]*\], "resources": \[[^\]]*\], "effect": "\w+"\}[},]`)

func (s *apiSession) replay(t *transcript) (difference, reason string, err error) {
	if reason := s.prepare(t); reason != "" {
		return "", reason, nil
	}
	switch {
	case t.LateRuns != nil:
		difference, err = s.lateRuns(*t.LateRuns)
	case t.UntilLimit > 0:
		difference, err = s.untilLimit(t)
	case t.WrongLogins > 0:
		difference, err = s.untilBlocked(t)
	case t.Request == nil:
		return "", "neither a request nor a count that this oracle knows", nil
	case strings.HasPrefix(t.Request.Path, "/logtest") && t.Request.Body != nil && s.rulesText == "":
		return "", "needs the article's ruleset, engine/rulesets/article", nil
	default:
		return s.exchange(t)
	}
	return difference, "", err
}

// prepare brings daemons and clock into the state that the transcript's name tells. Names by phase: rbac-, fail-, limit-, block-.
func (s *apiSession) prepare(t *transcript) (reason string) {
	phase, rest, _ := strings.Cut(t.Name, "-")
	if phase != "fail" {
		s.heal()
	}
	counted := t.UntilLimit > 0 || t.WrongLogins > 0
	otherLimit := strings.HasPrefix(t.Name, "limit-events") && s.limited == allLimit
	if counted || otherLimit || phase != "limit" && phase != "block" && !strings.HasSuffix(t.Name, "-late") {
		s.clock.turn(apiTurn)
		s.limited = ""
	}
	if t.WrongLogins > 0 || phase != "block" && s.condition == "blocked" {
		s.clock.turn(apiUnblock)
		s.condition = ""
	}
	if phase != "fail" {
		return ""
	}
	return s.fail(rest)
}

func (s *apiSession) heal() {
	if s.condition == "" || s.condition == "blocked" {
		return
	}
	a := s.Agent("001")
	a.ContinueAgentd()
	a.ContinueExecd()
	_ = a.DisableResponses(false)
	for _, name := range []string{"remoted", "analysisd", "modulesd", "db", "execd"} {
		s.API().SetDaemon("wazuh-"+name, true)
	}
	s.condition = ""
}

// fail makes something fail. A name says what, in the order of its words.
func (s *apiSession) fail(what string) (reason string) {
	if strings.HasSuffix(what, "-late") {
		return ""
	}
	s.heal()
	s.tokenOf(s.userOf(&transcript{Name: "fail"})) // while the login still works
	s.condition = what
	a := s.Agent("001")
	for _, suffix := range []string{"-events", "-wait", "-again", "-root", "-agents"} {
		what = strings.TrimSuffix(what, suffix)
	}
	switch what {
	case "ar-disabled":
		_ = a.DisableResponses(true)
	case "agent-execd-down":
		a.StopExecd()
	case "agent-execd-back", "agent-execd-restarted":
		_ = a.RestartExecd()
	case "agent-execd-restarted-agentd":
		_ = a.RestartExecd()
		a.RestartAgentd()
	case "agent-execd-stopped":
		a.SuspendExecd()
	case "agentd-stopped":
		a.SuspendAgentd()
	case "agentd-down":
		a.StopAgentd()
	case "remoted-down", "analysisd-down", "modulesd-down", "db-down", "execd-down":
		s.API().SetDaemon("wazuh-"+strings.TrimSuffix(what, "-down"), false)
	default:
		return "a fault that this oracle does not know: " + what
	}
	return ""
}

// userOf says whose token a transcript carries: in the phase rbac, and for token-, that of the user that was made there, except where the
// administrator goes on configuring.
func (s *apiSession) userOf(t *transcript) *apiUser {
	phase, _, _ := strings.Cut(t.Name, "-")
	configures := t.Request != nil && t.Request.Method == http.MethodPost && strings.HasPrefix(t.Request.Path, "/security/")
	if s.newest != "" && (phase == "rbac" || phase == "token") && !configures {
		return s.users[s.newest]
	}
	return s.users["wazuh"]
}

// tokenOf logs a user in when there is no token yet, or an old one.
func (s *apiSession) tokenOf(u *apiUser) string {
	if u.token != "" && s.clock.now().Sub(u.since) < tokenUse {
		return u.token
	}
	r, err := http.NewRequest(http.MethodPost, s.URL()+"/security/user/authenticate?raw=true", nil)
	if err != nil {
		return ""
	}
	r.SetBasicAuth(u.name, u.password)
	if response, body, err := s.do(r); err == nil && response.StatusCode == http.StatusOK {
		u.token, u.since = body, s.clock.now()
	}
	return u.token
}

func (s *apiSession) do(r *http.Request) (*http.Response, string, error) {
	response, err := s.client.Do(r)
	if err != nil {
		return nil, "", fmt.Errorf("ask the lab's API: %w", err)
	}
	body, err := io.ReadAll(response.Body)
	if err = errors.Join(err, response.Body.Close()); err != nil {
		return nil, "", fmt.Errorf("read the lab's answer: %w", err)
	}
	return response, string(body), nil
}

// exchange sends a request and compares the answer, and what reached the agent's program.
func (s *apiSession) exchange(t *transcript) (difference, reason string, err error) {
	change := s.change
	body := t.Request.body(t.About)
	if strings.HasPrefix(t.Request.Path, "/logtest") {
		change = s.mutator.For(s.rulesText+reserved+apiVocabulary, body)
	}
	phase, _, _ := strings.Cut(t.Name, "-")
	if t.Request.Headers["Authorization"] == "Bearer <token>" && (phase == "rbac" && t.Request.Method != http.MethodPost || phase == "token") {
		err = s.limitedUser(t)
	}
	if err == nil {
		reason, err = s.complete(t)
	}
	if err != nil || reason != "" {
		return "", reason, err
	}
	before, err := probeRuns(s.agentHome)
	if err != nil {
		return "", "", err
	}
	s.late = len(before)
	response, got, err := s.send(t, change.Text(body))
	if err != nil {
		return "", "", err
	}
	if reason := t.outOfReach(response.StatusCode, got); reason != "" {
		return "", reason, nil
	}
	s.remember(t, change.Text(body), response.StatusCode, got)
	var want, have []string
	for _, name := range []string{"content-type", "content-length", "server"} {
		recorded, lab := t.Response.Headers[name], response.Header.Get(name)
		if name == "content-length" {
			recorded, lab = lengthOf(recorded, t.Response.Body), lengthOf(lab, got)
		}
		want, have = append(want, name+": "+recorded), append(have, name+": "+lab)
	}
	differences := []string{
		linesDiff("status", []string{strconv.Itoa(t.Response.Status)}, []string{strconv.Itoa(response.StatusCode)}),
		linesDiff("header", want, have),
		compareBodies(change.Text(t.Response.Body), got, strings.HasPrefix(t.Request.Path, "/agents")),
	}
	if t.Program != nil {
		differences = append(differences, s.compareProgram(*t.Program, len(before), change))
	}
	if response.StatusCode == http.StatusInternalServerError && strings.Contains(got, "3021") {
		time.Sleep(agentTimeout) // the work goes on behind the scenes
	}
	return joinDifferences(differences), "", nil
}

// outOfReach says why an answer cannot be compared: the lab's API has less than the real one, and says so.
func (t *transcript) outOfReach(status int, body string) string {
	switch {
	case status == http.StatusNotFound && t.Response.Status != http.StatusNotFound:
		return "the lab's API does not have " + t.Request.Method + " " + t.Request.Path
	case strings.Contains(body, "the lab's stand-in does not know"):
		return "the lab's API does not have all of " + t.Request.Method + " " + t.Request.Path
	case strings.HasPrefix(t.Request.Path, "/agents") && machineField.MatchString(t.Response.Body):
		return "it shows what only the recorded machine had: " + machineField.FindString(t.Response.Body)
	case t.Request.Headers["Expect"] != "":
		return "what an Expect header leads to is decided by the HTTP library"
	}
	return ""
}

// machineField finds a field of an agent that the lab does not keep.
var machineField = regexp.MustCompile(`"(os|ip|registerIP|mergedSum|configSum|manager|dateAdd|group_config_status|status_code|disconnection_time|count)":`)

func (s *apiSession) send(t *transcript, body string) (*http.Response, string, error) {
	var reader io.Reader
	if body != "" {
		reader = bytes.NewReader([]byte(body))
	}
	r, err := http.NewRequest(t.Request.Method, s.URL()+t.Request.Path, reader)
	if err != nil {
		return nil, "", fmt.Errorf("make a request: %w", err)
	}
	for name, value := range t.Request.Headers {
		if value == "Bearer <token>" {
			value = "Bearer " + s.token(t)
		}
		r.Header.Set(name, value)
	}
	return s.do(r)
}

// token is the user's token; a user whose role was changed logs in anew, except where the old token is the point.
func (s *apiSession) token(t *transcript) string {
	u := s.userOf(t)
	if u.changed && !strings.HasPrefix(t.Name, "token-") {
		u.token, u.changed = "", false
		s.clock.turn(2 * time.Second) // a token of the second of the change would be void as well
	}
	return s.tokenOf(u)
}

// completePolicies makes the policies that somebody ends up with, as an answer shows, where their creation was not recorded.
func (s *apiSession) completePolicies() error {
	for _, p := range s.policies {
		var known struct {
			Name   string          `json:"name"`
			Policy json.RawMessage `json:"policy"`
		}
		if err := json.Unmarshal(p, &known); err != nil {
			return fmt.Errorf("read a recorded policy %s: %w", p, err)
		}
		body, err := json.Marshal(known)
		if err != nil {
			return fmt.Errorf("write a policy: %w", err)
		}
		if s.known[policiesPath+" "+known.Name] {
			continue
		}
		if err := s.post(policiesPath, string(body)); err != nil {
			return err
		}
	}
	return nil
}

// remember keeps what later transcripts build on.
func (s *apiSession) remember(t *transcript, body string, status int, got string) {
	if status != http.StatusOK || t.Request.Method != http.MethodPost {
		return
	}
	path, _, _ := strings.Cut(t.Request.Path, "?")
	s.known[path+*orEmpty(t.Request.Body)] = true
	var asked struct{ Name, Username, Password string }
	if t.Request.Body != nil && json.Unmarshal([]byte(*t.Request.Body), &asked) == nil {
		s.known[path+" "+asked.Name] = true
	}
	switch {
	case path == policiesPath || path == rolesPath || path == usersPath:
		if !strings.Contains(got, `"total_affected_items": 1`) {
			return
		}
		s.made[path]++
		if path == usersPath && json.Unmarshal([]byte(body), &asked) == nil {
			s.newest = asked.Username
			s.users[asked.Username] = &apiUser{name: asked.Username, password: asked.Password}
		}
	case strings.HasPrefix(path, usersPath+"/") && strings.Contains(path, "/roles"), strings.HasPrefix(path, rolesPath+"/"):
		if u := s.users[s.newest]; u != nil && u.token != "" {
			u.changed = true
		}
	}
}
