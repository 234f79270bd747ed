package execd

import (
	"bufio"
	"context"
	"errors"
	"os"
	"os/exec"
	"path"
	"slices"
	"syscall"
	"time"

	"custom-vault/lab/cjson"
	"custom-vault/lab/osseclog"
)

const (
	// keyLine is the buffer that the program's one line is read into: 8191 bytes of it.
	keyLine = 8192
	// keyLimit is the room for the keys of a response, with the end of the string.
	keyLimit = 4096
)

// response is one message on its way through a program.
type response struct {
	root     *cjson.Value
	program  string
	timeout  int // seconds
	received time.Time
}

func (r response) message(command string) []byte {
	r.root.Replace("command", cjson.Text(command))
	return r.root.Print()
}

// run starts the program, hands it the message, and waits for its first line of output or the end of it; then, if it printed one, answers it;
// then waits until it has ended (execd.c:286-461). Its exit code goes nowhere.
func (d *Daemon) run(ctx context.Context, r response) {
	input := r.message("add")
	done := Run{Program: r.program, Input: input, Started: d.cfg.Now()}
	p, err := d.start(ctx, r.program, true)
	var line string
	if err == nil {
		p.tell(input)
		line = p.readLine()
	}
	if line == "" {
		d.cfg.Log.Debug1("execd.c:298 at ExecdRun()", "Active response won't be added to timeout list. Message not received with alert keys from script '%s'", r.program)
	} else {
		done.Keys, done.Answer = line, d.answer(r, line)
		p.tell(r.message(done.Answer))
	}
	done.ExitCode = 127
	if err == nil {
		done.ExitCode = p.finish()
	}
	done.Took = d.cfg.Now().Sub(done.Started)
	if d.cfg.OnRun != nil {
		d.cfg.OnRun(done)
	}
}

// answer decides what the program is told after its line, and keeps the response for later deletion if it has a timeout (execd.c:345-449).
func (d *Daemon) answer(r response, line string) string {
	if r.timeout == 0 {
		return "continue"
	}
	key, timeout := responseKey(r.program, line), r.timeout
	if seconds, ok := d.repeated(key); ok {
		d.cfg.Log.Debug1("execd.c:371 at ExecdRun()", "Repeated offender. Setting timeout to '%ds'", seconds)
		timeout = seconds
	}
	for _, p := range d.pending {
		if p.key == key {
			d.cfg.Log.Debug1("execd.c:398 at ExecdRun()", "Command already received, updating time of addition to now.")
			p.added, p.timeout = r.received, timeout
			return "abort"
		}
	}
	p := &pending{key: key, program: r.program, message: r.message("delete"), added: r.received, timeout: timeout}
	d.cfg.Log.Debug1("execd.c:426 at ExecdRun()", "Adding command '%s %s' to the timeout list, with a timeout of '%ds'.", p.program, p.message, p.timeout)
	d.pending = append(d.pending, p)
	return "continue"
}

// responseKey names a response: the program, and the keys of a whole check_keys message. Any other text adds nothing, and neither does a key that
// is no text or that does not fit any more (active_responses.c, get_json_from_input and get_keys_from_json).
func responseKey(program, line string) string {
	name := path.Base(program)
	root, _, err := cjson.Parse([]byte(line))
	if err != nil || root.Get("command").Text() != "check_keys" {
		return name
	}
	version, origin, parameters := root.Get("version"), root.Get("origin"), root.Get("parameters")
	if version == nil || version.Kind != cjson.Number || origin == nil || origin.Kind != cjson.Object || parameters == nil || parameters.Kind != cjson.Object {
		return name
	}
	list := parameters.Get("keys")
	if list == nil || list.Kind != cjson.Array {
		return name
	}
	keys := ""
	for _, k := range list.Items {
		if k.Kind != cjson.String {
			continue
		}
		if len(keys)+len(k.String)+2 > keyLimit {
			break
		}
		keys += "-" + k.String
	}
	return name + keys
}

// process is a program that runs.
type process struct {
	cmd    *exec.Cmd
	stdin  *os.File
	stdout *os.File
	stop   func() bool
}

// start starts a program in the agent's home, with a relative argv[0] and no arguments, as leader of a session of its own. stderr is /dev/null;
// so is stdout, unless it is bound.
func (d *Daemon) start(ctx context.Context, program string, bindStdout bool) (*process, error) {
	childIn, stdin, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, errors.Join(err, childIn.Close(), stdin.Close())
	}
	childOut, stdout := null, (*os.File)(nil)
	if bindStdout {
		if stdout, childOut, err = os.Pipe(); err != nil {
			return nil, errors.Join(err, childIn.Close(), stdin.Close(), null.Close())
		}
	}
	cmd := &exec.Cmd{
		Path: program, Args: []string{program}, Dir: d.cfg.Home, Env: d.cfg.Env,
		Stdin: childIn, Stdout: childOut, Stderr: null,
		SysProcAttr: &syscall.SysProcAttr{Setsid: true, Credential: d.cfg.Credential},
	}
	err = cmd.Start()
	_ = childIn.Close()
	_ = null.Close()
	if bindStdout {
		_ = childOut.Close()
	}
	p := &process{cmd: cmd, stdin: stdin, stdout: stdout}
	if err != nil {
		p.closePipes()
		return nil, err
	}
	p.stop = context.AfterFunc(ctx, func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		if p.stdout != nil {
			_ = p.stdout.SetReadDeadline(time.Unix(1, 0)) // a child that left the session may still hold it open
		}
	})
	return p, nil
}

