package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/tidwall/gjson"

	"custom-vault/internal/alert"
	"custom-vault/internal/event"
	"custom-vault/internal/publish"
	"custom-vault/internal/vaultfake"
)

// hostileAlert is what an attacker can make of an alert: what stands in it, and what becomes of it.
type hostileAlert struct {
	name string
	line string
	want string // "" for one event, or why there is none
}

// Outcomes besides an event.
const (
	notJSON  = "not-json"
	noRule   = "no-rule"
	overlong = "overlong"
	ownEcho  = "own"
	badAgent = "bad-agent-id"
)

type object = map[string]any

// auditAlert is an alert about a read as analysisd writes it; change may be nil.
func auditAlert(id string, change func(doc, record object)) string {
	record := object{
		"type": "response", "time": time.Now().UTC().Format(time.RFC3339Nano),
		"auth": object{"accessor": "acc-" + id, "display_name": "userpass-bob", "policies": []string{"default"}, "metadata": object{"username": "bob"}},
		"request": object{
			"id": "r-" + id, "operation": "read", "path": "secret/data/x", "remote_address": "10.0.0.7",
			"headers": object{"user-agent": []string{"vault"}},
		},
	}
	doc := object{
		"timestamp": time.Now().Format("2006-01-02T15:04:05.000-0700"), "id": id, "location": "/var/log/vault_audit.log",
		"rule":  object{"level": 12, "description": "d", "id": "100617", "groups": []string{"vault"}},
		"agent": object{"id": "001", "name": "vault-1"}, "manager": object{"name": "m"}, "decoder": object{"name": "vault-audit"},
	}
	if change != nil {
		change(doc, record)
	}
	if doc["full_log"] == nil {
		doc["full_log"] = string(encoded(record))
	}
	return string(encoded(doc))
}

func encoded(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // the test's own values
	}
	return text
}

func of(v any, key string) object { return v.(object)[key].(object) }

// everywhere puts a text into all that an attacker can name.
func everywhere(text string) func(doc, record object) {
	return func(doc, record object) {
		request, auth := of(record, "request"), of(record, "auth")
		request["path"], request["operation"], request["remote_address"], request["headers"] = text, text, text, object{"user-agent": []string{text}}
		auth["display_name"], auth["policies"], auth["metadata"] = text, []string{text}, object{text: text}
		record["error"] = text
		of(doc, "agent")["name"], of(doc, "agent")["ip"], doc["location"] = text, text, text
		of(doc, "rule")["description"] = text
	}
}

