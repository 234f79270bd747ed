// Package agent stands in for a Wazuh agent: its logcollector, its agentd and its execd, each of which can be stopped, suspended and started
// alone, because that is how real agents fail.
//
// It may import lab/cjson, lab/execd and lab/osseclog. It reaches the manager only through Config.Send, as a real agent does through remoted.
package agent

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"custom-vault/lab/execd"
	"custom-vault/lab/osseclog"
)

// responsesLog is what active responses write into; the agent collects it as syslog.
const responsesLog = "logs/active-responses.log"

// sendTimeout bounds how long agentd waits for room in execd's queue.
const sendTimeout = time.Second

// Config describes an agent.
type Config struct {
	// ID is such as 001.
	ID, Name string
	// Home is the agent's own home (/var/ossec on its host).
	Home   string
	Groups []string
	// IP is the address that the manager knows the agent by, shown in its alerts; empty means 127.0.0.1.
	IP string
	// Version is such as "Wazuh v4.14.4".
	Version string
	Files   []File
	// Poll is how often files are read; 0 means 2 s.
	Poll time.Duration
	// Disorder, when not 0, seeds the disorder of batches.
	Disorder uint64
	// Send hands a datagram to the manager's remoted, which puts it on analysisd's queue.
	Send func(frame []byte)
	// ResponsesDisabled is <active-response><disabled>yes.
	ResponsesDisabled bool
	RepeatedOffenders []int // minutes
	Now               func() time.Time
	Log               osseclog.Sink
	Debug             int // debug level of the agent's daemons
	Env               []string
	Credential        *syscall.Credential
	// ExecdTick is how often execd looks at timeouts; 0 means 1 s.
	ExecdTick time.Duration
}

// Agent is a running agent.
type Agent struct {
	cfg       Config
	followers []*follower
	disorder  *disorder
	stop      context.CancelFunc
	wait      sync.WaitGroup
	collect   chan chan struct{}

	mu         sync.Mutex
	execd      *execd.Daemon
	disabled   bool
	execq      *net.UnixConn // agentd's connection to execd: made once, never again
	agentd     bool
	suspended  chan struct{} // not nil while agentd is suspended
	runs       []execd.Run
	lastActive time.Time
}

