package manager_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"go.uber.org/goleak"

	"custom-vault/lab/agent"
	"custom-vault/lab/analysisd"
	"custom-vault/lab/manager"
	"custom-vault/lab/serverapi"
	"custom-vault/lab/testbed"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// ruleset is the smallest that makes an alert of group vault of every audit line.
func ruleset() analysisd.Sources {
	return analysisd.Sources{
		Files: fstest.MapFS{
			"decoders/own.xml": {Data: []byte(`<decoder name="unused"><program_name>^unused$</program_name></decoder>
<decoder name="vault-audit"><prematch>^[vault audit] </prematch><plugin_decoder offset="after_prematch">JSON_Decoder</plugin_decoder></decoder>`)},
			"rules/own.xml": {Data: []byte(`<group name="vault,"><rule id="100611" level="3"><decoded_as>vault-audit</decoded_as><description>audit</description></rule></group>`)},
		},
		DecoderDirs: []string{"decoders"}, RuleDirs: []string{"rules"}, Stock: true,
	}
}

const ossecConf = `
<ossec_config>
  <integration>
    <name>custom-vault</name>
    <group>vault</group>
    <alert_format>json</alert_format>
  </integration>
  <command><name>vault-seal</name><executable>vault-seal</executable><timeout_allowed>no</timeout_allowed></command>
  <active-response><command>vault-seal</command><location>local</location></active-response>
</ossec_config>`

// lab is a manager with one agent, an integration that keeps what it was handed, and an active response that keeps what it was told.
type lab struct {
	*manager.Manager
	audit    string // the file that the agent watches
	handed   string // what the integration was handed
	received string // what the active response read
}

func start(t *testing.T, change func(*manager.Config)) *lab {
	t.Helper()
	home := testbed.Home(t)
	l := &lab{audit: filepath.Join(home, "vault_audit.log"), handed: filepath.Join(home, "handed"), received: filepath.Join(home, "received")}
	testbed.Write(t, filepath.Join(home, "integrations/custom-vault"), 0o550, "#!/bin/sh\ncat \"$1\" >> '"+l.handed+"'\n")
	testbed.Write(t, filepath.Join(home, "agents/001/active-response/bin/vault-seal"), 0o750, "#!/bin/sh\nread -r line\nprintf '%s\\n' \"$line\" >> '"+l.received+"'\n")
	testbed.Write(t, l.audit, 0o640, "")
	cfg := manager.Config{
		Home: home, Rules: ruleset(), OssecConf: ossecConf, TmpDir: t.TempDir(),
		Agents:         []agent.Config{{ID: "001", Name: "vault-1", Files: []agent.File{{Path: l.audit, Location: "/var/log/vault_audit.log"}}}},
		IntegratorPoll: 10 * time.Millisecond, FlushEvery: 10 * time.Millisecond, AgentPoll: 10 * time.Millisecond,
	}
	if change != nil {
		change(&cfg)
	}
	ctx, cancel := context.WithTimeout(t.Context(), testbed.Patience)
	defer cancel()
	m, err := manager.Start(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Stop)
	l.Manager = m
	return l
}

