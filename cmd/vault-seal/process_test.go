package main

import (
	"bytes"
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"custom-vault/internal/vaultfake"
)

// These tests start the real binary as wazuh-execd does: in the agent's home, with a relative argv[0] and an almost
// empty environment, as leader of a session, stdin a pipe that stays open, stdout a pipe, stderr /dev/null.

const (
	relative    = "active-response/bin/vault-seal"
	ownToken    = "hvs.SEALERtokenSEALERtoken"
	ownAccessor = "SealerAccessor0000000000"
	order       = `{"version":1,"origin":{"name":"node01","module":"wazuh-execd"},"command":"add","parameters":{"extra_args":["plan=plan-1"],"alert":{"data":{"command":"delete"}},"program":"active-response/bin/vault-seal"}}` + "\n"
	patience    = 30 * time.Second // never used up by a test that passes
)

func TestMain(m *testing.M) { os.Exit(withBinary(m)) }

// built is the folder of the binary, built as it is shipped.
var built string

func withBinary(m *testing.M) int {
	dir, err := os.MkdirTemp("", "vault-seal")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w -X main.version=v1.2.3-test", "-o", filepath.Join(dir, "vault-seal"), ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "%v\n%s", err, output)
		return 1
	}
	built = dir
	return m.Run()
}

// agent is the home of an agent whose host has one Vault.
type agent struct {
	home   string
	config string
	vault  *vaultfake.Server
}

