package config

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const whole = `# A whole configuration, as on a manager with one cluster of two nodes.
wazuh:
  home: /var/ossec
  version: 4.10
  api:
    addresses: ["https://localhost:55000"]
    ca_file: /etc/custom-vault/wazuh-api.pem
    user: vault-seal
    password_file: /etc/custom-vault/secrets/wazuh-api-password
    timeout: 20s
clusters:
  - name: prod
    ca_file: /etc/custom-vault/vault-ca.pem
    token_file: /etc/custom-vault/secrets/vault-token
    nodes:
      - {name: vault-1, address: "https://vault-1.example.com:8200", agent: 001}
      - {name: vault-2, address: "https://10.0.0.2:8200", server_name: vault-2.example.com, agent: "002"}
    audit_devices:
      - {name: file/, hashed: true}
lookup: {timeout: 500ms}
decide:
  rules: article
  seal: armed
  seals_per_day: 2
publish:
  what: all
log:
  file: ""
`

func TestAWholeConfigurationIsReadOverTheDefaults(t *testing.T) {
	t.Parallel()
	want := Default()
	want.Wazuh.Version = "4.10" // and not the number 4.1
	want.Wazuh.API = WazuhAPI{
		Addresses: []string{"https://localhost:55000"}, CAFile: "/etc/custom-vault/wazuh-api.pem", User: "vault-seal",
		PasswordFile: "/etc/custom-vault/secrets/wazuh-api-password", Timeout: 20 * time.Second, Command: "!vault-seal",
	}
	want.Clusters = []Cluster{{
		Name: "prod", CAFile: "/etc/custom-vault/vault-ca.pem", TokenFile: "/etc/custom-vault/secrets/vault-token",
		Nodes: []Node{
			{Name: "vault-1", Address: "https://vault-1.example.com:8200", Agent: "001"}, // and not the number 1
			{Name: "vault-2", Address: "https://10.0.0.2:8200", ServerName: "vault-2.example.com", Agent: "002"},
		},
		AuditDevices: []AuditDevice{{Name: "file/", Hashed: true}},
	}}
	want.Lookup.Timeout = 500 * time.Millisecond
	want.Decide.Rules, want.Decide.Seal, want.Decide.SealsPerDay = "article", ModeArmed, 2
	want.Publish.What, want.Log.File = "all", ""
	got, err := Parse([]byte(whole))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for agent, cluster := range map[string]string{"001": "prod", "002": "prod", "003": "", "": "", "1": ""} {
		if got, ok := got.ClusterOf(agent); got.Name != cluster || ok != (cluster != "") {
			t.Errorf("cluster of agent %q: %q, %t", agent, got.Name, ok)
		}
	}
}

func TestWhatIsEmptyIsTheDefaultAndArmsNothing(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "\n", "# only a comment\n", "---\n", "---\n# nothing\n", "wazuh:\n", "wazuh: {}\nclusters: []\n", "wazuh: {home: null}\n"} {
		got, err := Parse([]byte(text))
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if diff := cmp.Diff(Default(), got); diff != "" && !strings.Contains(text, "[]") {
			t.Errorf("%q: %s", text, diff)
		}
		if got.Decide.Seal != ModeObserve || got.Decide.Rules != "default" {
			t.Errorf("%q: %+v", text, got.Decide)
		}
	}
}

// edited is the whole configuration with one line exchanged.
func edited(t *testing.T, old, by string) string {
	t.Helper()
	if strings.Count(whole, old) != 1 {
		t.Fatalf("%q is not there once", old)
	}
	return strings.Replace(whole, old, by, 1)
}

