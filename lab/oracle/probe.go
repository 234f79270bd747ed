package oracle

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

// The recordings of integratord and execd are what a probe saw that those daemons started. The lab's daemons start the very same program as the
// oracle itself, under the probe's name; it then does what the case's script says and writes down what it sees.

const (
	// probeFolder, relative to the home the daemon starts programs in, holds scripts and records.
	probeFolder = "probe"
	// readPatience is how long a recorded probe waited for input.
	readPatience = 5 * time.Second
	// longLine and the two below say how the recordings shorten a line.
	longLine = 4000
	headSize = 600
	tailSize = 200
)

// probeRecord is what one run of the probe saw.
type probeRecord struct {
	Name          string
	Argv          []string
	Environ       []string
	Cwd, Exe      string
	Umask         string
	UIDs, GIDs    []string // real, effective, saved, file system
	Groups        []string
	SigIgnored    string
	SessionLeader bool
	FDs           []probeFD
	Files         []probeFile
	Started       time.Time
	Events        []probeEvent
}

type probeFD struct {
	FD     int
	To     string
	Access string
}

type probeFile struct {
	ArgvIndex int
	Mode      string
	UID, GID  uint32
	Size      int64
	SHA256    string
	Content   []byte
}

type probeEvent struct {
	At    time.Time
	Event string
	Text  string
	Bytes int    // of a long line, which Head and Tail show
	Head  string `json:",omitempty"`
	Tail  string `json:",omitempty"`
}

// Probe runs the probe if args are those of a program that one of the lab's daemons started; otherwise it says so. Every main program that runs the
// oracle has to call it first.
func Probe(args []string) (code int, isProbe bool) {
	if len(args) == 0 || args[0] != "integrations" && !strings.HasPrefix(args[0], "active-response/bin/") {
		return 0, false
	}
	if _, err := os.Stat(probeFolder); err != nil {
		return 0, false
	}
	p := &probe{record: look(args)}
	leave(p.run())
	return 0, true
}

// leave ends the process at once. Under the race detector an ordinary exit takes a second, which the recorded probe did not.
func leave(code int) {
	_, _, _ = syscall.RawSyscall(syscall.SYS_EXIT_GROUP, uintptr(code), 0, 0)
}

type probe struct {
	record probeRecord
	input  *bufio.Reader
}

// look writes down the surroundings. It opens nothing before it has listed what is open.
func look(args []string) probeRecord {
	r := probeRecord{Argv: args, Started: time.Now(), FDs: openFiles(), Environ: os.Environ()}
	sort.Strings(r.Environ)
	r.Cwd, _ = os.Getwd()
	r.Exe, _ = os.Readlink("/proc/self/exe")
	r.Name = filepath.Base(r.Exe)
	status, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(status)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		fields := strings.Fields(value)
		switch name {
		case "Umask":
			r.Umask = strings.Join(fields, "")
		case "Uid":
			r.UIDs = fields
		case "Gid":
			r.GIDs = fields
		case "Groups":
			r.Groups = fields
		case "SigIgn":
			r.SigIgnored = strings.Join(fields, "")
		}
	}
	sid, _, _ := syscall.Syscall(syscall.SYS_GETSID, 0, 0, 0)
	r.SessionLeader = int(sid) == os.Getpid()
	for i, arg := range args {
		if info, err := os.Stat(arg); i > 0 && err == nil && info.Mode().IsRegular() {
			r.Files = append(r.Files, lookAtFile(i, arg, info))
		}
	}
	return r
}

// inheritedIgnored are the signals that this process was already told to ignore, SIGHUP apart, as /proc shows them. What started the oracle hands them
// down to every program (make ignores 32 and 33 where it spawns), as the recorded daemon's surroundings did not.
func inheritedIgnored() uint64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if value, found := strings.CutPrefix(line, "SigIgn:"); found {
			return signalMask(value) &^ (1 << (syscall.SIGHUP - 1))
		}
	}
	return 0
}

func signalMask(text string) uint64 {
	mask, err := strconv.ParseUint(strings.TrimSpace(text), 16, 64)
	if err != nil {
		return 0
	}
	return mask
}

// openFiles lists what the program inherited. A descriptor that is closed on exec cannot be inherited: it is Go's own.
func openFiles() (list []probeFD) {
	for fd := range 64 {
		link := "/proc/self/fd/" + strconv.Itoa(fd)
		to, err := os.Readlink(link)
		if err != nil {
			continue
		}
		if own, _, _ := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_GETFD, 0); own&syscall.FD_CLOEXEC != 0 {
			continue
		}
		flags, _, _ := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_GETFL, 0)
		access := map[int]string{syscall.O_RDONLY: "r", syscall.O_WRONLY: "w", syscall.O_RDWR: "rw"}[int(flags)&syscall.O_ACCMODE]
		if i := strings.IndexByte(to, '['); i > 0 {
			to = to[:i] + "[N]"
		}
		list = append(list, probeFD{fd, to, access})
	}
	return list
}

func lookAtFile(index int, path string, info os.FileInfo) probeFile {
	f := probeFile{ArgvIndex: index, Mode: fmt.Sprintf("0%o", info.Mode().Perm()), Size: info.Size()}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		f.UID, f.GID = stat.Uid, stat.Gid
	}
	f.Content, _ = os.ReadFile(path)
	f.SHA256 = fmt.Sprintf("%x", sha256.Sum256(f.Content))
	return f
}

