package sealing

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

const goodConfig = `
nodes:
  - {name: vault-1, address: "https://127.0.0.1:8200"}
  - name: vault-2
    address: https://127.0.0.1:8202
    server_name: vault-2.example.com
ca_file: /etc/vault.d/ca.pem
token_file: /etc/vault.d/token
timeout: 5s
report_file: /tmp/report.log
`

func TestConfig(t *testing.T) {
	t.Parallel()
	cfg, err := LoadConfig(writeFile(t, "vault-seal.yml", goodConfig, 0o640))
	if err != nil {
		t.Fatal(err)
	}
	if len(cfg.Nodes) != 2 || cfg.Nodes[1] != (Node{"vault-2", "https://127.0.0.1:8202", "vault-2.example.com"}) ||
		cfg.Timeout != 5*time.Second || cfg.ReportFile != "/tmp/report.log" || cfg.CAFile != "/etc/vault.d/ca.pem" {
		t.Errorf("read as %+v", cfg)
	}
	short := strings.ReplaceAll(strings.ReplaceAll(goodConfig, "timeout: 5s\n", ""), "report_file: /tmp/report.log\n", "")
	cfg, err = ParseConfig([]byte(short))
	if err != nil || cfg.Timeout != defaultTimeout || cfg.ReportFile != DefaultReportFile {
		t.Errorf("without the optional keys: %+v, %v", cfg, err)
	}
}

func TestTheSampleConfigurationIsOne(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../packaging/vault-seal.yml")
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := ParseConfig(text)
	if err != nil || len(cfg.Nodes) != 1 || cfg.Timeout != defaultTimeout || cfg.ReportFile != DefaultReportFile {
		t.Errorf("read as %+v, %v", cfg, err)
	}
	// What is commented out in it has to be right too.
	full := strings.NewReplacer("# timeout:", "timeout:", "# report_file:", "report_file:", "# server_name:", "server_name:").Replace(string(text))
	cfg, err = ParseConfig([]byte(full))
	if err != nil || cfg.Nodes[0].ServerName == "" || cfg.Timeout != defaultTimeout || cfg.ReportFile != DefaultReportFile {
		t.Errorf("with all of its keys: %+v, %v", cfg, err)
	}
}

func TestConfigMistakes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, old, new, why string }{
		{"unknown key", "timeout: 5s", "time_out: 5s", `[9:1] unknown field "time_out"`},
		{"unknown key of a node", "server_name:", "servername:", `[6:5] unknown field "servername"`},
		{"key given twice", "timeout: 5s", "timeout: 5s\ntimeout: 6s", "[10:1]"},
		{"wrong type", "timeout: 5s", "timeout: [5]", "[9:10]"},
		{"number without unit", "timeout: 5s", "timeout: 5", "[9:10]"},
		{"too long a time", "timeout: 5s", "timeout: 1h", "timeout: from 1s"},
		{"second document", "timeout: 5s", "timeout: 5s\n---\nnodes: []", "more than one"},
		{"no nodes", goodConfig, "ca_file: /a", "nodes: none"},
		{"empty", goodConfig, "", "nodes: none"},
		{"name with a space", "vault-2\n", "vault 2\n", "nodes[1].name"},
		{"name twice", "vault-2\n", "vault-1\n", "twice"},
		{"name that reports use for no node", "vault-2\n", "none\n", "nodes[1].name"},
		{"no name", "name: vault-2", "name: ''", "nodes[1].name"},
		{"plain http", "https://127.0.0.1:8202", "http://127.0.0.1:8202", "in clear"},
		{"relative CA file", "/etc/vault.d/ca.pem", "ca.pem", "ca_file"},
		{"relative token file", "/etc/vault.d/token", "token", "token_file"},
		{"no report file", "report_file: /tmp/report.log", "report_file: ''", "report_file"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			text := strings.Replace(goodConfig, c.old, c.new, 1)
			if text == goodConfig {
				t.Fatal("the mistake is not in the text")
			}
			_, err := LoadConfig(writeFile(t, "vault-seal.yml", text, 0o640))
			if err == nil || !strings.Contains(err.Error(), c.why) {
				t.Errorf("error %v; want one with %q", err, c.why)
			}
		})
	}
}

func TestAConfigurationThatOthersCanChangeIsNotBelieved(t *testing.T) {
	t.Parallel()
	for _, mode := range []os.FileMode{0o660, 0o602, 0o666} {
		if _, err := LoadConfig(writeFile(t, "vault-seal.yml", goodConfig, mode)); err == nil || !strings.Contains(err.Error(), "others can change it") {
			t.Errorf("mode %04o: error %v", mode, err)
		}
	}
	path := writeFile(t, "vault-seal.yml", goodConfig, 0o600)
	if os.Geteuid() == 0 {
		if err := os.Chown(path, 4242, -1); err != nil { // root's own file would be believed by everybody
			t.Fatal(err)
		}
	}
	if _, err := readConfig(path, 4243); err == nil || !strings.Contains(err.Error(), "belongs to user id") {
		t.Errorf("file of another user: error %v", err)
	}
}

func TestConfigFilesThatAreNone(t *testing.T) {
	t.Parallel()
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, why := range map[string]string{
		filepath.Join(t.TempDir(), "missing"): "no such file",
		t.TempDir():                           "not a regular file",
		fifo:                                  "not a regular file",
		writeFile(t, "big", strings.Repeat("#", maxConfigFile+1), 0o600): "larger than",
	} {
		if _, err := LoadConfig(path); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: error %v; want one with %q", path, err, why)
		}
	}
}
