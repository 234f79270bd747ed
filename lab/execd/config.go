package execd

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"custom-vault/lab/osseclog"
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

// arConf is what the daemon calls the file of registered responses.
const arConf = "etc/shared/ar.conf"

// readConfig reads ar.conf, which comes from the manager with the agent's group (exec.c:26-150). What is missing on this host is said once in a
// daemon's life.
func (d *Daemon) readConfig() {
	d.registered = d.registered[:0]
	text, err := os.ReadFile(filepath.Join(d.cfg.Home, arConf))
	if err != nil {
		var errno syscall.Errno
		errors.As(err, &errno)
		d.cfg.Log.Error("exec.c:44 at ReadExecConfig()", "(1103): Could not open file '%s' due to [(%d)-(%s)].", arConf, int(errno), osseclog.Strerror(errno))
		return
	}
	for line := range strings.Lines(string(text)) {
		fields := strings.SplitN(line, " - ", 3)
		switch {
		case strings.HasPrefix(line, "!"):
			d.invalidConfig(58)
		case len(fields) == 1:
			d.invalidConfig(65)
		case len(fields) == 2:
			d.invalidConfig(85)
		case len(d.registered) < maxResponses:
			d.register(registered{name: fields[0], program: d.present(fields[1]), timeout: atoi(fields[2])})
		}
	}
	d.configRead = true
}

func (d *Daemon) invalidConfig(line int) {
	d.cfg.Log.Error(fmt.Sprintf("exec.c:%d at ReadExecConfig()", line), "(1313): Invalid active response config: '%s'.", arConf)
}

// present is the path of an executable, or empty when it is not on this host or lies outside of the folder.
func (d *Daemon) present(name string) string {
	if hasParentFolder(name) {
		d.cfg.Log.Error("exec.c:94 at ReadExecConfig()", "Active response command '%s' vulnerable to directory traversal attack. Ignoring.", name)
		return ""
	}
	program := binFolder + "/" + name
	if _, err := os.Stat(filepath.Join(d.cfg.Home, program)); err != nil {
		if !d.configRead {
			d.cfg.Log.Info("exec.c:105 at ReadExecConfig()", "Active response command not present: '%s'. Not using it on this system.", program)
		}
		return ""
	}
	return program
}

// register adds a line. Of lines with the same name the first counts whose executable is there, with the timeout of the first of all; one that is
// there does not push out another (exec.c:124-146).
func (d *Daemon) register(r registered) {
	for i := range d.registered {
		before := &d.registered[i]
		switch {
		case before.name != r.name:
		case before.program == "":
			before.program = r.program
			return
		case r.program == "":
			return
		}
	}
	d.registered = append(d.registered, r)
}

// atoi reads a number as C does: blanks, a sign, digits, and no more.
func atoi(text string) int {
	text = strings.TrimLeft(text, " \t\n\v\f\r")
	end := 0
	if text != "" && (text[0] == '-' || text[0] == '+') {
		end = 1
	}
	for end < len(text) && text[end] >= '0' && text[end] <= '9' {
		end++
	}
	n, err := strconv.ParseInt(text[:end], 10, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0
	}
	return int(int32(n))
}

// Offenders reads the text of <repeated_offenders>, minutes with commas between them: five fields at most, those without anything but blanks left
// out (config.c:104-157).
func Offenders(text string) (minutes []int) {
	for _, field := range strings.SplitN(text, ",", 5) {
		if field = strings.TrimLeft(field, " \t"); field != "" {
			minutes = append(minutes, atoi(field))
		}
	}
	return minutes
}
