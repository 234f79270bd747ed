// Package integratord stands in for wazuh-integratord: it follows alerts.json from the end and starts the programs of the <integration> blocks,
// one after the other, without ever killing one, as 4.3 to 4.14 do.
//
// It may import lab/cjson, lab/osregex, lab/osseclog, lab/osxml and lab/release. It starts nothing but the programs below integrations/ and never replays an alert.
package integratord

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"custom-vault/lab/cjson"
	"custom-vault/lab/osseclog"
	"custom-vault/lab/release"
)

// openTries is how often alerts.json is looked for at the start, a poll apart.
const openTries = 99

// Config says what the daemon works with.
type Config struct {
	// Home is Wazuh's home: programs are Home/integrations/NAME, alerts come from Home/logs/alerts/alerts.json.
	Home         string
	Integrations []Integration
	Release      release.Release
	// TmpDir holds the files that are handed over; empty means /tmp, where the real one puts them.
	TmpDir string
	// Poll is how long the daemon sleeps when there is nothing to read, and after each line that it dropped; 0 means 1 s.
	Poll time.Duration
	Now  func() time.Time
	Log  osseclog.Logger
	// Env is the environment that programs inherit; nil means PATH only.
	Env []string
	// Credential, if set, is whom programs run as. Only root can set it.
	Credential *syscall.Credential
	// OnStart, if set, is told the process id of each program that was started.
	OnStart func(integration string, pid int)
	// OnRun, if set, is told of each program once it has ended.
	OnRun func(Run)
}

// Run is one program that was started, or that was to be.
type Run struct {
	Integration string
	Argv        []string
	Started     time.Time
	Took        time.Duration
	// Refused is true when the program was not started.
	Refused bool
	// ExitCode is -1 for a program that was killed by a signal.
	ExitCode int
}

// Daemon is a running integratord.
type Daemon struct {
	cfg     Config
	tail    tail
	enabled []bool
	orphans atomic.Bool
	// output is the last line that a program wrote. A program that writes nothing leaves the one before in the daemon's buffer (integrator.c:449).
	output string
}