// hostileAlerts are numbered from 1: the id of each is "1.N".
func hostileAlerts() []hostileAlert {
	var all []hostileAlert
	add := func(name, want string, line func(id string) string) {
		all = append(all, hostileAlert{name, line(fmt.Sprintf("1.%d", len(all)+1)), want})
	}
	with := func(name string, change func(doc, record object)) {
		add(name, "", func(id string) string { return auditAlert(id, change) })
	}
	with("nothing of note", nil)
	for _, c := range [][2]string{
		{"escape sequences", hostile + "\x1b]0;title\x07\x1b[2J\r\b"},
		{"a line of the log", "x\ntime=\"2026-11-24T14:00:00Z\" level=info msg=\"all is well\"\nx"},
		{"a line of the JSON", "x\"}\n{\"level\":\"info\",\"msg\":\"all is well\"}"},
		{"separators", "a\u2028b\u2029c\u0085d"},
		{"format verbs", "%s%n%!d(MISSING)%[1]*d%v%x"},
		{"SQL", `'); DROP TABLE alerts; DROP TABLE outbox; --`},
		{"an expression", `" || true || rule.level > 0 || "`},
		{"templates", `{{.Env}} ${HOME} $(id) $(rule.id) <!--#exec-->`},
		{"NULs", "a\x00b\x00"},
		{"an array for a text", `["a",{"b":[1]}]`},
		{"a header of analysisd", "x) any->/var/log/auth.log:1:[002] (y|:|"},
		{"a path that leads out", "../../../../etc/passwd"},
		{"a long text", strings.Repeat("é\x1b", 10_000)},
	} {
		with(c[0], everywhere(c[1]))
	}
	add("bad UTF-8", "", func(id string) string {
		return strings.ReplaceAll(auditAlert(id, everywhere("@@")), "@@", "\xff\xfe\x80\xc3")
	})
	add("keys given twice", "", func(id string) string {
		return strings.Replace(auditAlert(id, nil), `"rule":`, `"rule":{"groups":["vault"],"level":12,"id":"1"},"agent":{"id":"001"},"rule":`, 1)
	})
	add("huge numbers", "", func(id string) string {
		return strings.NewReplacer(`"level":12`, `"level":1e400,"firedtimes":-1e308,"frequency":99999999999999999999`,
			`\"auth\":{`, `\"auth\":{\"token_ttl\":9e99,\"remaining_uses\":-1e99,`).Replace(auditAlert(id, nil))
	})
	with("other types", func(doc, record object) {
		of(doc, "rule")["description"], of(doc, "rule")["groups"], doc["location"] = object{"a": 1}, "vault", []int{1}
		of(record, "auth")["metadata"], of(record, "auth")["policies"], record["error"] = []string{"x"}, object{"root": true}, 7
		of(record, "request")["path"], of(record, "request")["namespace"] = []any{"a", object{}}, "root"
	})
	add("a key of 30,000 dots", "", func(id string) string { // which encoding/json does not write
		deep := strings.Repeat(`{"a":`, 30_000) + `"x"` + strings.Repeat("}", 30_000)
		return strings.Replace(auditAlert(id, nil), `{`, `{"data":`+deep+`,`, 1)
	})
	with("arrays 5,000 deep", func(_, record object) {
		record["deep"] = json.RawMessage(strings.Repeat("[", 5_000) + strings.Repeat("]", 5_000))
	})
	with("many keys", func(doc, record object) {
		data, metadata := object{}, object{}
		for i := range 5_000 {
			data[fmt.Sprint("k", i)], metadata[fmt.Sprint("__proto__.", i)] = "v", strings.Repeat("v", 50)
		}
		doc["data"], of(record, "auth")["metadata"] = data, metadata
	})
	with("900 kB", func(doc, _ object) { doc["previous_output"] = strings.Repeat("x", 900<<10) })
	add("a record that was cut", "", func(id string) string {
		return auditAlert(id, func(doc, record object) {
			doc["full_log"] = string(encoded(record)[:90])
			doc["data"] = object{"type": "request", "request": object{"path": "secret/data/x", "operation": "read"}}
		})
	})
	with("times of nowhere", func(doc, record object) { doc["timestamp"], record["time"] = "9999-99-99", "-1" })
	add("a carriage return behind it", "", func(id string) string { return auditAlert(id, nil) + "\r" })
	with("an operational line", func(doc, _ object) {
		doc["decoder"], doc["full_log"] = object{"name": "vault"}, hostile
		doc["data"] = object{"vault_level": hostile, "vault_component": "core\n", "vault_message": hostile}
	})
	with("a report of vault-seal", func(doc, _ object) {
		doc["decoder"], doc["full_log"] = object{"name": "vault-seal"}, hostile
		doc["data"] = object{"vault_seal_level": "SUCCESS", "vault_seal_message": hostile + " plan=x node=y"}
	})
	add("an event of ours that we never made", ownEcho, func(id string) string {
		return auditAlert(id, func(doc, _ object) {
			doc["data"] = object{"integration": "custom-vault", "custom_vault": object{"event": hostile, "event_id": `x'); DROP TABLE outbox; --`}}
		})
	})
	add("an agent that has no number", badAgent, func(id string) string {
		return auditAlert(id, func(doc, _ object) { of(doc, "agent")["id"] = "001] (evil) any->x:\n" })
	})
	add("cut in the middle", notJSON, func(id string) string { return auditAlert(id, nil)[:150] })
	add("no JSON, with escape sequences", notJSON, func(string) string { return "{\"vault\x1b[2J\u009b31m\": level=info" })
	add("a mark before it", notJSON, func(id string) string { return "\ufeff" + auditAlert(id, nil) })
	add("a NUL in it", notJSON, func(id string) string { return strings.Replace(auditAlert(id, nil), `"rule"`, "\x00\"rule\"", 1) })
	add("two on one line", notJSON, func(id string) string { return auditAlert(id, nil) + auditAlert(id, nil) })
	add("brackets without end", notJSON, func(string) string { return `{"vault":` + strings.Repeat("[", 1<<20) })
	add("without a rule", noRule, func(string) string { return `{"vault":"` + "\\u001b[2J" + `"}` })
	add("a rule that is none", noRule, func(string) string { return `{"vault":1,"rule":["vault"]}` })
	add("over 4 MiB", overlong, func(id string) string {
		return auditAlert(id, func(doc, _ object) { doc["full_log"] = strings.Repeat("x", alert.MaxLine) })
	})
	with("the last one", nil)
	return all
}

