package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"unsafe"
)

// The numbers of ptrace(2) that package syscall lacks, the same on every architecture.
const (
	ptraceGetSyscallInfo = 0x420e // Linux 5.3
	ptraceExitKill       = 1 << 20
	waitEveryThread      = 0x40000000 // __WALL
	syscallStop          = syscall.SIGTRAP | 0x80
)

// syscallInfo is struct ptrace_syscall_info: op says whether the call is beginning (1) or ending
// (2); body is its number and arguments, or what it returned.
type syscallInfo struct {
	op   uint8
	_    [3]uint8
	arch uint32
	ip   uint64
	sp   uint64
	body [8]uint64
}

// call is one system call of the traced program, at its beginning or at its end.
type call struct {
	number uint64
	args   [6]uint64
	ended  bool
	result int64
	pid    int // whose memory the arguments point into
}

// path is the string that argument i points to.
func (c call) path(i int) string {
	text := make([]byte, 256)
	n, _ := syscall.PtracePeekData(c.pid, uintptr(c.args[i]), text)
	for k, b := range text[:n] {
		if b == 0 {
			return string(text[:k])
		}
	}
	return string(text[:n])
}

// trace runs cmd to its end and shows every system call of all its threads to see, twice each. When
// see returns false, the program is killed on the spot, before, respectively after, the call.
func trace(t testing.TB, cmd *exec.Cmd, see func(call) bool) syscall.WaitStatus {
	t.Helper()
	runtime.LockOSThread() // ptrace(2) answers only the thread that started the program
	defer runtime.UnlockOSThread()
	cmd.SysProcAttr = &syscall.SysProcAttr{Ptrace: true, Setpgid: true}
	output, err := os.Create(filepath.Join(t.TempDir(), "output"))
	must(t, err)
	defer func() { _ = output.Close() }()
	cmd.Stdout, cmd.Stderr = output, output
	must(t, cmd.Start())
	pid := cmd.Process.Pid
	var status syscall.WaitStatus
	_, err = syscall.Wait4(pid, &status, waitEveryThread, nil) // it stops behind execve
	must(t, err)
	must(t, syscall.PtraceSetOptions(pid, syscall.PTRACE_O_TRACESYSGOOD|syscall.PTRACE_O_TRACECLONE|ptraceExitKill))
	must(t, syscall.PtraceSyscall(pid, 0))

	begun := map[int]call{} // by thread
	seen := map[int]bool{pid: true}
	for {
		tid, err := syscall.Wait4(-pid, &status, waitEveryThread, nil)
		if err == syscall.EINTR {
			continue
		}
		must(t, err)
		if tid == pid && (status.Exited() || status.Signaled()) {
			_ = cmd.Process.Release() // it was waited for here
			return status
		}
		if !status.Stopped() {
			continue // a thread ended
		}
		signal := 0
		switch stop := status.StopSignal(); {
		case stop == syscallStop:
			if c, ok := callAt(tid, begun); ok && !see(c) {
				must(t, syscall.Kill(pid, syscall.SIGKILL))
				continue
			}
		case stop == syscall.SIGTRAP: // a thread was made
		case stop == syscall.SIGSTOP && !seen[tid]: // the new thread itself
		default:
			signal = int(stop)
		}
		seen[tid] = true
		_ = syscall.PtraceSyscall(tid, signal) // fails when the thread was killed meanwhile
	}
}

// callAt is the call at whose beginning or end the thread has stopped.
func callAt(tid int, begun map[int]call) (call, bool) {
	var info syscallInfo
	_, _, errno := syscall.RawSyscall6(syscall.SYS_PTRACE, ptraceGetSyscallInfo, uintptr(tid),
		unsafe.Sizeof(info), uintptr(unsafe.Pointer(&info)), 0, 0)
	if errno != 0 {
		return call{}, false // killed meanwhile
	}
	switch info.op {
	case 1:
		c := call{number: info.body[0], args: [6]uint64(info.body[1:7]), pid: tid}
		begun[tid] = c
		return c, true
	case 2:
		c := begun[tid]
		c.ended, c.result = true, int64(info.body[0])
		return c, true
	}
	return call{}, false
}
