package vault

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// stopGrace is how long a server may take to seal and stop: a busy machine takes long. A raft node that has lost its
// peers takes 3 s to seal.
const stopGrace = time.Minute

// exitAddressInUse is vaultserver's exit code for "an address is in use".
const exitAddressInUse = 3

// errAddressInUse makes Start try another port.
var errAddressInUse = errors.New("address is in use")

// process is one run of the vaultserver binary. One goroutine waits for its end and closes ended.
type process struct {
	cmd   *exec.Cmd
	ended chan struct{}
	err   error // how it ended; read after ended is closed
}

// launch starts the binary in dir with its operational log appended to logFile, and returns as soon as
// it says that it answers requests. The process outlives ctx, and dies with this one.
func launch(ctx context.Context, binary, dir, logFile string, args []string) (_ *process, err error) {
	log, err := os.OpenFile(logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the operational log: %w", err)
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	stdout, childStdout, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make a pipe for the server: %w", err)
	}
	defer func() { err = errors.Join(err, stdout.Close()) }()

	binary, err = filepath.Abs(binary)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("find %s: %w", binary, err), childStdout.Close())
	}
	cmd := exec.Command(binary, args...)
	cmd.Dir = dir
	cmd.Env = []string{} // Vault reads VAULT_*, GOMAXPROCS and proxies from the environment
	cmd.Stdout, cmd.Stderr = childStdout, log
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Setpgid: true, // a terminal's Ctrl-C is for the owner, who stops the server in its own order
		// Sent when the thread that forked ends. Go ends a thread only under a goroutine locked to it.
		Pdeathsig: syscall.SIGKILL,
	}
	startErr := cmd.Start()
	if err := errors.Join(startErr, childStdout.Close()); err != nil {
		return nil, fmt.Errorf("start %s: %w", binary, err)
	}
	p := &process{cmd: cmd, ended: make(chan struct{})}
	go func() {
		p.err = cmd.Wait()
		close(p.ended)
	}()
	if err := p.awaitListening(ctx, stdout); err != nil {
		p.kill()
		if cmd.ProcessState.ExitCode() == exitAddressInUse {
			return nil, errAddressInUse
		}
		return nil, fmt.Errorf("start %s: %w (%s); its log is %s", binary, err, cmd.ProcessState, logFile)
	}
	return p, nil
}

// awaitListening reads the server's one line. The pipe ends early if the server does.
func (p *process) awaitListening(ctx context.Context, stdout *os.File) error {
	stop := context.AfterFunc(ctx, func() { _ = stdout.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	line, err := bufio.NewReader(stdout).ReadString('\n')
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("wait for it to listen: %w", context.Cause(ctx))
	case err != nil:
		<-p.ended
		return errors.New("it ended before it listened")
	case !strings.HasPrefix(line, "listening "):
		return fmt.Errorf("unexpected first line %q", line)
	}
	return nil
}

// stop asks the server to seal and stop, waits for its end, and kills it if that takes too long.
func (p *process) stop(ctx context.Context) error {
	if err := p.signal(syscall.SIGTERM); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, stopGrace)
	defer cancel()
	select {
	case <-p.ended:
	case <-ctx.Done():
		p.kill()
		return fmt.Errorf("vaultserver (pid %d) did not stop on SIGTERM and was killed: %w", p.cmd.Process.Pid, ctx.Err())
	}
	if p.err != nil {
		return fmt.Errorf("vaultserver (pid %d) ended badly: %w", p.cmd.Process.Pid, p.err)
	}
	return nil
}

// kill is a crash: nothing is sealed, no leadership is handed over. It waits for the end.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // fails only if it has ended
	<-p.ended
}

func (p *process) signal(sig os.Signal) error {
	err := p.cmd.Process.Signal(sig)
	if err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("send %v to vaultserver (pid %d): %w", sig, p.cmd.Process.Pid, err)
	}
	return nil
}

func (p *process) running() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}