func newAgent(t *testing.T) *agent {
	t.Helper()
	fake, err := vaultfake.Start(vaultfake.Good, ownToken, ownAccessor)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(fake.Close)
	a := &agent{home: t.TempDir(), vault: fake}
	a.config = filepath.Join(a.home, "vault-seal.yml")
	for _, dir := range []string{"active-response/bin", "logs"} {
		if err := os.MkdirAll(filepath.Join(a.home, dir), 0o750); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Link(filepath.Join(built, "vault-seal"), filepath.Join(a.home, relative)); err != nil {
		t.Fatal(err)
	}
	a.write(t, "ca.pem", string(fake.CAPEM), 0o644)
	a.write(t, "token", ownToken+"\n", 0o600)
	a.write(t, "vault-seal.yml", fmt.Sprintf("nodes: [{name: vault-1, address: %q}]\nca_file: %s/ca.pem\ntoken_file: %s/token\ntimeout: 5s\n", fake.URL, a.home, a.home), 0o640)
	return a
}

func (a *agent) write(t *testing.T, name, content string, mode os.FileMode) {
	t.Helper()
	path := filepath.Join(a.home, name)
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil { // whatever the umask
		t.Fatal(err)
	}
}

// reconfigure replaces parts of the configuration.
func (a *agent) reconfigure(t *testing.T, oldnew ...string) {
	t.Helper()
	text, err := os.ReadFile(a.config)
	if err != nil {
		t.Fatal(err)
	}
	a.write(t, "vault-seal.yml", strings.NewReplacer(oldnew...).Replace(string(text)), 0o640)
}

// run starts the program, writes input, and waits for its end with stdin open. It returns the exit code.
func (a *agent) run(t *testing.T, input string) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, relative, "-config", a.config)
	cmd.Path, cmd.Err = filepath.Join(a.home, relative), nil
	cmd.Dir = a.home
	cmd.Env = []string{"OLDPWD=/", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "PWD=/"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	var stdout bytes.Buffer
	cmd.Stdout = &stdout
	childIn, stdin, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	cmd.Stdin = childIn
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = childIn.Close()
	if _, err := io.WriteString(stdin, input); err != nil {
		t.Fatal(err)
	}
	err = cmd.Wait()
	if ctx.Err() != nil {
		t.Fatal("it did not end while stdin was open")
	}
	if stdout.Len() > 0 {
		t.Errorf("it printed on stdout, which execd takes for a key message: %q", stdout.String())
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode()
}

func (a *agent) report(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(a.home, "logs/active-responses.log"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// wantReport insists on one line, of that level, text and fields.
func (a *agent) wantReport(t *testing.T, level, text, fields string) {
	t.Helper()
	form := regexp.MustCompile(`^[A-Z][a-z]{2} [ 0-9]\d \d\d:\d\d:\d\d [A-Za-z0-9._-]+ vault-seal: ` + level + ` - \w.* ms=\d+\n$`)
	got := a.report(t)
	if !form.MatchString(got) || !strings.Contains(got, text) || !strings.Contains(got, fields) {
		t.Errorf("the report is %q; want %s with %q and %q", got, level, text, fields)
	}
	if strings.Contains(got, ownToken) {
		t.Errorf("the report tells the token: %s", got)
	}
}

func TestAnOrderSealsTheVaultOfThisHost(t *testing.T) {
	t.Parallel()
	a := newAgent(t)
	if code := a.run(t, order); code != 0 {
		t.Errorf("exit code %d", code)
	}
	a.wantReport(t, "SUCCESS", " - sealed plan=plan-1 node=vault-1 ms=", "")
	if a.vault.Count("sys/seal") != 1 || a.vault.Count("sys/seal-status") != 2 {
		t.Errorf("%d requests to seal, %d questions", a.vault.Count("sys/seal"), a.vault.Count("sys/seal-status"))
	}
}

func TestASealedVaultIsDone(t *testing.T) {
	t.Parallel()
	a := newAgent(t)
	a.vault.Seal(true)
	if code := a.run(t, order); code != 0 {
		t.Errorf("exit code %d", code)
	}
	a.wantReport(t, "INFO", "already sealed", "plan=plan-1 node=vault-1")
}

func TestTheEndOfAResponseUndoesNothing(t *testing.T) {
	t.Parallel()
	a := newAgent(t)
	if code := a.run(t, strings.Replace(order, `"command":"add"`, `"command":"delete"`, 1)); code != 0 {
		t.Errorf("exit code %d", code)
	}
	a.wantReport(t, "INFO", "nothing to do", "plan=plan-1 node=none")
	if got := a.vault.Requests(); len(got) != 0 {
		t.Errorf("Vault was asked: %+v", got)
	}
}

func TestWhatGoesWrongIsReported(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		prepare func(*testing.T, *agent)
		input   string
		code    int
		text    string
		fields  string
	}{
		{"no configuration", func(_ *testing.T, a *agent) { a.config = "/nonexistent/vault-seal.yml" }, order, 2, "no such file", "plan=plan-1 node=none"},
		{"a configuration that others can change", func(t *testing.T, a *agent) {
			if err := os.Chmod(a.config, 0o666); err != nil {
				t.Fatal(err)
			}
		}, order, 2, "others can change it", "plan=plan-1 node=none"},
		{"an unknown key", func(t *testing.T, a *agent) { a.write(t, "vault-seal.yml", "nods: []\n", 0o640) }, order, 2, `[1:1] unknown field "nods"`, "plan=plan-1 node=none"},
		{"a token that others can read", func(t *testing.T, a *agent) { a.write(t, "token", ownToken, 0o644) }, order, 2, "mode 0644", "plan=plan-1 node=vault-1"},
		{"no authority", func(t *testing.T, a *agent) { a.write(t, "ca.pem", "", 0o644) }, order, 2, "no certificate in PEM", "plan=plan-1 node=vault-1"},
		{"a token that is not valid", func(_ *testing.T, a *agent) { a.vault.RevokeOwn(ownToken) }, order, 1, "not sealed: the sealer's token is not valid", "plan=plan-1 node=vault-1"},
		{"a Vault that is gone", func(t *testing.T, a *agent) {
			a.reconfigure(t, a.vault.URL, "https://127.0.0.1:1", "5s", "1s")
		}, order, 1, "unreachable, is it stopped?", "plan=plan-1 node=vault-1"},
		{"a line that is no JSON", func(*testing.T, *agent) {}, "seal!\n", 1, "not execd's", "plan=none node=none"},
		{"another command", func(*testing.T, *agent) {}, `{"command":"seal"}` + "\n", 1, "execd's command is", "plan=none node=none"},
		{"a line that is too long", func(*testing.T, *agent) {}, strings.Repeat("x", 160<<10) + "\n", 1, "longer than", "plan=none node=none"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			a := newAgent(t)
			c.prepare(t, a)
			if code := a.run(t, c.input); code != c.code {
				t.Errorf("exit code %d, want %d", code, c.code)
			}
			a.wantReport(t, "ERROR", c.text, c.fields)
		})
	}
}

func TestSilenceOnStdinEnds(t *testing.T) {
	t.Parallel()
	a := newAgent(t)
	if code := a.run(t, ""); code != 1 {
		t.Errorf("exit code %d", code)
	}
	a.wantReport(t, "ERROR", "no whole line came on stdin", "plan=none node=none")
}

func TestOneNodeOfTwoIsPartly(t *testing.T) {
	t.Parallel()
	a := newAgent(t)
	a.reconfigure(t, "}]", `}, {name: vault-2, address: "https://127.0.0.1:1"}]`, "5s", "1s")
	if code := a.run(t, order); code != 8 {
		t.Errorf("exit code %d", code)
	}
	lines := strings.Split(strings.TrimSpace(a.report(t)), "\n")
	if len(lines) != 2 || !strings.Contains(lines[0], "SUCCESS - sealed plan=plan-1 node=vault-1") || !strings.Contains(lines[1], "node=vault-2") {
		t.Errorf("the report is %q", lines)
	}
}

func TestArgumentsThatMeanNothingAreSaid(t *testing.T) {
	t.Parallel()
	a := newAgent(t)
	if code := a.run(t, strings.Replace(order, `"plan=plan-1"`, `"-force","plan=a b"`, 1)); code != 0 {
		t.Errorf("exit code %d", code)
	}
	a.wantReport(t, "SUCCESS", "sealed (arguments ignored: 2)", "plan=none node=vault-1")
}

// The Vault comes first: a report that cannot be written is no reason not to seal.
func TestAReportFileThatIsALinkOrAFIFOIsNotWrittenToAndTheVaultIsSealedAllTheSame(t *testing.T) {
	t.Parallel()
	for name, make := range map[string]func(path, target string) error{
		"symbolic link": func(path, target string) error { return os.Symlink(target, path) },
		"FIFO":          func(path, _ string) error { return syscall.Mkfifo(path, 0o660) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAgent(t)
			a.write(t, "target", "untouched", 0o600)
			if err := make(filepath.Join(a.home, "logs/active-responses.log"), filepath.Join(a.home, "target")); err != nil {
				t.Fatal(err)
			}
			if code := a.run(t, order); code != 1 {
				t.Errorf("exit code %d", code)
			}
			if a.vault.Count("sys/seal") != 1 {
				t.Error("the Vault was not sealed")
			}
			if text, err := os.ReadFile(filepath.Join(a.home, "target")); err != nil || string(text) != "untouched" {
				t.Errorf("the link was followed: %q, %v", text, err)
			}
		})
	}
}

