package execd_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"custom-vault/lab/execd"
	"custom-vault/lab/osseclog"
	"custom-vault/lab/testbed"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// site is an agent's home with an execd.
type site struct {
	*execd.Daemon
	home string
	log  *osseclog.Memory
	runs chan execd.Run
	conn *net.UnixConn

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

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// start starts execd with a program, a shell script called tool.
func start(t *testing.T, script string, change func(*execd.Config)) *site {
	t.Helper()
	s := &site{home: testbed.Home(t), log: &osseclog.Memory{}, runs: make(chan execd.Run, 100), now: time.Unix(1_700_000_000, 0)}
	s.write(t, "active-response/bin/tool", 0o750, "#!/bin/sh\n"+script+"\n")
	s.write(t, "etc/shared/ar.conf", 0o640, "tool0 - tool - 0\ntool5 - tool - 5\nabsent0 - absent - 0\n")
	cfg := execd.Config{Home: s.home, Now: s.clock, Tick: 5 * time.Millisecond, OnRun: func(r execd.Run) { s.runs <- r },
		Log: osseclog.Logger{Program: "wazuh-execd", Debug: 2, Sink: s.log}}
	if change != nil {
		change(&cfg)
	}
	var err error
	s.Daemon, err = execd.Start(cfg)
	must(t, err)
	t.Cleanup(s.Stop)
	if !cfg.Disabled {
		s.conn, err = net.DialUnix("unixgram", nil, &net.UnixAddr{Name: filepath.Join(s.home, execd.SocketPath), Net: "unixgram"})
		must(t, err)
		t.Cleanup(func() { _ = s.conn.Close() })
	}
	return s
}

func (s *site) write(t *testing.T, path string, mode os.FileMode, text string) {
	t.Helper()
	testbed.Write(t, filepath.Join(s.home, path), mode, text)
}

func (s *site) read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(s.home, path))
	must(t, err)
	return string(text)
}

func (s *site) send(t *testing.T, message string) {
	t.Helper()
	_, err := s.conn.Write([]byte(message))
	must(t, err)
}

func message(command string) string {
	return `{"version": 1, "origin": {"name": null, "module": "API"}, "command": "` + command + `", "parameters": {"extra_args": [], "alert": {"n": 1.0}}}`
}

func (s *site) next(t *testing.T) execd.Run {
	t.Helper()
	select {
	case r := <-s.runs:
		return r
	case <-time.After(testbed.Patience):
		t.Fatalf("no program ran; the log says %q", s.log.Lines())
		return execd.Run{}
	}
}

func (s *site) logged(t *testing.T, want string) {
	t.Helper()
	testbed.Until(t, want, func() bool { return strings.Contains(strings.Join(s.log.Lines(), "\n"), want) })
}

func TestTheProgramGetsOneLineAndKeepsItsInputOpen(t *testing.T) {
	t.Parallel()
	// The second read would return at once if stdin had been closed.
	s := start(t, `read -r line; printf '%s\n' "$line" > got; ( timeout 0.2 cat; echo "cat ended with $?" ) >> got; pwd >> got; printf '%s\n' "$0" "$#" >> got; env > environ`, nil)
	s.send(t, message("!tool"))
	if r := s.next(t); r.ExitCode != 0 || r.Program != "active-response/bin/tool" {
		t.Errorf("%+v", r)
	}
	want := `{"version":1,"origin":{"name":null,"module":"wazuh-execd"},"command":"add","parameters":{"extra_args":[],"alert":{"n":1},"program":"active-response/bin/tool"}}` +
		"\ncat ended with 124\n" + s.home + "\nactive-response/bin/tool\n0\n"
	if got := s.read(t, "got"); got != want {
		t.Errorf("the program saw\n%swant\n%s", got, want)
	}
	if environ := s.read(t, "environ"); strings.Contains(environ, "HOME=") || !strings.Contains(environ, "PATH=") {
		t.Errorf("environment %q", environ)
	}
}