// Every hostile alert either leads to one event within bounds or is refused with a reason that is counted; the line stays
// where the log says; and nothing of it acts on a terminal, in the log or in what the commands print.
func TestHostileAlertsEndAsEventsInBoundsOrAsCountedRefusals(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	hostileVault(t, m)
	all := hostileAlerts()
	daemon := m.startProcess()
	var lines strings.Builder
	for _, a := range all {
		lines.WriteString(a.line + "\n")
	}
	m.alerts(lines.String())
	for i, a := range all { // every second one by the other way, too
		if i%2 == 0 && a.want == "" {
			m.journal(a.line + "\n")
		}
	}
	m.journal(auditAlert("2.1", nil) + "\n")
	events := m.hostileEvents(all, "2.1")
	checkHostileCounts(t, m, all)
	for _, args := range [][]string{{"status"}, {"status", "--json"}} {
		m.quiet(args...)
	}
	must(t, daemon.Process.Signal(syscall.SIGTERM))
	if err := daemon.Wait(); err != nil {
		t.Errorf("the daemon ended with %v", err)
	}
	for _, a := range all {
		if n := events[a.name]; n != 1 && a.want == "" || n != 0 && a.want != "" {
			t.Errorf("%s: %d events, want %q", a.name, n, a.want)
		}
	}
	checkHostileLog(t, m, all)
	checkHostileCommands(t, m, all)
}

// hostileVault is a Vault that knows a token whose maker was hostile.
func hostileVault(t *testing.T, m *machine) {
	t.Helper()
	vault, err := vaultfake.Start(vaultfake.Good, "t", "own")
	must(t, err)
	t.Cleanup(vault.Close)
	vault.Token("acc-hostile", object{
		"display_name": hostile, "path": hostile, "policies": []string{hostile}, "meta": object{hostile: hostile}, "entity_id": "e-1",
	})
	vault.Entity("e-1", object{
		"name": hostile, "metadata": object{hostile: hostile}, "aliases": []object{{"name": hostile, "mount_path": hostile, "mount_type": hostile}},
	})
	must(t, os.WriteFile(m.path("ca.pem"), vault.CAPEM, 0o644))
	must(t, os.WriteFile(m.path("token"), []byte("t\n"), 0o400))
	m.configure(fmt.Sprintf("clusters: [{name: prod, ca_file: %[1]s/ca.pem, token_file: %[1]s/token, nodes: [{name: vault-1, address: %[2]q, agent: \"001\"}]}]\n"+
		"metrics: {listen: \"unix:%[1]s/metrics\"}", m.dir, vault.URL))
}

// startProcess starts the daemon as a process of its own, and waits until it is ready.
func (m *machine) startProcess() *exec.Cmd {
	m.t.Helper()
	cmd := exec.CommandContext(m.t.Context(), "enrich", "-c", m.path("config.yml"), "serve")
	cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+m.path("notify"))
	cmd.Stderr = m.said
	must(m.t, cmd.Start())
	m.t.Cleanup(func() {
		_ = cmd.Process.Kill() // ended already, if all went well
		if m.t.Failed() {
			m.t.Logf("the daemon said:\n%.20000s", m.said)
		}
	})
	m.hears("READY=1")
	return cmd
}

// hostileEvents reads datagrams until the last line of each way and the gap have their events, holds each to its bounds,
// and counts them by the alerts that they are about.
func (m *machine) hostileEvents(all []hostileAlert, last string) map[string]int {
	m.t.Helper()
	names := map[string]string{last: "by the journal alone"}
	for i, a := range all {
		names[fmt.Sprintf("1.%d", i+1)] = a.name
	}
	waitFor := map[string]bool{"by the journal alone": true, "the last one": true, "gap": true}
	events := make(map[string]int)
	buffer := make([]byte, 1<<17)
	for deadline := time.Now().Add(patience); len(waitFor) > 0; {
		must(m.t, m.queue.SetReadDeadline(deadline))
		n, err := m.queue.Read(buffer)
		if err != nil {
			m.t.Fatalf("no event about %v: %v\nthere are %v", waitFor, err, events)
		}
		body := checkDatagram(m.t, buffer[:n])
		name := names[gjson.GetBytes(body, "custom_vault.alert_id").String()]
		if gjson.GetBytes(body, "custom_vault.event").String() == "gap" {
			name = "gap"
		}
		events[name]++
		delete(waitFor, name)
	}
	if events["gap"] != 1 {
		m.t.Errorf("%d gaps told", events["gap"])
	}
	return events
}

