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
	// The recorded daemons had this mask, and their programs and temp files show it; whoever runs the oracle may have another.
	syscall.Umask(0o022)
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
	uid, gid := -1, -1
	if isRoot() {
		uid, gid = 0, wazuhID
	}
	return w, copyFile(self, w.probe, 0o750, uid, gid)
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

// owner is whom a program belongs to; the zero owner is root:wazuh, as an installer leaves it.
type owner struct{ user, group string }

// put puts the probe at a path of a home, owned by root and the group wazuh.
func (w *workshop) put(home, path string, mode os.FileMode, script []string) error {
	return w.putOwned(home, path, mode, owner{}, script)
}

// putOwned puts the probe at a path of a home. Without root, who runs the oracle is the owner of all files: the file's mode then is what the recorded
// mode granted to the user wazuh.
func (w *workshop) putOwned(home, path string, mode os.FileMode, by owner, script []string) error {
	to := filepath.Join(home, path)
	if err := os.WriteFile(filepath.Join(home, probeFolder, filepath.Base(path)+".script"), []byte(strings.Join(script, "\n")), 0o644); err != nil {
		return fmt.Errorf("write a probe's script: %w", err)
	}
	if mode == 0o750 && by == (owner{}) && isRoot() {
		return os.Link(w.probe, to)
	}
	if isRoot() {
		uid, gid := 0, wazuhID
		if by.user == wazuhName {
			uid = wazuhID
		}
		if by.group == "root" {
			gid = 0
		}
		return copyFile(w.probe, to, mode, uid, gid)
	}
	granted := mode >> 3 & 7
	switch {
	case by.user == wazuhName:
		granted = mode >> 6 & 7
	case by.group == "root":
		granted = mode & 7
	}
	const read = 4 // the oracle itself has to be able to copy it
	return copyFile(w.probe, to, (granted|read)<<6, -1, -1)
}

const wazuhName = "wazuh"

func isRoot() bool { return os.Geteuid() == 0 }

func copyFile(from, to string, mode os.FileMode, uid, gid int) error {
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
	if err == nil && uid >= 0 {
		err = os.Chown(to, uid, gid)
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