// run follows the script of the program's name, one command a line.
func (p *probe) run() int {
	p.save()
	p.input = bufio.NewReaderSize(os.Stdin, 1<<17)
	script, err := os.ReadFile(filepath.Join(probeFolder, p.record.Name+".script"))
	if err != nil {
		script = []byte("exit 0")
	}
	for _, line := range strings.Split(strings.TrimRight(string(script), "\n"), "\n") {
		command, argument, _ := strings.Cut(line, " ")
		if command == "exit" {
			p.note(probeEvent{Event: "exit", Text: argument})
			code, _ := strconv.Atoi(argument)
			return code
		}
		if code, ended := p.step(command, argument); ended {
			return code
		}
	}
	return 0
}

// probeCommands are the commands that a script can have.
var probeCommands = []string{"exit", "read1", "read-short", "readeof", "print", "bigprint", "stderr", "sleep", "hang", "bg", "grandchild", "detached", "out",
	"manylines", "kill", "segv"}

// unknownCommand says why a script cannot be followed.
func unknownCommand(script []string) string {
	for _, line := range script {
		if command, _, _ := strings.Cut(line, " "); command != "" && !slices.Contains(probeCommands, command) {
			return "the probe does not have the command " + command
		}
	}
	return ""
}

func (p *probe) step(command, argument string) (code int, ended bool) {
	number, _ := strconv.ParseFloat(argument, 64)
	pause := time.Duration(number * float64(time.Second))
	switch command {
	case "read1", "read-short":
		p.read()
	case "readeof":
		for p.read() {
		}
	case "print":
		p.note(probeEvent{Event: "stdout", Text: argument + "\n"})
		_, _ = os.Stdout.WriteString(argument + "\n")
	case "bigprint":
		p.note(probeEvent{Event: "stdout-big"})
		_, _ = os.Stdout.WriteString(strings.Repeat("k", int(number)) + "\n")
	case "stderr":
		_, _ = os.Stderr.WriteString(argument + "\n")
	case "sleep", "hang":
		time.Sleep(pause)
	case "bg", "grandchild", "detached":
		background(command, argument)
	case "out":
		_, _ = os.Stderr.WriteString("a line on stderr\n")
		_, _ = os.Stdout.WriteString("a line on stdout\nsecond line\n")
		return int(number), true
	case "manylines":
		for i := range 20000 {
			fmt.Printf("line %d of many, to fill the pipe and more than that\n", i)
		}
	case "kill":
		p.note(probeEvent{Event: "kill"})
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	case "segv":
		p.note(probeEvent{Event: "kill"})
		dieOf(syscall.SIGSEGV)
	}
	return 0, false
}

// dieOf lets a signal end the program that Go's runtime would catch.
func dieOf(s syscall.Signal) {
	var action struct{ handler, flags, restorer, mask uint64 } // all zero: SIG_DFL
	_, _, _ = syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, uintptr(s), uintptr(unsafe.Pointer(&action)), 0, unsafe.Sizeof(action.mask), 0, 0)
	_ = syscall.Kill(os.Getpid(), s)
	select {}
}

// background starts a child that outlives the probe, holding its input and output open or not.
func background(command, seconds string) {
	cmd := exec.Command("/bin/sleep", seconds)
	if command != "detached" {
		cmd.Stdin, cmd.Stdout = os.Stdin, os.Stdout
	}
	_ = cmd.Start()
}

// read waits for one line and says whether it came.
func (p *probe) read() bool {
	type outcome struct {
		line []byte
		err  error
	}
	came := make(chan outcome, 1)
	go func() {
		line, err := p.input.ReadBytes('\n')
		came <- outcome{line, err}
	}()
	select {
	case o := <-came:
		switch {
		case errors.Is(o.err, io.EOF) && len(o.line) == 0:
			p.note(probeEvent{Event: "stdin-eof"})
		case o.err != nil:
			p.note(shorten(probeEvent{Event: "stdin-partial"}, o.line))
		default:
			p.note(shorten(probeEvent{Event: "stdin"}, o.line))
			return true
		}
	case <-time.After(readPatience):
		p.note(probeEvent{Event: "timeout"})
	}
	return false
}

func shorten(e probeEvent, line []byte) probeEvent {
	if len(line) <= longLine {
		e.Text = string(line)
		return e
	}
	e.Bytes, e.Head, e.Tail = len(line), string(line[:headSize]), string(line[len(line)-tailSize:])
	return e
}

// note adds an event and saves at once: the next step may be the probe's death.
func (p *probe) note(e probeEvent) {
	e.At = time.Now()
	p.record.Events = append(p.record.Events, e)
	p.save()
}

func (p *probe) save() {
	data, err := json.Marshal(p.record)
	if err != nil {
		return
	}
	path := filepath.Join(probeFolder, fmt.Sprintf("%020d-%d.run", p.record.Started.UnixNano(), os.Getpid()))
	if err := os.WriteFile(path+".new", data, 0o644); err == nil {
		_ = os.Rename(path+".new", path)
	}
}

// probeRuns reads what the probes of a home wrote down, in the order in which they started.
func probeRuns(home string) ([]probeRecord, error) {
	names, err := filepath.Glob(filepath.Join(home, probeFolder, "*.run"))
	if err != nil {
		return nil, err
	}
	sort.Strings(names)
	var runs []probeRecord
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("read what a probe saw: %w", err)
		}
		var r probeRecord
		if err := json.NewDecoder(bytes.NewReader(data)).Decode(&r); err != nil {
			return nil, fmt.Errorf("read what a probe saw: %w", err)
		}
		runs = append(runs, r)
	}
	return runs, nil
}