func appendTo(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

func content(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return string(text)
}

// client talks to the server API as a careful client does.
func (l *lab) client(t *testing.T) *http.Client {
	t.Helper()
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM([]byte(content(l.CAFile()))) {
		t.Fatalf("no certificate in %s", l.CAFile())
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: testbed.Patience}
}

func (l *lab) logIn(t *testing.T, user string) string {
	t.Helper()
	u, err := l.User(user)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, l.URL()+"/security/user/authenticate?raw=true", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth(u.Name, u.Password)
	status, body := l.do(t, r)
	if status != http.StatusOK {
		t.Fatalf("login: %d %s", status, body)
	}
	return body
}

func (l *lab) do(t *testing.T, r *http.Request) (int, string) {
	t.Helper()
	response, err := l.client(t).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close() //nolint:errcheck // read to its end
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

func (l *lab) seal(t *testing.T, token, agents string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, l.URL()+"/active-response?agents_list="+agents,
		bytes.NewReader([]byte(`{"command":"!vault-seal","arguments":["x"],"alert":{"data":{"n":1}}}`)))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	return l.do(t, r)
}

const sent = `{"data": {"affected_items": ["001"], "total_affected_items": 1, "total_failed_items": 0, "failed_items": []}, "message": "AR command was sent to all agents", "error": 0}`

func TestALineBecomesAnAlertThatTheIntegrationIsHanded(t *testing.T) {
	t.Parallel()
	l := start(t, nil)
	appendTo(t, l.audit, "[vault audit] {\"n\":1}\nnothing\n[vault audit] {\"n\":2}\n")
	testbed.Until(t, "two alerts handed over", func() bool { return strings.Count(content(l.handed), "\n") == 2 })
	if got, want := content(l.handed), content(l.AlertsFile()); got != want {
		t.Errorf("handed over:\n%sin alerts.json:\n%s", got, want)
	}
	for _, want := range []string{`"agent":{"id":"001","name":"vault-1","ip":"127.0.0.1"}`, `"data":{"n":"1"}`, `"data":{"n":"2"}`, `"location":"/var/log/vault_audit.log"`} {
		if !strings.Contains(content(l.handed), want) {
			t.Errorf("%s is not in %s", want, content(l.handed))
		}
	}
}

func TestTheServerAPIRunsTheProgramOnTheAgent(t *testing.T) {
	t.Parallel()
	l := start(t, nil)
	status, body := l.seal(t, l.logIn(t, "vault-seal"), "001")
	if status != http.StatusOK || body != sent {
		t.Fatalf("%d %s", status, body)
	}
	testbed.Until(t, "the program to have run", func() bool { return len(l.ResponseRuns("001")) == 1 })
	const want = `{"version":1,"origin":{"name":null,"module":"wazuh-execd"},"command":"add","parameters":{"extra_args":["x"],"alert":{"data":{"n":1}},"program":"active-response/bin/vault-seal"}}` + "\n"
	if got := content(l.received); got != want {
		t.Errorf("the program read %s, want %s", got, want)
	}
	requests := l.API().Requests()
	if last := requests[len(requests)-1]; last.Path != "/active-response?agents_list=001" || last.User != "vault-seal" || last.Status != http.StatusOK {
		t.Errorf("recorded %+v", last)
	}
}

func TestWhatTheProgramLogsComesBackAsAnEvent(t *testing.T) {
	t.Parallel()
	l := start(t, nil)
	appendTo(t, filepath.Join(l.Agent("001").Home(), "logs/active-responses.log"), "[vault audit] {\"a\":\"sealed\"}\n")
	testbed.Until(t, "the alert", func() bool { return strings.Contains(content(l.AlertsFile()), "sealed") })
}

func TestExecdRestartedAloneLosesResponsesThoughTheAPISaysSent(t *testing.T) {
	t.Parallel()
	l := start(t, nil)
	token := l.logIn(t, "vault-seal")
	if err := l.Agent("001").RestartExecd(); err != nil {
		t.Fatal(err)
	}
	if status, body := l.seal(t, token, "001"); status != http.StatusOK || body != sent {
		t.Fatalf("%d %s", status, body)
	}
	l.Agent("001").RestartAgentd()
	if status, body := l.seal(t, token, "001"); status != http.StatusOK || body != sent {
		t.Fatalf("%d %s", status, body)
	}
	testbed.Until(t, "the second response", func() bool { return len(l.ResponseRuns("001")) > 0 })
	if n := strings.Count(content(l.received), "\n"); n != 1 {
		t.Errorf("%d responses ran, want only the second", n)
	}
}

func TestAgentStatesTellInTheAnswer(t *testing.T) {
	t.Parallel()
	l := start(t, func(cfg *manager.Config) {
		cfg.API.RequestTimeout = 2 * time.Second // in which all but those that hang must answer
		cfg.API.AgentTimeout = 3 * time.Second
	})
	token := l.logIn(t, "wazuh")
	a := l.Agent("001")
	for _, c := range []struct {
		name   string
		before func()
		after  func()
		status int
		code   int
	}{
		{"execd ended", a.StopExecd, func() { must(t, a.StartExecd()); a.RestartAgentd() }, http.StatusOK, 1116},
		{"responses disabled", func() { must(t, a.DisableResponses(true)) }, func() { must(t, a.DisableResponses(false)) }, http.StatusOK, 1750},
		{"agentd ended", a.StopAgentd, a.StartAgentd, http.StatusOK, 1707},
		{"agentd hangs", a.SuspendAgentd, a.ContinueAgentd, http.StatusInternalServerError, 3021},
		{"execd hangs", a.SuspendExecd, a.ContinueExecd, http.StatusInternalServerError, 3021},
	} {
		c.before()
		status, body := l.seal(t, token, "001")
		c.after()
		if status != c.status || !strings.Contains(body, fmt.Sprint(c.code)) {
			t.Errorf("%s: %d %s, want %d with code %d", c.name, status, body, c.status, c.code)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestAlertsWrittenWhileIntegratordIsDownNeverArrive(t *testing.T) {
	t.Parallel()
	l := start(t, nil)
	l.StopIntegratord()
	appendTo(t, l.audit, "[vault audit] {\"a\":\"lost\"}\n")
	testbed.Until(t, "the alert on disk", func() bool { return strings.Contains(content(l.AlertsFile()), "lost") })
	ctx, cancel := context.WithTimeout(t.Context(), testbed.Patience)
	defer cancel()
	must(t, l.StartIntegratord(ctx))
	appendTo(t, l.audit, "[vault audit] {\"a\":\"kept\"}\n")
	testbed.Until(t, "the next alert", func() bool { return strings.Contains(content(l.handed), "kept") })
	if strings.Contains(content(l.handed), "lost") {
		t.Error("an alert of integratord's absence was handed over")
	}
}

func TestARuleDrivenResponseIsRefusedForAHostileUserName(t *testing.T) {
	t.Parallel()
	l := start(t, func(cfg *manager.Config) {
		cfg.OssecConf = strings.Replace(ossecConf, "<location>local</location>", "<location>local</location><rules_id>100611</rules_id>", 1)
	})
	appendTo(t, l.audit, `[vault audit] {"user":"bob; x"}`+"\n"+`[vault audit] {"user":"bob"}`+"\n")
	testbed.Until(t, "the response to the harmless one", func() bool { return len(l.ResponseRuns("001")) > 0 })
	if n := strings.Count(content(l.received), "\n"); n != 1 {
		t.Errorf("%d responses, want 1", n)
	}
	if !strings.Contains(content(l.LogFile()), "(1272): Invalid username 'bob; x'. Possible logging attack.") {
		t.Errorf("ossec.log does not say why: %s", content(l.LogFile()))
	}
}

func TestTheAPIUserMayCommandItsAgentsOnly(t *testing.T) {
	t.Parallel()
	l := start(t, func(cfg *manager.Config) {
		cfg.OtherAgents = []serverapi.Agent{{ID: "002", Name: "vault-2", Status: "never_connected", NodeName: "unknown"}}
	})
	token := l.logIn(t, "vault-seal")
	if status, body := l.seal(t, token, "002"); status != http.StatusForbidden || !strings.Contains(body, `"error": 4000`) {
		t.Errorf("a foreign agent: %d %s", status, body)
	}
	if status, body := l.seal(t, l.logIn(t, "wazuh"), "002"); status != http.StatusOK || !strings.Contains(body, `"code": 1707`) {
		t.Errorf("an agent that never connected: %d %s", status, body)
	}
}

func TestAnalysisdComesBackWithoutTheAgentsNoticing(t *testing.T) {
	t.Parallel()
	l := start(t, nil)
	token := l.logIn(t, "vault-seal")
	l.StopAnalysisd()
	if status, body := l.seal(t, token, "001"); status != http.StatusInternalServerError || !strings.Contains(body, "wazuh-analysisd->stopped") {
		t.Errorf("meanwhile: %d %s", status, body)
	}
	// What an agent sends meanwhile waits in remoted (remoted/secure.c, HandleSecureMessage).
	appendTo(t, l.audit, `[vault audit] {"a":"meanwhile"}`+"\n")
	testbed.Until(t, "remoted to find the queue closed", func() bool {
		return strings.Contains(content(l.LogFile()), "wazuh-remoted: ERROR: (1210): Queue 'queue/sockets/queue' not accessible")
	})
	must(t, l.StartAnalysisd())
	appendTo(t, l.audit, `[vault audit] {"a":"after"}`+"\n")
	testbed.Until(t, "the alert", func() bool { return strings.Contains(content(l.AlertsFile()), "after") })
	if n := strings.Count(content(l.AlertsFile()), "meanwhile"); n == 0 {
		t.Error("what came while analysisd was down is lost")
	}
	if status, body := l.seal(t, token, "001"); status != http.StatusOK || body != sent {
		t.Errorf("afterwards: %d %s", status, body)
	}
}

func TestALocalResponseWithoutAgentRunsOnTheManager(t *testing.T) {
	t.Parallel()
	l := start(t, func(cfg *manager.Config) {
		cfg.OssecConf = strings.Replace(ossecConf, "<location>local</location>", "<location>local</location><level>3</level>", 1)
		testbed.Write(t, filepath.Join(cfg.Home, "active-response/bin/vault-seal"), 0o750, "#!/bin/sh\nread -r line\n")
	})
	must(t, l.Event([]byte(`1:/var/log/vault_audit.log:[vault audit] {"n":1}`)))
	testbed.Until(t, "the manager's own execd", func() bool { return len(l.ResponseRuns("000")) == 1 })
	if n := len(l.ResponseRuns("001")); n != 0 {
		t.Errorf("%d responses on the agent", n)
	}
}

func TestLogtestShowsWhatAnEventWouldBecome(t *testing.T) {
	t.Parallel()
	l := start(t, nil)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, l.URL()+"/logtest",
		strings.NewReader(`{"event":"[vault audit] {\"n\":7}","log_format":"syslog","location":"x"}`))
	must(t, err)
	r.Header.Set("Authorization", "Bearer "+l.logIn(t, "wazuh"))
	r.Header.Set("Content-Type", "application/json")
	if status, body := l.do(t, r); status != http.StatusOK || !strings.Contains(body, `"id": "100611"`) || !strings.Contains(body, `"alert": true`) {
		t.Errorf("%d %s", status, body)
	}
	if content(l.AlertsFile()) != "" {
		t.Error("logtest wrote an alert")
	}
}

func TestATooLargeResponseIsSentAndNeverArrives(t *testing.T) {
	t.Parallel()
	l := start(t, nil)
	token := l.logIn(t, "vault-seal")
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, l.URL()+"/active-response?agents_list=001",
		strings.NewReader(`{"command":"!vault-seal","alert":{"data":{"p":"`+strings.Repeat("x", 65400)+`"}}}`))
	must(t, err)
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	if status, body := l.do(t, r); status != http.StatusOK || body != sent {
		t.Errorf("%d %s", status, body)
	}
	l.seal(t, token, "001")
	testbed.Until(t, "the small one behind it", func() bool { return len(l.ResponseRuns("001")) > 0 })
	if n := strings.Count(content(l.received), "\n"); n != 1 {
		t.Errorf("%d responses ran, want only the small one", n)
	}
	if !strings.Contains(content(l.LogFile()), "wazuh-remoted: ERROR: Incorrect message size:") {
		t.Errorf("ossec.log does not tell: %s", content(l.LogFile()))
	}
}
