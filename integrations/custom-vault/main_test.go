package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"
)

// program is the hook, built as it ships; TestMain sets it.
var program string

func TestMain(m *testing.M) {
	os.Exit(buildAndRun(m))
}

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "custom-vault-test")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	program = filepath.Join(dir, "custom-vault")
	if err := build(program, "."); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// build builds a program as the hook is shipped.
func build(to, from string) error {
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", to, from)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", from, err, out)
	}
	return nil
}

// home is a Wazuh home with the hook installed in it.
type home struct {
	dir     string
	hook    string
	journal string
}

func install(t testing.TB) home {
	t.Helper()
	dir := t.TempDir()
	h := home{
		dir:     dir,
		hook:    filepath.Join(dir, "integrations", "custom-vault"),
		journal: filepath.Join(dir, "queue", "custom-vault", "journal"),
	}
	for _, d := range []string{filepath.Dir(h.hook), h.journal} {
		if err := os.MkdirAll(d, 0o750); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(h.journal, 0o770); err != nil {
		t.Fatal(err)
	}
	// A link, since a program that was just written may still be open for writing in a child
	// that another test is starting, and then does not run (ETXTBSY).
	if err := os.Link(program, h.hook); err != nil {
		t.Fatal(err)
	}
	return h
}

// command is the hook as integratord starts it: argv[0] is a literal, and stdin is /dev/null. It
// gets nothing from its environment, and runs in /.
func (h home) command(args ...string) *exec.Cmd {
	return &exec.Cmd{Path: h.hook, Args: append([]string{"integrations"}, args...), Env: []string{}, Dir: "/"}
}

// outcome is what a run of the hook came to.
type outcome struct {
	code   int
	stdout string
	stderr string
	took   time.Duration
}

func run1(t testing.TB, cmd *exec.Cmd) outcome {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	start := time.Now()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // what it says is in the state
	return outcome{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String(), time.Since(start)}
}

func (h home) run(t testing.TB, args ...string) outcome {
	t.Helper()
	return run1(t, h.command(args...))
}

// taken fails the test unless the hook took the alert, silently.
func (o outcome) taken(t testing.TB) {
	t.Helper()
	if o.code != 0 || o.stdout != "" || o.stderr != "" {
		t.Errorf("exit %d, stdout %q, stderr %q; want a silent 0", o.code, o.stdout, o.stderr)
	}
}

// refused fails the test unless the hook refused the alert, with one line on stderr that says
// something, and did not hang.
func (o outcome) refused(t testing.TB, says ...string) {
	t.Helper()
	if o.code != 1 || o.stdout != "" {
		t.Errorf("exit %d, stdout %q; want 1 and nothing", o.code, o.stdout)
	}
	if !regexp.MustCompile(`^custom-vault: [[:^cntrl:]]+\n$`).MatchString(o.stderr) {
		t.Errorf("stderr is %q, want one line", o.stderr)
	}
	for _, s := range says {
		if !bytes.Contains([]byte(o.stderr), []byte(s)) {
			t.Errorf("stderr is %q, want it to say %q", o.stderr, s)
		}
	}
	if o.took > time.Minute { // on any machine, however busy: it waits for nothing but the lock
		t.Errorf("took %v", o.took)
	}
}

// journalled is what the journal holds: one file, or two when the hour has just changed.
func (h home) journalled(t testing.TB) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(h.journal, "*.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	var all []byte
	for _, name := range files { // Glob sorts
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, content...)
	}
	return string(all)
}

// alertFile makes an alert file, as integratord leaves it in /tmp.
func alertFile(t testing.TB, content string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "custom-vault-1795529044--1744657824.alert")
	if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

// recorded is an alert file that a real integratord 4.14.4 handed over.
func recorded(t testing.TB, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", "alerts", name+".alert"))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}
