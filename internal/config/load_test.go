package config

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func written(t *testing.T, text string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.yml")
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLoadNamesTheFileInItsErrors(t *testing.T) {
	t.Parallel()
	path := written(t, "publish: {what: some}\n", 0o640)
	if _, err := Load(path); err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "publish.what") {
		t.Errorf("error %v", err)
	}
	if cfg, err := Load(written(t, whole, 0o640)); err != nil || len(cfg.Clusters) != 1 {
		t.Errorf("%+v, %v", cfg, err)
	}
}

// Whoever can write the file arms the seal.
func TestAFileThatOthersCanChangeIsRefused(t *testing.T) {
	t.Parallel()
	for mode, taken := range map[os.FileMode]bool{0o400: true, 0o600: true, 0o640: true, 0o644: true, 0o660: false, 0o646: false, 0o602: false} {
		_, err := Load(written(t, "", mode))
		if taken != (err == nil) {
			t.Errorf("mode %04o: %v", mode, err)
		}
		if err != nil && !strings.Contains(err.Error(), "chmod 0640") {
			t.Errorf("mode %04o: does not say what to do: %v", mode, err)
		}
	}
	for owner, taken := range map[int]bool{0: true, 998: true, 1000: false} {
		if err := checkOwner("config.yml", owner, 998); taken != (err == nil) {
			t.Errorf("owner %d: %v", owner, err)
		}
	}
}

func TestWhatIsNoFileOfOurSizeIsRefused(t *testing.T) {
	t.Parallel()
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		filepath.Join(t.TempDir(), "none"): "no such file",
		t.TempDir():                        "not a regular file",
		fifo:                               "not a regular file",
		written(t, strings.Repeat("#", maxFile+1), 0o600): "larger than",
	} {
		if _, err := Load(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if _, err := Load(written(t, strings.Repeat("#", maxFile), 0o600)); err != nil {
		t.Errorf("of the largest size: %v", err)
	}
}

func TestPathsBelowTheManagersHome(t *testing.T) {
	t.Parallel()
	cfg := Default()
	for got, want := range map[string]string{
		cfg.Wazuh.AlertsFile():  "/var/ossec/logs/alerts/alerts.json",
		cfg.Wazuh.JournalDir():  "/var/ossec/queue/custom-vault/journal",
		cfg.Wazuh.QueueSocket(): "/var/ossec/queue/sockets/queue",
		cfg.LogFile():           "/var/ossec/logs/integrations.log",
	} {
		if got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	cfg.Log.File = "/var/log/enrich.log"
	if got := cfg.LogFile(); got != "/var/log/enrich.log" {
		t.Errorf("an absolute name: %s", got)
	}
	if cfg.Log.File = ""; cfg.LogFile() != "" {
		t.Error("no file is a file")
	}
}

// The configuration that is shipped is taken as it is, and with everything in it that is commented out.
func TestTheShippedConfigurationIsGood(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../packaging/config.yml")
	if err != nil {
		t.Fatal(err)
	}
	if cfg, err := Parse(text); err != nil || cfg.Decide.Seal != ModeObserve {
		t.Errorf("%+v, %v", cfg.Decide, err)
	}
	var all bytes.Buffer
	for _, line := range strings.SplitAfter(string(text), "\n") {
		if rest, ok := strings.CutPrefix(strings.TrimLeft(line, " "), "# "); ok && strings.Contains(line, ":") && !strings.HasPrefix(line, "# Conf") {
			line = line[:strings.Index(line, "#")] + rest
		}
		all.WriteString(line)
	}
	if cfg, err := Parse(all.Bytes()); err != nil || len(cfg.Clusters) != 1 || len(cfg.Wazuh.API.Addresses) != 1 {
		t.Errorf("with its comments: %+v, %v", cfg, err)
	}
}