func TestProgramsRunOneAfterTheOther(t *testing.T) {
	t.Parallel()
	s := start(t, `read -r line; echo begin >> order; sleep 0.1; echo end >> order`, nil)
	s.send(t, message("!tool"))
	s.send(t, message("!tool"))
	s.next(t)
	s.next(t)
	if got := s.read(t, "order"); got != "begin\nend\nbegin\nend\n" {
		t.Errorf("order %q", got)
	}
}

func TestABackgroundChildThatHoldsStdoutHoldsUpTheNext(t *testing.T) {
	t.Parallel()
	s := start(t, `read -r line; sleep 0.3 & exit 0`, nil)
	began := time.Now()
	s.send(t, message("!tool"))
	s.next(t)
	if took := time.Since(began); took < 300*time.Millisecond {
		t.Errorf("the next could run after %v", took)
	}
}

const checkKeys = `read -r line; echo '{"version":1,"origin":{"name":"tool","module":"active-response"},"command":"check_keys","parameters":{"keys":["k"]}}'; read -r second; printf '%s\n' "$second" >> second`

func TestKeysAreContinuedThenAbortedThenDeleted(t *testing.T) {
	t.Parallel()
	s := start(t, checkKeys, nil)
	s.send(t, message("tool5"))
	if r := s.next(t); r.Answer != "continue" {
		t.Errorf("first: %+v", r)
	}
	s.advance(3 * time.Second)
	s.send(t, message("tool5"))
	if r := s.next(t); r.Answer != "abort" {
		t.Errorf("repeated: %+v", r)
	}
	s.advance(5 * time.Second) // not more than the timeout since the repetition
	s.send(t, message("!tool"))
	if r := s.next(t); !strings.Contains(string(r.Input), `"command":"add"`) {
		t.Errorf("deleted after exactly the timeout: %+v", r)
	}
	s.advance(time.Second)
	if r := s.next(t); !strings.Contains(string(r.Input), `"command":"delete"`) || r.Keys != "" {
		t.Errorf("after more than the timeout: %+v", r)
	}
}

func TestRepeatedOffendersStayLonger(t *testing.T) {
	t.Parallel()
	s := start(t, checkKeys, func(cfg *execd.Config) { cfg.RepeatedOffenders = []int{1} })
	s.send(t, message("tool5"))
	s.next(t)
	s.advance(6 * time.Second)
	s.next(t) // deleted
	s.send(t, message("tool5"))
	s.next(t)
	s.logged(t, "config.c:138 at ExecdConfig(): INFO: Adding offenders timeout: 1 (for #1)")
	s.logged(t, "execd.c:371 at ExecdRun(): DEBUG: Repeated offender. Setting timeout to '60s'")
	s.logged(t, "to the timeout list, with a timeout of '60s'.")
}

// config.c:104-157: five fields, blanks before them, empty ones left out, and atoi for the rest.
func TestOffendersAreReadAsTheDaemonDoes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"1,2": "[1 2]", " 30, 60 ,\t120": "[30 60 120]", "1,,x": "[1 0]", "1,2,3,4,5,6": "[1 2 3 4 5]", "": "[]"} {
		if got := fmt.Sprint(execd.Offenders(text)); got != want {
			t.Errorf("%q: %s; want %s", text, got, want)
		}
	}
}

// A repeated response takes the timeout of the message that repeated it (execd.c:399-400).
func TestARepetitionBringsItsOwnTimeout(t *testing.T) {
	t.Parallel()
	s := start(t, checkKeys, nil)
	s.write(t, "etc/shared/ar.conf", 0o640, "tool5 - tool - 5\ntool90 - tool - 90\n")
	s.send(t, message("tool5"))
	s.next(t)
	s.send(t, message("tool90"))
	if r := s.next(t); r.Answer != "abort" {
		t.Errorf("%+v", r)
	}
	s.advance(60 * time.Second)
	s.send(t, message("!tool"))
	if r := s.next(t); !strings.Contains(string(r.Input), `"command":"add"`) {
		t.Errorf("deleted by the first timeout: %+v", r)
	}
	s.advance(31 * time.Second)
	if r := s.next(t); !strings.Contains(string(r.Input), `"command":"delete"`) {
		t.Errorf("%+v", r)
	}
}