// Start makes the agent's folders and log and starts its daemons. Files that are there already are followed from their end.
func Start(cfg Config) (*Agent, error) {
	if cfg.Poll == 0 {
		cfg.Poll = 2 * time.Second
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	a := &Agent{cfg: cfg, disabled: cfg.ResponsesDisabled, disorder: newDisorder(cfg.Disorder), collect: make(chan chan struct{})}
	if err := a.prepare(); err != nil {
		return nil, err
	}
	if err := a.StartExecd(); err != nil {
		return nil, err
	}
	a.StartAgentd()
	a.lastActive = cfg.Now()
	files := append(append([]File(nil), cfg.Files...), File{Path: filepath.Join(cfg.Home, responsesLog), Location: "/var/ossec/" + responsesLog})
	for _, f := range files {
		follower := &follower{file: f, log: a.logger("wazuh-logcollector")}
		follower.lines() // stand at the end of what is there
		a.followers = append(a.followers, follower)
	}
	ctx, cancel := context.WithCancel(context.Background())
	a.stop = cancel
	a.wait.Go(func() { a.logcollector(ctx) })
	return a, nil
}

func (a *Agent) prepare() error {
	for _, folder := range []string{"active-response/bin", "etc/shared", "logs", "queue/alerts"} {
		if err := os.MkdirAll(filepath.Join(a.cfg.Home, folder), 0o750); err != nil {
			return fmt.Errorf("make the home of agent %s: %w", a.cfg.ID, err)
		}
	}
	f, err := os.OpenFile(filepath.Join(a.cfg.Home, responsesLog), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o660)
	if err != nil {
		return fmt.Errorf("make the log of active responses of agent %s: %w", a.cfg.ID, err)
	}
	return f.Close()
}

func (a *Agent) logger(program string) osseclog.Logger {
	return osseclog.Logger{Program: program, Debug: a.cfg.Debug, Sink: a.cfg.Log}
}

// Stop ends the agent: its daemons, and what they started.
func (a *Agent) Stop() {
	a.ContinueAgentd()
	a.stop()
	a.wait.Wait()
	for _, f := range a.followers {
		f.close()
	}
	a.StopAgentd()
	a.StopExecd()
}

// logcollector reads all files every poll and sends the lines as one batch.
func (a *Agent) logcollector(ctx context.Context) {
	tick := time.NewTicker(a.cfg.Poll)
	defer tick.Stop()
	for {
		var done chan struct{}
		select {
		case <-ctx.Done():
			return
		case done = <-a.collect:
		case <-tick.C:
		}
		a.sendBatch(ctx)
		if done != nil {
			close(done)
		}
	}
}

func (a *Agent) sendBatch(ctx context.Context) {
	var batch [][]byte
	for _, f := range a.followers {
		for _, line := range f.lines() {
			batch = append(batch, frame(a.cfg.ID, a.cfg.Name, f.file.location(), f.file.dress(line, a.cfg.Now(), a.cfg.Name)))
		}
	}
	a.disorder.shuffle(batch)
	if len(batch) > 0 && a.waitForAgentd(ctx) {
		for _, frame := range batch {
			a.cfg.Send(frame)
		}
	}
}

// waitForAgentd is false when agentd has ended: what logcollector sends then is lost.
func (a *Agent) waitForAgentd(ctx context.Context) bool {
	for {
		a.mu.Lock()
		running, suspended := a.agentd, a.suspended
		a.mu.Unlock()
		if !running || suspended == nil {
			return running
		}
		select {
		case <-suspended:
		case <-ctx.Done():
			return false
		}
	}
}

// Collect lets logcollector read now, and returns when what it found has been sent.
func (a *Agent) Collect(ctx context.Context) error {
	done := make(chan struct{})
	select {
	case a.collect <- done:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Home is the agent's home.
func (a *Agent) Home() string { return a.cfg.Home }

// ID, Name, Groups and Version are as configured.
func (a *Agent) ID() string { return a.cfg.ID }

// Name is the agent's name.
func (a *Agent) Name() string { return a.cfg.Name }

// Groups are the agent's groups.
func (a *Agent) Groups() []string { return a.cfg.Groups }

// IP is the address that the manager knows the agent by.
func (a *Agent) IP() string {
	if a.cfg.IP == "" {
		return "127.0.0.1"
	}
	return a.cfg.IP
}

// Version is such as "Wazuh v4.14.4".
func (a *Agent) Version() string { return a.cfg.Version }

// Connected says whether agentd runs, and when the manager last heard from it. One that is suspended counts as connected until the manager's
// agents_disconnection_time (15 minutes) has passed.
func (a *Agent) Connected() (connected bool, lastKeepAlive time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.agentd && a.suspended == nil {
		a.lastActive = a.cfg.Now()
	}
	return a.agentd, a.lastActive
}

// Runs returns the programs that execd has run to their end.
func (a *Agent) Runs() []execd.Run {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]execd.Run(nil), a.runs...)
}

// StartAgentd starts agentd, which connects to execd's queue once in its life: started before execd, or after execd was restarted alone, it loses
// every response.
func (a *Agent) StartAgentd() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.agentd = true
	path := filepath.Join(a.cfg.Home, execd.SocketPath)
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		a.logger("wazuh-agentd").Info("start_agent.c:100 at start_agent()", "(1310): Unable to connect to the active response queue (disabled).")
		return
	}
	a.execq = conn
}

// StopAgentd ends agentd: the manager sees the agent disconnected at once.
func (a *Agent) StopAgentd() {
	a.ContinueAgentd()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.agentd = false
	if a.execq != nil {
		_ = a.execq.Close()
		a.execq = nil
	}
}

// SuspendAgentd stops agentd as SIGSTOP does. The manager goes on to think that it is active.
func (a *Agent) SuspendAgentd() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.suspended == nil {
		a.suspended = make(chan struct{})
	}
}

// ContinueAgentd ends a SuspendAgentd.
func (a *Agent) ContinueAgentd() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.suspended != nil {
		close(a.suspended)
		a.suspended = nil
	}
}