// Every mistake is told with the line that holds it, and a caret below the place.
func TestMistakesAreToldWithTheirPlace(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text string
		says string
		at   string // line:column of the caret
	}{
		"unknown key":        {edited(t, "  what: all", "  waht: all"), `did you mean "what"?`, "26:3"},
		"unknown section":    {"publsh: {}\n", `did you mean "publish"?`, "1:1"},
		"nothing like it":    {"x: 1\n", `unknown field "x"`, "1:1"},
		"key of another":     {edited(t, "  what: all", "  level: debug"), `"level" does not belong here: it is a key of log`, "26:3"},
		"doubled key":        {edited(t, "  what: all", "  what: all\n  what: all"), `already defined`, "27:3"},
		"doubled section":    {whole + "lookup: {}\n", `already defined`, "29:1"},
		"text for a number":  {edited(t, "seals_per_day: 2", "seals_per_day: two"), `decide.seals_per_day: "two" is not a whole number`, "24:18"},
		"a broken number":    {edited(t, "seals_per_day: 2", "seals_per_day: 1.5"), `decide.seals_per_day: "1.5" is not a whole number`, "24:18"},
		"a quoted number":    {edited(t, "seals_per_day: 2", `seals_per_day: "2"`), `is not a whole number`, "24:18"},
		"YAML 1.1's true":    {edited(t, "hashed: true", "hashed: yes"), `clusters[0].audit_devices[0].hashed: "yes" is neither true nor false`, "19:31"},
		"true for text":      {edited(t, "user: vault-seal", "user: true"), `wazuh.api.user: true is not text: put it in quotes`, "8:11"},
		"bad duration":       {edited(t, "timeout: 20s", "timeout: soon"), `wazuh.api.timeout: "soon" is not a duration such as 30s or 5m`, "10:14"},
		"number as duration": {edited(t, "timeout: 20s", "timeout: 20"), `"20" is not a duration`, "10:14"},
		"duration too long":  {edited(t, "{timeout: 500ms}", "{timeout: 31s}"), `lookup.timeout: 31s is not between 50ms and 30s`, "20:19"},
		"list for a section": {"wazuh: [1]\n", `sequence was used where mapping is expected`, "1:8"},
		"section for a list": {"clusters: {name: x}\n", `mapping was used where sequence is expected`, "1:11"},
		"text for a list":    {edited(t, `["https://localhost:55000"]`, `https://localhost:55000`), `string was used where sequence is expected`, "6:16"},
		"not a mapping":      {"hello\n", `string was used where mapping is expected`, "1:1"},
		"a tab":              {"publish:\n\twhat: all\n", `found character`, "2:1"},
		"plain http":         {edited(t, "https://10.0.0.2:8200", "http://10.0.0.2:8200"), `plain http is never used`, "17:34"},
		"no host":            {edited(t, "https://10.0.0.2:8200", "https://:8200"), `is not an address`, "17:34"},
		"user in address":    {edited(t, "https://10.0.0.2:8200", "https://u:p@10.0.0.2:8200"), `is not an address`, "17:34"},
		"path in address":    {edited(t, "https://10.0.0.2:8200", "https://10.0.0.2:8200/v1"), `is not an address`, "17:34"},
		"api over http":      {edited(t, "https://localhost:55000", "http://localhost:55000"), `wazuh.api.addresses[0]`, "6:17"},
		"agent 000":          {edited(t, `"002"`, `"000"`), `000 is the manager itself`, "17:100"},
		"agent of no digits": {edited(t, `"002"`, `"vault-2"`), `"vault-2" is not the id of an agent`, "17:100"},
		"agent cut short":    {edited(t, `"002"`, `2`), `"2" is not the id of an agent`, "17:100"},
		"relative path":      {edited(t, "home: /var/ossec", "home: var/ossec"), `wazuh.home: "var/ossec" is not an absolute path`, "3:9"},
		"bad version":        {edited(t, "version: 4.10", "version: 5.0"), `"5.0" is not a version`, "4:12"},
		"unknown rules":      {edited(t, "rules: article", "rules: mine"), `decide.rules: "mine" is none of`, "22:10"},
		"unknown mode":       {edited(t, "seal: armed", "seal: on"), `decide.seal: "on" is none of`, "23:9"},
		"anchor and alias":   {edited(t, "what: all", "what: &a all"), `anchors, aliases and tags are not taken`, "26:9"},
		"merge key":          {"log: {<<: {level: debug}}\n", `anchors, aliases and tags are not taken`, "1:6"},
		"tag":                {edited(t, "what: all", "what: !!str all"), `anchors, aliases and tags are not taken`, "26:9"},
		"two documents":      {whole + "---\nlog: {}\n", `more than one YAML document`, ""},
		"cluster twice":      {edited(t, "lookup:", "  - {name: prod, ca_file: /c, nodes: [{name: n, address: \"https://n\"}]}\nlookup:"), `clusters[1].name: cluster "prod" is there twice`, "20:12"},
		"agent in two clusters": {
			edited(t, "lookup:", "  - {name: b, ca_file: /c, nodes: [{name: n, address: \"https://n\", agent: \"002\"}]}\nlookup:"),
			`clusters[1].nodes[0].agent: agent 002 is already in cluster "prod"`, "20:75",
		},
		"node twice":      {edited(t, "name: vault-2,", "name: vault-1,"), `node "vault-1" is there twice`, "17:16"},
		"cluster of none": {"clusters: [{name: a, ca_file: /c, nodes: []}]\n", `a cluster needs at least one node`, "1:42"},
		"cluster without": {"clusters: [{name: a, ca_file: /c}]\n", `clusters[0].nodes: a cluster needs at least one node`, ""},
		"armed without an agent": {"wazuh: {api: {addresses: [\"https://h:1\"], ca_file: /a, user: u, password_file: /b}}\n" +
			"clusters:\n  - {name: p, ca_file: /c, nodes: [{name: n, address: \"https://n:8200\"}]}\ndecide: {seal: armed}\n",
			`no node of cluster "p" has an agent`, "3:35"},
		"armed without api": {"decide: {seal: armed}\n", `sealing is armed, but wazuh.api.addresses is empty`, "1:16"},
		"api without user":  {edited(t, "    user: vault-seal\n", ""), `wazuh.api.user: is missing`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Parse([]byte(c.text))
			if err == nil {
				t.Fatal("it was taken")
			}
			if !strings.Contains(err.Error(), c.says) {
				t.Errorf("does not say %q:\n%v", c.says, err)
			}
			if got := caret(err.Error()); c.at != "" && got != c.at {
				t.Errorf("points at %s, want %s:\n%v", got, c.at, err)
			}
		})
	}
}

// caret is the place that an error points at: the line behind ">", the column of "^".
func caret(message string) string {
	lines := strings.Split(message, "\n")
	for i, line := range lines {
		var number int
		if _, err := fmt.Sscanf(line, "> %d |", &number); err != nil || i+1 == len(lines) {
			continue
		}
		margin := strings.Index(line, "| ") + len("| ")
		return fmt.Sprintf("%d:%d", number, strings.IndexByte(lines[i+1], '^')-margin+1)
	}
	return ""
}

func TestAllMistakesAreToldAtOnce(t *testing.T) {
	t.Parallel()
	_, err := Parse([]byte("store: {dir: state}\npublish: {pace: 0, what: some}\n"))
	if err == nil {
		t.Fatal("it was taken")
	}
	for _, want := range []string{"store.dir:", "publish.pace:", "publish.what:"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("nothing about %s in\n%v", want, err)
		}
	}
}