// checkDatagram holds a datagram to what analysisd takes, and gives its event.
func checkDatagram(t *testing.T, datagram []byte) []byte {
	t.Helper()
	const manager, agent = `1:custom-vault:`, `1:[001] (`
	at := bytes.Index(datagram, []byte(publish.Location+`:{"integration":"custom-vault",`))
	if at < 0 || len(datagram) > publish.MaxFrame || !bytes.HasPrefix(datagram, []byte(manager)) && !bytes.HasPrefix(datagram, []byte(agent)) {
		t.Fatalf("a datagram of %d bytes: %.200q", len(datagram), datagram)
	}
	body := datagram[at+len(publish.Location)+1:]
	if len(body) > event.MaxBody || !json.Valid(body) || !utf8.Valid(datagram) || bytes.ContainsFunc(datagram, func(r rune) bool { return r < ' ' }) {
		t.Errorf("an event of %d bytes: %.200q", len(body), body)
	}
	if n := leavesOf(gjson.ParseBytes(body)); n > 200 {
		t.Errorf("%d leaves: %.200q", n, body)
	}
	if acts(gjson.GetBytes(body, "custom_vault.sentence").String()) {
		t.Errorf("the sentence acts: %.300q", body)
	}
	return body
}

func leavesOf(v gjson.Result) int {
	if !v.IsObject() {
		return 1
	}
	n := 0
	v.ForEach(func(_, item gjson.Result) bool { n += leavesOf(item); return true })
	return n
}

// checkHostileCounts holds that each refusal is counted under its reason.
func checkHostileCounts(t *testing.T, m *machine, all []hostileAlert) {
	t.Helper()
	wanted := make(map[string]int)
	for _, a := range all {
		wanted[a.want]++
	}
	text := m.reads("/metrics")
	for series, want := range map[string]int{
		`custom_vault_lines_refused_total{reason="not-json"}`:         wanted[notJSON],
		`custom_vault_lines_refused_total{reason="no-rule"}`:          wanted[noRule],
		`custom_vault_lines_refused_total{reason="too-long"}`:         0,
		`custom_vault_lines_refused_total{reason="other"}`:            0,
		`custom_vault_lines_total{outcome="refused",source="alerts"}`: wanted[notJSON] + wanted[noRule],
		`custom_vault_gaps_total{reason="overlong",source="alerts"}`:  wanted[overlong],
		`custom_vault_event_faults_total{fault="bad-agent-id"}`:       wanted[badAgent],
		`custom_vault_verdicts_total{verdict="echo"}`:                 wanted[ownEcho],
		`custom_vault_event_faults_total{fault="not-json"}`:           0,
		`custom_vault_event_faults_total{fault="too-long"}`:           0,
		`custom_vault_batches_total{outcome="failed"}`:                0,
	} {
		if !strings.Contains(text, fmt.Sprintf("\n%s %d\n", series, want)) {
			t.Errorf("%s is not %d in the metrics", series, want)
		}
	}
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "custom_vault_") && acts(line) || strings.Contains(line, "DROP TABLE") {
			t.Errorf("a metric that acts, or is named by an attacker: %q", line)
		}
	}
}

var refusedAt = regexp.MustCompile(`msg="accept: line refused[^"]*".* bytes=(\d+) .*file=(\S+) offset=(\d+) reason=(\S+) source=alerts`)

