package main

import (
	"compress/gzip"
	"context"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"custom-vault/internal/store"
	"custom-vault/internal/vaultfake"
)

func TestMain(m *testing.M) { testscript.Main(m, map[string]func(){"enrich": main}) }

// Each script is a session at a manager's shell. Beside testscript's own commands there are:
//
//	here FILE...         writes the session's folder into files, in place of @HERE@
//	listen PATH          listens on a datagram socket, as analysisd does
//	received REGEXP      waits for a datagram that matches
//	status N COMMAND...  runs a command that must end with exit code N
//	own DIR              takes the store's lock, as the daemon does, until the session ends
func TestSessions(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:   "testdata",
		Setup: setUp,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"here": here, "listen": listen, "received": received, "own": own, "status": status,
		},
	})
}

// setUp puts a recorded alert, the one that seals, and a CA into the session's folder.
func setUp(env *testscript.Env) error {
	line, err := recordedAlert()
	if err != nil {
		return err
	}
	fake, err := vaultfake.Start(vaultfake.Good, "token", "accessor")
	if err != nil {
		return err
	}
	fake.Close()
	if block, _ := pem.Decode(fake.CAPEM); block == nil {
		return errors.New("the CA is no PEM")
	}
	env.Values["queue"] = new(queue)
	configs, err := filepath.Glob(filepath.Join(env.WorkDir, "*.yml"))
	for _, config := range configs {
		err = errors.Join(err, os.Chmod(config, 0o640)) // whatever the umask
	}
	return errors.Join(err,
		os.WriteFile(filepath.Join(env.WorkDir, "alert.json"), []byte(line+"\n"), 0o644),
		os.WriteFile(filepath.Join(env.WorkDir, "ca.pem"), fake.CAPEM, 0o644),
		os.MkdirAll(filepath.Join(env.WorkDir, "ossec/queue/sockets"), 0o755),
		os.MkdirAll(filepath.Join(env.WorkDir, "ossec/queue/custom-vault/journal"), 0o755),
		os.MkdirAll(filepath.Join(env.WorkDir, "ossec/logs/alerts"), 0o755),
		os.Mkdir(filepath.Join(env.WorkDir, "state"), 0o700),
	)
}

// recordedAlert is rule 100617's alert about bob's tenth read, as a real manager wrote it.
func recordedAlert() (string, error) {
	file, err := os.Open("../../internal/pipeline/testdata/bob-story.alerts.jsonl.gz")
	if err != nil {
		return "", err
	}
	defer file.Close()
	unzip, err := gzip.NewReader(file)
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(unzip)
	for line := range strings.Lines(string(text)) {
		if strings.Contains(line, `"id":"100617"`) {
			return strings.TrimSuffix(line, "\n"), nil
		}
	}
	return "", errors.Join(errors.New("no alert of rule 100617 among the recorded ones"), err)
}

func here(ts *testscript.TestScript, _ bool, files []string) {
	for _, file := range files {
		path := ts.MkAbs(file)
		text := strings.ReplaceAll(ts.ReadFile(file), "@HERE@", ts.Getenv("WORK"))
		ts.Check(os.WriteFile(path, []byte(text), 0o644))
	}
}

// queue is a datagram socket and what came in on it.
type queue struct {
	conn *net.UnixConn
	all  []string
}

func listen(ts *testscript.TestScript, _ bool, args []string) {
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: ts.MkAbs(args[0]), Net: "unixgram"})
	ts.Check(err)
	ts.Defer(func() { conn.Close() })
	ts.Value("queue").(*queue).conn = conn
}

func received(ts *testscript.TestScript, neg bool, args []string) {
	q, want := ts.Value("queue").(*queue), regexp.MustCompile(args[0])
	wait := 5 * time.Second
	if neg { // what a command sends it has sent when it ends
		wait = 50 * time.Millisecond
	}
	ts.Check(q.conn.SetReadDeadline(time.Now().Add(wait)))
	for buffer := make([]byte, 1<<16); ; {
		n, err := q.conn.Read(buffer)
		if err != nil {
			break
		}
		q.all = append(q.all, string(buffer[:n]))
		if !neg && want.Match(buffer[:n]) {
			return
		}
	}
	found := want.MatchString(strings.Join(q.all, "\n"))
	if found == neg {
		ts.Fatalf("received: %q in %q: %t", args[0], q.all, found)
	}
}

func status(ts *testscript.TestScript, _ bool, args []string) {
	var exit *exec.ExitError
	code := 0
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &exit) {
		code = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if args[0] != strconv.Itoa(code) {
		ts.Fatalf("exit code %d", code)
	}
}

func own(ts *testscript.TestScript, _ bool, args []string) {
	s, err := store.Open(context.Background(), ts.MkAbs(args[0]))
	ts.Check(err)
	ts.Defer(func() { s.Close() })
}
