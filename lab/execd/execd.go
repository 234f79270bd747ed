// Package execd stands in for wazuh-execd: it takes active responses from a datagram socket and runs their programs one after the other, waiting
// for each without limit, as 4.3 to 4.14 do on an agent.
//
// It may import lab/cjson and lab/osseclog. It runs nothing but programs below active-response/bin of its home.
package execd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"custom-vault/lab/cjson"
	"custom-vault/lab/osseclog"
)

const (
	// SocketPath is where agentd writes to, relative to the agent's home.
	SocketPath = "queue/alerts/execq"
	// receiveLimit is what is taken of a message; the rest is cut, and what is left is no JSON any more.
	receiveLimit = 65535
)

// Config says what the daemon works with.
type Config struct {
	// Home is the agent's home: the programs' working directory.
	Home string
	// Disabled is <active-response><disabled>yes: the daemon runs, its queue does not.
	Disabled bool
	// RepeatedOffenders replaces the timeout of a repeated response, in minutes; a 0 ends the list (see Offenders).
	RepeatedOffenders []int
	// Tick is how often timeouts are looked at; 0 means 1 s.
	Tick time.Duration
	Now  func() time.Time
	Log  osseclog.Logger
	// Env is the environment that programs inherit; nil means PATH only.
	Env []string
	// Credential, if set, is whom programs run as; the real daemon is root, of group wazuh.
	Credential *syscall.Credential
	// OnRun, if set, is told of each program once it has ended.
	OnRun func(Run)
}

// Run is one program that was run, or whose start failed.
type Run struct {
	Program string
	// Input is the first line the program was given, without newline.
	Input []byte
	// Keys is the line the program printed, if any; Answer is what it was told then: continue or abort.
	Keys, Answer string
	Started      time.Time
	Took         time.Duration
	// ExitCode is -1 for a program that was killed by a signal, 127 for one that could not be started.
	ExitCode int
}

// Daemon is a running execd.
type Daemon struct {
	cfg  Config
	conn *net.UnixConn

	registered []registered
	configRead bool
	pending    []*pending
	repeats    map[string]int
	restarts   sync.WaitGroup

	mu        sync.Mutex
	suspended chan struct{} // not nil while suspended
	stopped   bool
	done      chan struct{}
	kill      context.CancelFunc
}

// Start starts the daemon. Who was connected to an earlier daemon's socket is not connected to this one's.
func Start(cfg Config) (*Daemon, error) {
	if cfg.Tick == 0 {
		cfg.Tick = time.Second
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Env == nil {
		cfg.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
	}
	d := &Daemon{cfg: cfg, repeats: make(map[string]int), done: make(chan struct{})}
	for i, minutes := range cfg.RepeatedOffenders {
		cfg.Log.Info("config.c:138 at ExecdConfig()", "Adding offenders timeout: %d (for #%d)", minutes, i+1)
	}
	if cfg.Disabled {
		cfg.Log.Info("main.c:146 at main()", "(1350): Active response disabled.")
	}
	cfg.Log.Info("main.c:160 at main()", "Started (pid: %d).", os.Getpid())
	if cfg.Disabled {
		close(d.done)
		return d, nil
	}
	if err := d.listen(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	d.kill = cancel
	go d.serve(ctx)
	return d, nil
}

func (d *Daemon) listen() error {
	path := filepath.Join(d.cfg.Home, SocketPath)
	if err := os.MkdirAll(filepath.Dir(path), 0o770); err != nil {
		return fmt.Errorf("make the folder of execd's queue: %w", err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove execd's old queue: %w", err)
	}
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("listen on execd's queue: %w", err)
	}
	if err := os.Chmod(path, 0o660); err != nil {
		return errors.Join(fmt.Errorf("set the mode of execd's queue: %w", err), conn.Close())
	}
	d.conn = conn
	return nil
}

// Stop ends the daemon as SIGTERM does: what is pending is deleted at once. A program that still runs is killed: that is the lab cleaning up, the
// real daemon would leave it alone.
func (d *Daemon) Stop() {
	d.mu.Lock()
	already := d.stopped
	d.stopped = true
	d.mu.Unlock()
	if !already && d.conn != nil {
		d.Continue()
		d.kill()
		// The deadline wakes the reader; the socket itself is closed by serve.
		_ = d.conn.SetReadDeadline(time.Unix(1, 0))
	}
	<-d.done
}

// Suspend stops the daemon as SIGSTOP does: nothing is read, nobody is answered. Continue lets it go on. A program that already runs goes on.
func (d *Daemon) Suspend() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.suspended == nil {
		d.suspended = make(chan struct{})
	}
}

// Continue ends a Suspend.
func (d *Daemon) Continue() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.suspended != nil {
		close(d.suspended)
		d.suspended = nil
	}
}