// tell writes a line. The program may have ended without reading it; nobody minds.
func (p *process) tell(line []byte) {
	_, _ = p.stdin.Write(append(append([]byte(nil), line...), '\n'))
}

// readLine waits for a line, for 8191 bytes of one, or for the end of the output, whoever holds it open.
func (p *process) readLine() string {
	line, err := bufio.NewReaderSize(p.stdout, keyLine-1).ReadSlice('\n')
	if err != nil && !errors.Is(err, bufio.ErrBufferFull) && len(line) == 0 {
		return ""
	}
	return string(line)
}

func (p *process) closePipes() {
	_ = p.stdin.Close()
	if p.stdout != nil {
		_ = p.stdout.Close()
	}
}

// finish closes the pipes and waits for the program to end.
func (p *process) finish() int {
	p.closePipes()
	_ = p.cmd.Wait() // its error is the exit code, read below
	p.stop()
	if p.cmd.ProcessState == nil {
		return -1
	}
	return p.cmd.ProcessState.ExitCode()
}

// pending is a response that will be undone.
type pending struct {
	key     string
	program string
	message []byte // with "command":"delete"
	added   time.Time
	timeout int // seconds
}

// deleteTimedOut undoes what has been pending for more than its timeout, in whole seconds of the clock: a timeout of 5 s ends after 6.
func (d *Daemon) deleteTimedOut(ctx context.Context) {
	now := d.cfg.Now().Unix()
	kept := d.pending[:0]
	var due []*pending
	for _, p := range d.pending {
		if now-p.added.Unix() > int64(p.timeout) {
			due = append(due, p)
		} else {
			kept = append(kept, p)
		}
	}
	d.pending = kept
	for _, p := range due {
		d.cfg.Log.Debug1("execd.c:168 at ExecdTimeoutRun()", "Executing command '%s %s' after a timeout of '%ds'", p.program, p.message, p.timeout)
		d.undo(ctx, p)
	}
}

func (d *Daemon) undo(ctx context.Context, p *pending) {
	done := Run{Program: p.program, Input: p.message, Started: d.cfg.Now(), ExitCode: 127}
	if process, err := d.start(ctx, p.program, false); err == nil {
		process.tell(p.message)
		done.ExitCode = process.finish()
	}
	done.Took = d.cfg.Now().Sub(done.Started)
	if d.cfg.OnRun != nil {
		d.cfg.OnRun(done)
	}
}

// shutDown undoes everything that is pending.
func (d *Daemon) shutDown() {
	d.cfg.Log.Info("execd.c:99 at ExecdShutdown()", "(1314): Shutdown received. Deleting responses.")
	ctx, cancel := context.WithTimeout(context.Background(), shutDownLimit)
	defer cancel()
	for _, p := range d.pending {
		d.cfg.Log.Debug2("execd.c:110 at ExecdShutdown()", "Delete pending AR: '%s' '%s'", p.program, p.message)
		d.undo(ctx, p)
	}
	d.pending = nil
	_ = d.conn.Close()
	d.cfg.Log.Info("sig_op.c:49 at HandleSIG()", "(1225): SIGNAL [(15)-(Terminated)] Received. Exit Cleaning...")
}

// shutDownLimit bounds the programs of a shutdown, so that the lab can end; the real daemon has no bound.
const shutDownLimit = 10 * time.Second

// repeated says for how many seconds a response is to last that was seen before (execd.c:346-382).
func (d *Daemon) repeated(key string) (seconds int, ok bool) {
	offenders := d.cfg.RepeatedOffenders
	if i := slices.Index(offenders, 0); i >= 0 {
		offenders = offenders[:i]
	}
	if len(offenders) == 0 {
		return 0, false
	}
	times, seen := d.repeats[key]
	if !seen {
		d.repeats[key] = 0
		return 0, false
	}
	if times >= len(offenders) {
		return offenders[len(offenders)-1] * 60, true
	}
	d.repeats[key] = times + 1
	return offenders[times] * 60, true
}

const (
	// restartName asks for a restart of the agent rather than for a response; no file has to register it.
	restartName = "restart-wazuh"
	// restartProgram is started for it, with the word agent, and not waited for.
	restartProgram = binFolder + "/restart.sh"
)

// restartAgent starts the agent's own restart (execd.c:240-257, exec.c ExecCmd). It is not waited for before the daemon's end.
func (d *Daemon) restartAgent() {
	cmd := &exec.Cmd{Path: restartProgram, Args: []string{restartProgram, "agent"}, Dir: d.cfg.Home, Env: d.cfg.Env,
		SysProcAttr: &syscall.SysProcAttr{Credential: d.cfg.Credential}}
	if err := cmd.Start(); err != nil {
		var errno syscall.Errno
		errors.As(err, &errno)
		d.cfg.Log.Error("exec.c:203 at ExecCmd()", "(1312): Error executing '%s': %s", restartProgram, osseclog.Strerror(errno))
		return
	}
	d.restarts.Go(func() { _ = cmd.Wait() }) // its error is the exit code, which goes nowhere
}