// New prepares a daemon. Run starts it.
func New(cfg Config) *Daemon {
	if cfg.TmpDir == "" {
		cfg.TmpDir = "/tmp"
	}
	if cfg.Poll == 0 {
		cfg.Poll = time.Second
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Env == nil {
		cfg.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
	}
	d := &Daemon{cfg: cfg, enabled: make([]bool, len(cfg.Integrations))}
	d.tail = tail{path: filepath.Join(cfg.Home, alertsName), log: cfg.Log}
	return d
}

// Run follows alerts.json until ctx ends. ready, if not nil, is closed once the daemon stands at the end of the file: only alerts written from
// then on are seen. A program that still runs at the end is killed, unless Abandon was called: that is the lab cleaning up.
func (d *Daemon) Run(ctx context.Context, ready chan<- struct{}) {
	defer d.tail.close()
	if len(d.cfg.Integrations) == 0 {
		d.cfg.Log.Info("main.c:120 at main()", "Remote integrations not configured. Clean exit.")
		if ready != nil {
			close(ready)
		}
		return
	}
	d.cfg.Log.Info("main.c:176 at main()", "Started (pid: %d).", os.Getpid())
	for tries := 0; !d.tail.open(true); tries++ {
		if tries == openTries || !d.sleep(ctx) {
			d.cfg.Log.Error("integrator.c:51 at OS_IntegratorD()", "Could not open JSON queue after %d tries.", tries)
			break
		}
	}
	d.cfg.Log.Debug1("integrator.c:53 at OS_IntegratorD()", "JSON file queue connected.")
	d.enable()
	if ready != nil {
		close(ready)
	}
	for ctx.Err() == nil {
		d.cfg.Log.Debug2("integrator.c:154 at OS_IntegratorD()", "jqueue_next()")
		alert := d.tail.next()
		if alert == nil {
			if !d.sleep(ctx) {
				return
			}
			continue
		}
		d.cfg.Log.Debug1("integrator.c:161 at OS_IntegratorD()", "Sending new alert.")
		d.send(ctx, alert)
	}
}

// Abandon lets the program that runs when Run's ctx ends go on, as it does when the real daemon is killed. Run still waits for it.
func (d *Daemon) Abandon() { d.orphans.Store(true) }

// sleep waits one poll; it is false when the daemon is to end.
func (d *Daemon) sleep(ctx context.Context) bool {
	timer := time.NewTimer(d.cfg.Poll)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// enable looks once whether each program is there (integrator.c:56-145). A block whose program is missing stays off until a restart; the file can
// be replaced or removed later.
func (d *Daemon) enable() {
	for i, b := range d.cfg.Integrations {
		if _, err := os.Stat(filepath.Join(d.cfg.Home, "integrations", b.Name)); err != nil {
			d.cfg.Log.Error("integrator.c:70 at OS_IntegratorD()", "Unable to enable integration for: '%s'. File not found inside 'integrations'.", b.Name)
			continue
		}
		if !known(b.Name) {
			d.cfg.Log.Error("integrator.c:137 at OS_IntegratorD()", "Invalid integration: '%s'. Not currently supported.", b.Name)
			continue
		}
		if lacks := b.lacks(); lacks != "" {
			d.cfg.Log.Error("integrator.c:79 at OS_IntegratorD()", "Unable to enable integration for: '%s'. Missing %s.", b.Name, lacks)
			continue
		}
		d.enabled[i] = true
		d.cfg.Log.Info("integrator.c:143 at OS_IntegratorD()", "Enabling integration for: '%s'.", b.Name)
	}
}

func known(name string) bool {
	switch name {
	case "slack", "shuffle", "pagerduty", "virustotal", "maltiverse":
		return true
	}
	return strings.HasPrefix(name, "custom-")
}

// lacks names what one of Wazuh's own integrations cannot do without (integrator.c:74-134); one that is called custom-… needs nothing.
func (b *Integration) lacks() string {
	url := b.Name == "slack" || b.Name == "shuffle" || b.Name == "maltiverse"
	key := b.Name == "pagerduty" || b.Name == "virustotal" || b.Name == "maltiverse"
	switch {
	case url && !b.has("hook_url", b.HookURL):
		return "hook URL"
	case key && !b.has("api_key", b.APIKey):
		return "API Key"
	}
	return ""
}

// send hands one alert to every block that wants it.
func (d *Daemon) send(ctx context.Context, alert *cjson.Value) {
	rule := alert.Get("rule")
	if rule == nil {
		d.cfg.Log.Debug2("integrator.c:167 at OS_IntegratorD()", "Skipping: Alert does not contain a rule block.")
		return
	}
	shared := ""
	for i := range d.cfg.Integrations {
		b := &d.cfg.Integrations[i]
		if !d.enabled[i] {
			d.cfg.Log.Debug2("integrator.c:179 at OS_IntegratorD()", "Skipping: Integration disabled")
			continue
		}
		if !d.wants(b, alert, rule) || ctx.Err() != nil {
			continue
		}
		file, optionsFile := shared, ""
		if file == "" {
			file = d.writeTemp(b.Name, alertFile(b, alert, rule))
		}
		if b.has("options", b.Options) && d.cfg.Release.AtLeast(7, 0) {
			optionsFile = d.writeTemp(b.Name, tempFile{suffix: "options", text: b.Options + "\n", written: 426, failed: 420})
		}
		d.start(ctx, b, file, optionsFile)
		if sharesAlertFile(d.cfg.Release) {
			shared = file
		} else {
			remove(file)
		}
		remove(optionsFile)
	}
	remove(shared)
}

// remove deletes a temp file, as the daemon does right after the program has ended.
func remove(path string) {
	if path != "" {
		_ = os.Remove(path)
	}
}

func (d *Daemon) start(ctx context.Context, b *Integration, alertFile, optionsFile string) {
	text, argv := d.command(b, alertFile, optionsFile)
	run := Run{Integration: b.Name, Argv: argv, Started: d.cfg.Now()}
	status, err := d.execute(ctx, b.Name, argv)
	switch {
	case err != nil:
		run.Refused, run.ExitCode = true, 127
		d.cfg.Log.Error("integrator.c:458 at OS_IntegratorD()", "Couldn't execute command (%s). Check file and permissions.", text)
	case status.Signaled():
		run.ExitCode = -1
		d.cfg.Log.Error("integrator.c:467 at OS_IntegratorD()", "Command (%s) execution exited abnormally.", text)
	case status.ExitStatus() == 127:
		run.ExitCode = 127
		d.cfg.Log.Error("integrator.c:458 at OS_IntegratorD()", "Couldn't execute command (%s). Check file and permissions.", text)
	case status.ExitStatus() != 0:
		run.ExitCode = status.ExitStatus()
		d.cfg.Log.Error("integrator.c:460 at OS_IntegratorD()", "Unable to run integration for %s -> integrations", b.Name)
		d.cfg.Log.Error("integrator.c:461 at OS_IntegratorD()", "While running %s -> integrations. Output: %s", b.Name, d.output)
		d.cfg.Log.Error("integrator.c:462 at OS_IntegratorD()", "Exit status was: %d", run.ExitCode)
	default:
		d.cfg.Log.Debug1("integrator.c:464 at OS_IntegratorD()", "Command ran successfully.")
	}
	run.Took = d.cfg.Now().Sub(run.Started)
	if d.cfg.OnRun != nil {
		d.cfg.OnRun(run)
	}
}

// String is for messages of tests.
func (r Run) String() string {
	return fmt.Sprintf("%s %q exit %d refused %v", r.Integration, r.Argv, r.ExitCode, r.Refused)
}