// Disabled answers agentd's "getconfig com active-response": is active response off? It waits while the daemon is suspended, and fails when the
// daemon has ended.
func (d *Daemon) Disabled(ctx context.Context) (bool, error) {
	for {
		d.mu.Lock()
		suspended, stopped := d.suspended, d.stopped
		d.mu.Unlock()
		if stopped {
			return false, ErrStopped
		}
		if suspended == nil {
			return d.cfg.Disabled, nil
		}
		select {
		case <-suspended:
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
}

// ErrStopped is returned when a daemon is asked that does not run.
var ErrStopped = errors.New("execd is not running")

func (d *Daemon) isStopped() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.stopped
}

func (d *Daemon) waitWhileSuspended() {
	d.mu.Lock()
	suspended := d.suspended
	d.mu.Unlock()
	if suspended != nil {
		<-suspended
	}
}

// serve is ExecdStart: between messages, and at least once a tick, timeouts are looked at.
func (d *Daemon) serve(ctx context.Context) {
	defer close(d.done)
	defer d.restarts.Wait()
	defer d.shutDown()
	buffer := make([]byte, receiveLimit)
	for {
		d.waitWhileSuspended()
		d.deleteTimedOut(ctx)
		if err := d.conn.SetReadDeadline(time.Now().Add(d.cfg.Tick)); err != nil || d.isStopped() {
			return
		}
		n, _, err := d.conn.ReadFromUnix(buffer)
		if d.isStopped() {
			return
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			continue
		}
		if err != nil {
			d.cfg.Log.Error("execd.c:547 at ExecdStart()", "(1210): Queue '%s' not accessible: '%v'", SocketPath, err)
			continue
		}
		d.waitWhileSuspended()
		if n == 0 {
			d.cfg.Log.Error("execd.c:547 at ExecdStart()", "(1210): Queue '%s' not accessible: 'Success'", SocketPath)
			continue
		}
		message := buffer[:n]
		if i := bytes.IndexByte(message, 0); i >= 0 {
			message = message[:i]
		}
		d.cfg.Log.Debug1("execd.c:551 at ExecdStart()", "Received message: '%s'", message)
		d.respond(ctx, message)
	}
}

// respond is ExecdRun: from the message to the program.
func (d *Daemon) respond(ctx context.Context, message []byte) {
	received := d.cfg.Now()
	root, _, err := cjson.Parse(message)
	if err != nil {
		// The whole message goes to the log, whatever it holds.
		d.cfg.Log.Error("execd.c:226 at ExecdRun()", "(1315): Invalid JSON message: '%s'", message)
		return
	}
	command := root.Get("command")
	if command == nil || command.Kind != cjson.String {
		d.cfg.Log.Error("execd.c:235 at ExecdRun()", "(1316): Invalid AR command: '%s'", message)
		return
	}
	name := command.String
	if name == restartName {
		d.restartAgent()
		return
	}
	program, timeout, found := d.programFor(name)
	if !found {
		d.readConfig()
		if program, timeout, found = d.programFor(name); !found {
			d.cfg.Log.Error("execd.c:265 at ExecdRun()", "(1311): Invalid command name '%s' provided.", name)
			return
		}
	}
	if program == "" {
		return
	}
	root.Replace("command", cjson.Text("add"))
	if origin := root.Get("origin"); origin != nil {
		origin.Replace("module", cjson.Text("wazuh-execd"))
	}
	if parameters := root.Get("parameters"); parameters != nil {
		parameters.Add("program", cjson.Text(program))
	}
	d.cfg.Log.Debug1("execd.c:284 at ExecdRun()", "Executing command '%s %s'", program, root.Print())
	d.run(ctx, response{root: root, program: program, timeout: timeout, received: received})
}
