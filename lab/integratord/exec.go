package integratord

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
)

// lineBuffer is what fits into the buffer that output lines are read into, without the end of the string; a longer line comes in pieces.
const lineBuffer = 4095

// nobody is whom the rule about writable programs is applied for when the lab runs as root without a Credential: as root itself the daemon would
// refuse every program, since root may write them all.
const nobody = 65534

// execute starts a program and waits until its output has ended, whoever holds it open, and then for the program (integrator.c:447-453).
func (d *Daemon) execute(ctx context.Context, name string, argv []string) (status syscall.WaitStatus, err error) {
	path := filepath.Join("integrations", name)
	if d.writable(filepath.Join(d.cfg.Home, path)) {
		d.cfg.Log.Error("exec_op.c:233 at wpopenv()", "At wpopenv(): file '%s' has write permissions.", path)
		return 0, fmt.Errorf("program %s can be written by the daemon's user", path)
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return 0, err
	}
	defer null.Close() //nolint:errcheck // /dev/null
	reader, writer, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	defer reader.Close() //nolint:errcheck // a pipe's reading end
	cmd := &exec.Cmd{
		Path: path, Args: argv, Dir: d.cfg.Home, Env: d.cfg.Env,
		Stdin: null, Stdout: writer, Stderr: writer,
		// Descriptor 4 is alerts.json, which the real daemon does not close on exec.
		ExtraFiles:  []*os.File{nil, d.tail.file},
		SysProcAttr: &syscall.SysProcAttr{Setsid: true, Credential: d.cfg.Credential},
	}
	if err := errors.Join(cmd.Start(), writer.Close()); err != nil {
		return 0, err
	}
	if d.cfg.OnStart != nil {
		d.cfg.OnStart(name, cmd.Process.Pid)
	}
	stop := context.AfterFunc(ctx, func() {
		if !d.orphans.Load() {
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		}
		_ = reader.Close()
	})
	defer stop()
	d.readOutput(reader)
	if err := cmd.Wait(); err != nil && cmd.ProcessState == nil {
		return 0, err
	}
	status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if !ok {
		return 0, errors.New("no wait status")
	}
	return status, nil
}

func (d *Daemon) readOutput(reader *os.File) {
	lines := bufio.NewReaderSize(reader, lineBuffer)
	for {
		line, err := lines.ReadSlice('\n')
		if len(line) > 0 {
			d.output = strings.TrimSuffix(string(line), "\n")
			d.cfg.Log.Debug2("integrator.c:451 at OS_IntegratorD()", "%s", d.output)
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return
		}
	}
}

// writable is access(path, W_OK) for the daemon's user. A file that is missing is not writable; starting it then fails.
func (d *Daemon) writable(path string) bool {
	if d.cfg.Credential == nil && os.Geteuid() != 0 {
		const wOK = 2
		return syscall.Access(path, wOK) == nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return false
	}
	uid, groups := uint32(nobody), []uint32{nobody}
	if c := d.cfg.Credential; c != nil {
		uid, groups = c.Uid, append([]uint32{c.Gid}, c.Groups...)
	}
	switch mode := info.Mode().Perm(); {
	case uid == 0:
		return true
	case uid == stat.Uid:
		return mode&0o200 != 0
	case contains(groups, stat.Gid):
		return mode&0o020 != 0
	default:
		return mode&0o002 != 0
	}
}

func contains(groups []uint32, gid uint32) bool {
	for _, g := range groups {
		if g == gid {
			return true
		}
	}
	return false
}