// active_responses.c: only a whole key message names keys, and only with texts. Responses with the same name abort each other.
func TestWhatIsNoKeyMessageNamesTheProgramOnly(t *testing.T) {
	t.Parallel()
	plain := `{"version":1,"origin":{},"command":"check_keys","parameters":{}}`
	for line, same := range map[string]bool{
		`just text`: true,
		`{"command":"check_keys","parameters":{"keys":["k"]}}`:                                      true, // no version, no origin
		`{"version":"1","origin":{},"command":"check_keys","parameters":{"keys":["k"]}}`:            true,
		`{"version":1,"origin":"x","command":"check_keys","parameters":{"keys":["k"]}}`:             true,
		`{"version":1,"origin":{},"command":"check","parameters":{"keys":["k"]}}`:                   true,
		`{"version":1,"origin":{},"command":"check_keys","parameters":{"keys":"k"}}`:                true,
		`{"version":1,"origin":{},"command":"check_keys","parameters":{"keys":[1]}}`:                true,
		`{"version":1,"origin":{},"command":"check_keys","parameters":{"keys":[1,"k"]}}`:            false,
		`{"version":1,"origin":{},"command":"check_keys","parameters":{"keys":["k"]}} and the like`: false,
	} {
		s := start(t, `read -r line; n=$(cat runs 2>/dev/null); echo "$n"x > runs; if [ -z "$n" ]; then echo '`+plain+`'; else echo '`+line+`'; fi; read -r second`, nil)
		s.send(t, message("tool5"))
		s.next(t)
		s.send(t, message("tool5"))
		if r := s.next(t); (r.Answer == "abort") != same {
			t.Errorf("%s: answered %s", line, r.Answer)
		}
		s.Stop()
	}
}

// exec.c:42-146: what ReadExecConfig says of a file it cannot use, and which of two lines with one name counts.
func TestFaultyRegistrationsAreSaidAndPassedOver(t *testing.T) {
	t.Parallel()
	s := start(t, `read -r line`, nil)
	s.write(t, "etc/shared/ar.conf", 0o640, "!bad - tool - 0\nno separators\ntwo - fields\nup0 - ../bin/tool - 0\ndouble0 - absent - 0\ndouble0 - tool - 7x\nlast0 - tool - 0")
	for _, name := range []string{"last0", "double0"} {
		s.send(t, message(name))
		if r := s.next(t); r.Program != "active-response/bin/tool" {
			t.Errorf("%s: %+v", name, r)
		}
	}
	for _, want := range []string{
		"exec.c:58 at ReadExecConfig(): ERROR: (1313): Invalid active response config: 'etc/shared/ar.conf'.",
		"exec.c:65 at ReadExecConfig(): ERROR: (1313): Invalid active response config: 'etc/shared/ar.conf'.",
		"exec.c:85 at ReadExecConfig(): ERROR: (1313): Invalid active response config: 'etc/shared/ar.conf'.",
		"exec.c:94 at ReadExecConfig(): ERROR: Active response command '../bin/tool' vulnerable to directory traversal attack. Ignoring.",
	} {
		s.logged(t, want)
	}
	must(t, os.Remove(filepath.Join(s.home, "etc/shared/ar.conf")))
	s.send(t, message("nothing0"))
	s.logged(t, "exec.c:44 at ReadExecConfig(): ERROR: (1103): Could not open file 'etc/shared/ar.conf' due to [(2)-(No such file or directory)].")
	s.send(t, message("last0"))
	s.logged(t, "(1311): Invalid command name 'last0' provided.")
}