// checkHostileLog holds that the log has one entry a line, that nothing in it acts, and that each refused line is where
// the log says.
func checkHostileLog(t *testing.T, m *machine, all []hostileAlert) {
	t.Helper()
	said := m.said.String()
	for line := range strings.Lines(said) {
		if acts(line) || !strings.HasPrefix(line, "time=") || strings.Contains(line, "all is well") && !strings.Contains(line, "msg=\"") {
			t.Errorf("a line of the log acts, or is an attacker's: %q", line)
		}
	}
	if strings.Count(said, "\ntime=\"2026-11-24T14:00:00Z\"") > 0 {
		t.Error("an attacker has written a line of the log")
	}
	written, err := os.ReadFile(m.path("ossec/logs/alerts/alerts.json"))
	must(t, err)
	refused := make(map[string]string) // line → reason
	for _, entry := range refusedAt.FindAllStringSubmatch(said, -1) {
		length, offset := number(t, entry[1]), number(t, entry[3])
		if entry[2] != "alerts.json" || offset+length >= len(written) || written[offset+length] != '\n' {
			t.Fatalf("no line is at %d of %s", offset, entry[2])
		}
		refused[string(written[offset:offset+length])] = entry[4]
	}
	for _, a := range all {
		if want := a.want; (want == notJSON || want == noRule) && refused[a.line] != want {
			t.Errorf("%s: the log says %q of it, want %q", a.name, refused[a.line], want)
		}
	}
}

func number(t *testing.T, text string) int {
	t.Helper()
	n, err := strconv.Atoi(text)
	must(t, err)
	return n
}

// checkHostileCommands holds that no command prints anything that acts, whatever the alert, the file or Vault is called.
func checkHostileCommands(t *testing.T, m *machine, all []hostileAlert) {
	t.Helper()
	for _, a := range all {
		file := m.path("alert\x1b[2J\u202e.json")
		must(t, os.WriteFile(file, []byte(a.line+"\n"), 0o600))
		code, stdout := m.quiet("alert", "--dry-run", file)
		wantCode := exitDone
		if a.want == notJSON || a.want == noRule || a.want == overlong {
			wantCode = exitUsage
		}
		if code != wantCode || (stdout != "") != (wantCode == exitDone && a.want != ownEcho) {
			t.Errorf("%s: enrich alert ends with %d and prints %.100q", a.name, code, stdout)
		}
		if _, stdout := m.quiet("alert", "--dry-run", "--json", file); stdout != "" && !json.Valid([]byte(stdout)) {
			t.Errorf("%s: enrich alert --json prints %.200q", a.name, stdout)
		}
	}
	for _, args := range [][]string{
		{"lookup", "acc-hostile"}, {"lookup", "--json", "acc-hostile"}, {"lookup", "--json", "e-1"}, {"lookup", hostile}, {"lookup", "--cluster", hostile, "x"},
		{"alert", hostile}, {hostile}, {"status"}, {"status", "--" + hostile}, {"-c", hostile, "status"}, {"config", "check", hostile},
	} {
		m.quiet(args...)
	}
	if _, stdout := m.quiet("lookup", "acc-hostile"); !strings.Contains(stdout, `a\x1b[31mb\u009b31mc\u202ed`) {
		t.Errorf("enrich lookup prints %q", stdout)
	}
}

// quiet runs a command, and insists that nothing that it prints acts.
func (m *machine) quiet(args ...string) (code int, printed string) {
	m.t.Helper()
	var stdout, stderr bytes.Buffer
	code = run(m.t.Context(), append([]string{"-c", m.path("config.yml")}, args...), strings.NewReader(""), &stdout, &stderr)
	if acts(stdout.String()) || acts(stderr.String()) {
		m.t.Errorf("enrich %q prints %.500q and says %.500q", args, stdout.String(), stderr.String())
	}
	return code, stdout.String()
}

// Nothing that an alert says becomes the name of a file.
func TestHostileAlertsNameNoFiles(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.start()
	evil := "evil-" + filepath.Base(m.dir)
	m.alerts(auditAlert("1.1", everywhere("../"+evil)) + "\n" + auditAlert("../../"+evil, nil) + "\n" + auditAlert("1.3", nil) + "\n")
	m.receives(3)
	m.stop()
	if err := <-m.ended; err != nil {
		t.Error(err)
	}
	must(t, filepath.WalkDir(m.dir, func(path string, _ fs.DirEntry, err error) error {
		if strings.Contains(path, evil) {
			t.Errorf("there is %s", path)
		}
		return err
	}))
	if _, err := os.Lstat(filepath.Join(m.dir, "..", evil)); err == nil {
		t.Error("a file was made outside")
	}
}