// StartExecd starts execd, unless it runs.
func (a *Agent) StartExecd() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.execd != nil {
		return nil
	}
	d, err := execd.Start(execd.Config{
		Home: a.cfg.Home, Disabled: a.disabled, RepeatedOffenders: a.cfg.RepeatedOffenders, Tick: a.cfg.ExecdTick, Now: a.cfg.Now,
		Log: a.logger("wazuh-execd"), Env: a.cfg.Env, Credential: a.cfg.Credential, OnRun: a.keepRun,
	})
	if err != nil {
		return fmt.Errorf("start execd of agent %s: %w", a.cfg.ID, err)
	}
	a.execd = d
	return nil
}

func (a *Agent) keepRun(r execd.Run) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.runs = append(a.runs, r)
}

// StopExecd ends execd. Its queue's file stays.
func (a *Agent) StopExecd() {
	a.mu.Lock()
	d := a.execd
	a.execd = nil
	a.mu.Unlock()
	if d != nil {
		d.Stop()
	}
}

// RestartExecd restarts execd alone: from then on every response is lost until agentd is restarted too, and nobody is told.
func (a *Agent) RestartExecd() error {
	a.StopExecd()
	return a.StartExecd()
}

// RestartAgentd restarts agentd alone.
func (a *Agent) RestartAgentd() {
	a.StopAgentd()
	a.StartAgentd()
}

// SuspendExecd stops execd as SIGSTOP does; ContinueExecd lets it go on.
func (a *Agent) SuspendExecd() {
	if d := a.runningExecd(); d != nil {
		d.Suspend()
	}
}

// ContinueExecd ends a SuspendExecd.
func (a *Agent) ContinueExecd() {
	if d := a.runningExecd(); d != nil {
		d.Continue()
	}
}

func (a *Agent) runningExecd() *execd.Daemon {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.execd
}

// DisableResponses sets <active-response><disabled> and restarts execd and agentd, as the agent does on a new configuration.
func (a *Agent) DisableResponses(disabled bool) error {
	a.StopExecd()
	a.mu.Lock()
	a.disabled = disabled
	a.mu.Unlock()
	if err := a.StartExecd(); err != nil {
		return err
	}
	a.RestartAgentd()
	return nil
}

// ErrNoComponent is returned when execd does not answer agentd.
var ErrNoComponent = errors.New("execd does not answer")

// ErrDisconnected is returned when agentd does not run.
var ErrDisconnected = errors.New("agent is not connected")

// ResponsesDisabled is the manager's question "getconfig com active-response", through agentd to execd and back.
func (a *Agent) ResponsesDisabled(ctx context.Context) (bool, error) {
	if !a.waitForAgentd(ctx) {
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
		return false, ErrDisconnected
	}
	d := a.runningExecd()
	if d == nil {
		return false, ErrNoComponent
	}
	disabled, err := d.Disabled(ctx)
	if errors.Is(err, execd.ErrStopped) {
		return false, ErrNoComponent
	}
	return disabled, err
}

// Receive takes a message that remoted sent for execd. Whether execd ever gets it nobody learns.
func (a *Agent) Receive(ctx context.Context, message []byte) {
	if !a.waitForAgentd(ctx) {
		return
	}
	a.mu.Lock()
	conn := a.execq
	a.mu.Unlock()
	err := net.ErrClosed
	if conn != nil {
		if err = conn.SetWriteDeadline(time.Now().Add(sendTimeout)); err == nil {
			_, err = conn.Write(message)
		}
	}
	if err != nil {
		a.logger("wazuh-agentd").Debug1("receiver.c:118 at receive_msg()", "Error communicating with execd")
	}
}

// WriteSharedConfig puts ar.conf where the manager's shared configuration lands.
func (a *Agent) WriteSharedConfig(lines []string) error { return WriteSharedConfig(a.cfg.Home, lines) }

// WriteSharedConfig puts ar.conf below a home.
func WriteSharedConfig(home string, lines []string) error {
	path := filepath.Join(home, "etc/shared/ar.conf")
	if err := os.MkdirAll(filepath.Dir(path), 0o770); err != nil {
		return fmt.Errorf("write ar.conf: %w", err)
	}
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o640); err != nil {
		return fmt.Errorf("write ar.conf: %w", err)
	}
	return nil
}