func TestASignalEndsItWithAReport(t *testing.T) {
	t.Parallel()
	a := newAgent(t)
	asked := make(chan struct{}, 1)
	a.vault.Always("sys/seal-status", notifying(asked, a.vault.Hang()))
	cmd := exec.Command(filepath.Join(a.home, relative), "-config", a.config)
	cmd.Dir, cmd.Env, cmd.Stdin = a.home, []string{}, strings.NewReader(order)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	<-asked
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); cmd.ProcessState.ExitCode() != 1 {
		t.Errorf("it ended with %v", err)
	}
	a.wantReport(t, "ERROR", "stopped by a signal", "plan=plan-1 node=vault-1")
}

// notifying says when a request has come, and then misbehaves.
func notifying(asked chan<- struct{}, then http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		select {
		case asked <- struct{}{}:
		default:
		}
		then(w, r)
	}
}

func wantNoInterpreter(t *testing.T, path string) {
	t.Helper()
	binary, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer binary.Close()
	for _, program := range binary.Progs {
		if program.Type == elf.PT_INTERP {
			t.Error("it is linked dynamically")
		}
	}
}

func TestTheBinaryIsSmallAndStaticAndTellsItsVersion(t *testing.T) {
	t.Parallel()
	path := filepath.Join(built, "vault-seal")
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Size() >= 10<<20 {
		t.Errorf("it has %d bytes", info.Size())
	}
	wantNoInterpreter(t, path)
	output, err := exec.Command(path, "version").Output()
	if err != nil || string(output) != "vault-seal v1.2.3-test\n" {
		t.Errorf("version: %q, %v", output, err)
	}
}

func TestUsage(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args []string
		code int
	}{{[]string{"-h"}, 0}, {[]string{"-nonsense"}, 2}, {[]string{"seal"}, 2}, {[]string{"version", "x"}, 2}} {
		cmd := exec.Command(filepath.Join(built, "vault-seal"), c.args...)
		output, err := cmd.CombinedOutput()
		if code := cmd.ProcessState.ExitCode(); code != c.code || !strings.Contains(string(output), "EXIT STATUS") {
			t.Errorf("%v: exit code %d (%v), want %d, with the usage: %s", c.args, code, err, c.code, output)
		}
	}
}

// The agent's binary stays small: what the manager's side is made of is not in it.
func TestWhatItIsMadeOf(t *testing.T) {
	t.Parallel()
	output, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, unwanted := range []string{"github.com/sirupsen/logrus", "github.com/go-resty/", "github.com/spf13/cobra", "modernc.org/", "database/sql", "custom-vault/internal/store", "custom-vault/lab"} {
		if strings.Contains(string(output), "\n"+unwanted) {
			t.Errorf("%s is in it", unwanted)
		}
	}
	if !strings.Contains(string(output), "custom-vault/internal/sealing\n") {
		t.Errorf("the list is not what this test takes it for:\n%s", output)
	}
}
