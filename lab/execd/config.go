package execd

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

const (
	// binFolder holds the programs, relative to the agent's home; it is also how they see themselves as argv[0].
	binFolder = "active-response/bin"
	// pathLimit is the longest path of a program with its end of string (exec.c:173).
	pathLimit = 256
	// maxResponses is MAX_AR: lines of ar.conf beyond are not read.
	maxResponses = 64
)

// registered is one line of ar.conf: "name - executable - timeout".
type registered struct {
	name    string
	program string // empty when the executable is not on this host
	timeout int    // seconds
}

// programFor resolves a command's name (exec.c:159-190). found is false for a name that nobody knows; program is empty for one whose executable is
// not on this host, which is passed over in silence.
func (d *Daemon) programFor(name string) (program string, timeout int, found bool) {
	if bare, ok := strings.CutPrefix(name, "!"); ok {
		if hasParentFolder(bare) {
			d.cfg.Log.Warning("exec.c:167 at GetCommandbyName()", "Active response command '%s' vulnerable to directory traversal attack. Ignoring.", bare)
			return "", 0, false
		}
		program = binFolder + "/" + bare
		if len(program) >= pathLimit {
			d.cfg.Log.Warning("exec.c:174 at GetCommandbyName()", "Cannot execute command '%s...': path too long.", bare)
			return "", 0, false
		}
		return program, 0, true
	}
	for _, r := range d.registered {
		if r.name == name {
			return r.program, r.timeout, true
		}
	}
	return "", 0, false
}

func hasParentFolder(path string) bool {
	for _, part := range strings.Split(path, "/") {
		if part == ".." {
			return true
		}
	}
	return false
}

// readConfig reads ar.conf, which comes from the manager with the agent's group. What is missing on this host is said once in a daemon's life.
func (d *Daemon) readConfig() {
	text, err := os.ReadFile(filepath.Join(d.cfg.Home, "etc/shared/ar.conf"))
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			d.cfg.Log.Error("exec.c:45 at ReadExecConfig()", "%v", err)
		}
		return
	}
	d.registered = d.registered[:0]
	for _, line := range strings.Split(string(text), "\n") {
		fields := strings.SplitN(line, " - ", 3)
		if len(fields) < 3 || len(d.registered) == maxResponses {
			continue
		}
		timeout, err := strconv.Atoi(strings.TrimSpace(fields[2]))
		if err != nil {
			continue
		}
		r := registered{name: fields[0], program: binFolder + "/" + fields[1], timeout: timeout}
		if _, err := os.Stat(filepath.Join(d.cfg.Home, r.program)); err != nil {
			if !d.configRead {
				d.cfg.Log.Info("exec.c:105 at ReadExecConfig()", "Active response command not present: '%s'. Not using it on this system.", r.program)
			}
			r.program = ""
		}
		d.registered = append(d.registered, r)
	}
	d.configRead = true
}
