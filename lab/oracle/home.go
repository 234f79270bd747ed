package oracle

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// wazuhID stands for the user and the group wazuh when the oracle runs as root.
const wazuhID = 65534

// recordedHome is the home of the recorded daemons.
const recordedHome = "/var/ossec"

// recordedEnv is what the recorded daemons were started with.
func recordedEnv() []string {
	return []string{"OLDPWD=/", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "PWD=/"}
}

// workshop makes homes for daemons and puts the probe into them.
type workshop struct {
	dir   string
	probe string
	next  int
	mu    sync.Mutex
}

func newWorkshop() (*workshop, error) {
	// What the oracle's own caller left open is not to reach the programs that the lab's daemons start.
	for fd := 3; fd < 256; fd++ {
		syscall.CloseOnExec(fd)
	}
	dir, err := os.MkdirTemp("", "oracle")
	if err != nil {
		return nil, fmt.Errorf("make a folder to work in: %w", err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		return nil, fmt.Errorf("open the folder to work in: %w", err)
	}
	w := &workshop{dir: dir, probe: filepath.Join(dir, "probe-program")}
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find the oracle's own program: %w", err)
	}
	return w, copyFile(self, w.probe, 0o750)
}

func (w *workshop) close() { _ = os.RemoveAll(w.dir) }

// home makes an empty home.
func (w *workshop) home() (string, error) {
	w.mu.Lock()
	w.next++
	home := filepath.Join(w.dir, fmt.Sprint(w.next))
	w.mu.Unlock()
	for _, folder := range []string{probeFolder, "integrations", "active-response/bin/sub", "etc/shared", "logs/alerts", "tmp"} {
		if err := os.MkdirAll(filepath.Join(home, folder), 0o755); err != nil {
			return "", fmt.Errorf("make a home: %w", err)
		}
	}
	for _, folder := range []string{probeFolder, "tmp"} {
		if err := os.Chmod(filepath.Join(home, folder), 0o777); err != nil {
			return "", fmt.Errorf("make a home: %w", err)
		}
	}
	return home, nil
}

// put puts the probe at a path of a home, owned by root and the group wazuh, as an installer does.
func (w *workshop) put(home, path string, mode os.FileMode, script []string) error {
	to := filepath.Join(home, path)
	if err := os.WriteFile(filepath.Join(home, probeFolder, filepath.Base(path)+".script"), []byte(strings.Join(script, "\n")), 0o644); err != nil {
		return fmt.Errorf("write a probe's script: %w", err)
	}
	if mode == 0o750 && isRoot() {
		return os.Link(w.probe, to)
	}
	if !isRoot() && mode&0o020 == 0 {
		mode &^= 0o200 // who runs the oracle owns the file, where the recorded daemon was of its group: it may not write more than that
	}
	return copyFile(w.probe, to, mode)
}

func isRoot() bool { return os.Geteuid() == 0 }

func copyFile(from, to string, mode os.FileMode) error {
	// No process is forked meanwhile: it would hold the file open for writing for a moment, and a program that is open so cannot be run.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	in, err := os.Open(from)
	if err != nil {
		return fmt.Errorf("copy the probe: %w", err)
	}
	defer in.Close() //nolint:errcheck // opened for reading
	out, err := os.OpenFile(to, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o700)
	if err != nil {
		return fmt.Errorf("copy the probe: %w", err)
	}
	_, err = io.Copy(out, in)
	if closeErr := out.Close(); err == nil {
		err = closeErr
	}
	if err == nil && isRoot() {
		err = os.Chown(to, 0, wazuhID)
	}
	if err == nil {
		err = os.Chmod(to, mode)
	}
	if err != nil {
		return fmt.Errorf("copy the probe: %w", err)
	}
	return nil
}

// credential is whom programs run as: as the recorded ones when the oracle is root, else as who runs it.
func credential(uid uint32) *syscall.Credential {
	if !isRoot() {
		return nil
	}
	return &syscall.Credential{Uid: uid, Gid: wazuhID, Groups: []uint32{wazuhID}}
}

// waitFor asks until a condition holds, or gives up.
func waitFor(limit time.Duration, holds func() bool) bool {
	deadline := time.Now().Add(limit)
	for !holds() {
		if time.Now().After(deadline) {
			return false
		}
		time.Sleep(5 * time.Millisecond)
	}
	return true
}

// pool runs cases beside each other, since many of them spend their time waiting, and reports them in their order.
func pool[C any](cases []C, run func(C) (difference string, err error), done func(C, string)) error {
	const atOnce = 12
	type outcome struct {
		difference string
		err        error
	}
	outcomes := make([]chan outcome, len(cases))
	slots := make(chan struct{}, atOnce)
	var wait sync.WaitGroup
	for i, c := range cases {
		outcomes[i] = make(chan outcome, 1)
		wait.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			difference, err := run(c)
			outcomes[i] <- outcome{difference, err}
		})
	}
	wait.Wait()
	for i, c := range cases {
		o := <-outcomes[i]
		if o.err != nil {
			return o.err
		}
		done(c, o.difference)
	}
	return nil
}

// outcome counts a case by whether it differs.
func (r *Report) outcome(name, difference string) {
	if difference == "" {
		r.Agree(name)
	} else {
		r.Differ(name, difference)
	}
}