// execd.c:240: a restart is no response; nothing is written to restart.sh, and nobody waits for it.
func TestARestartIsNoResponse(t *testing.T) {
	t.Parallel()
	s := start(t, `read -r line`, nil)
	s.send(t, message("restart-wazuh"))
	s.logged(t, "(1312): Error executing 'active-response/bin/restart.sh': No such file or directory")
	s.write(t, "active-response/bin/restart.sh", 0o750, "#!/bin/sh\necho \"$0 $*\" > restarted.new; mv restarted.new restarted\n")
	s.send(t, message("restart-wazuh"))
	s.send(t, message("!tool"))
	s.next(t)
	s.Stop()
	if got := s.read(t, "restarted"); got != "active-response/bin/restart.sh agent\n" {
		t.Errorf("restart.sh was started as %q", got)
	}
}

func TestStoppingDeletesWhatIsPending(t *testing.T) {
	t.Parallel()
	s := start(t, checkKeys, nil)
	s.send(t, message("tool5"))
	s.next(t)
	s.Stop()
	if r := s.next(t); !strings.Contains(string(r.Input), `"command":"delete"`) {
		t.Errorf("%+v", r)
	}
}

func TestNamesThatDoNotLeadToAProgram(t *testing.T) {
	t.Parallel()
	s := start(t, `echo ran >> ran`, nil)
	for _, c := range []struct{ command, log string }{
		{"!../bin/tool", "Active response command '../bin/tool' vulnerable to directory traversal attack. Ignoring."},
		{"tool", "(1311): Invalid command name 'tool' provided."},
		{"absent0", "Active response command not present: 'active-response/bin/absent'. Not using it on this system."},
		{"!" + strings.Repeat("x", 300), "path too long."},
		{"!missing", "Message not received with alert keys from script 'active-response/bin/missing'"},
	} {
		s.send(t, message(c.command))
		s.logged(t, c.log)
	}
	if _, err := os.Stat(filepath.Join(s.home, "ran")); !errors.Is(err, os.ErrNotExist) {
		t.Error("a program ran")
	}
}

func TestMessagesThatAreTooLongOrWrong(t *testing.T) {
	t.Parallel()
	s := start(t, `read -r line`, nil)
	long := message("!tool")
	long = strings.Replace(long, `"n": 1.0`, `"n": "`+strings.Repeat("x", 70000)+`"`, 1)
	s.send(t, long)
	s.logged(t, "(1315): Invalid JSON message: '"+long[:1000])
	s.send(t, "{}")
	s.logged(t, "(1316): Invalid AR command: '{}'")
	s.send(t, "")
	s.logged(t, "(1210): Queue 'queue/alerts/execq' not accessible: 'Success'")
	s.send(t, message("!tool")) // and goes on
	s.next(t)
}

func TestSuspendedItNeitherRunsNorAnswers(t *testing.T) {
	t.Parallel()
	s := start(t, `read -r line`, nil)
	s.Suspend()
	s.send(t, message("!tool"))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := s.Disabled(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("asked while suspended: %v", err)
	}
	select {
	case r := <-s.runs:
		t.Errorf("ran while suspended: %+v", r)
	default:
	}
	s.Continue()
	s.next(t)
}

func TestDisabledItListensToNobody(t *testing.T) {
	t.Parallel()
	s := start(t, `true`, func(cfg *execd.Config) { cfg.Disabled = true })
	if _, err := os.Stat(filepath.Join(s.home, execd.SocketPath)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("there is a queue: %v", err)
	}
	if disabled, err := s.Disabled(t.Context()); err != nil || !disabled {
		t.Errorf("it says %v, %v", disabled, err)
	}
	s.Stop()
	if _, err := s.Disabled(t.Context()); !errors.Is(err, execd.ErrStopped) {
		t.Errorf("stopped, it says %v", err)
	}
}

func TestStopKillsAProgramThatHangs(t *testing.T) {
	t.Parallel()
	s := start(t, `read -r line; echo started > started; sleep 600`, nil)
	s.send(t, message("!tool"))
	testbed.Until(t, "the program's start", func() bool {
		_, err := os.Stat(filepath.Join(s.home, "started"))
		return err == nil
	})
	s.Stop()
	if r := s.next(t); r.ExitCode != -1 {
		t.Errorf("%s", fmt.Sprint(r))
	}
}
