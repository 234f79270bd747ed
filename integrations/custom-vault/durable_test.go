package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"custom-vault/internal/journal"
)

// filesystemCalls is what the traced hook did to files, in order, from the alert file on, each
// call that succeeded. Descriptors are shown by the last element of their file's path, the alert
// file as ALERT, the journal's file as HOUR.
type filesystemCalls struct {
	alert  string
	active bool
	names  map[uint64]string
	list   []string
}

func (f *filesystemCalls) see(c call) bool {
	if !c.ended {
		if c.number == syscall.SYS_EXIT_GROUP && f.active {
			f.list = append(f.list, fmt.Sprintf("exit %d", c.args[0]))
		}
		return true
	}
	if c.number == syscall.SYS_OPENAT && c.path(1) == f.alert {
		f.active = true
	}
	if !f.active || c.result < 0 {
		return true
	}
	switch c.number {
	case syscall.SYS_OPENAT:
		name := filepath.Base(c.path(1))
		if c.path(1) == f.alert {
			name = "ALERT"
		}
		if _, ok := journal.ParseName(name); ok {
			name = "HOUR"
		}
		f.names[uint64(c.result)] = name
		f.list = append(f.list, "open "+name)
	case syscall.SYS_CLOSE:
		delete(f.names, c.args[0])
	case syscall.SYS_FLOCK:
		how := map[uint64]string{syscall.LOCK_EX | syscall.LOCK_NB: "exclusive", syscall.LOCK_UN: "unlock"}[c.args[1]]
		f.list = append(f.list, "flock "+f.names[c.args[0]]+" "+how)
	case syscall.SYS_WRITE:
		if name := f.names[c.args[0]]; name != "" { // the runtime wakes itself by writes to eventfds
			f.list = append(f.list, fmt.Sprintf("write %s %d", name, c.result))
		}
	case syscall.SYS_FSYNC:
		f.list = append(f.list, "fsync "+f.names[c.args[0]])
	case syscall.SYS_FDATASYNC:
		f.list = append(f.list, "fdatasync "+f.names[c.args[0]])
	}
	return true
}

// TestTheLineIsOnTheDiskBeforeTheHookExits watches the shipped program's system calls with
// ptrace(2).
func TestTheLineIsOnTheDiskBeforeTheHookExits(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		about string
		lines string
		want  []string
	}{
		{"the hour's first line: its name is made durable as well", "", []string{
			"open ALERT", "open custom-vault", "open journal", "open HOUR", "flock HOUR exclusive",
			"fsync journal", "write HOUR 8", "flock HOUR unlock", "fdatasync HOUR", "exit 0",
		}},
		{"any other line", "{}\n", []string{
			"open ALERT", "open custom-vault", "open journal", "open HOUR", "flock HOUR exclusive",
			"write HOUR 8", "flock HOUR unlock", "fdatasync HOUR", "exit 0",
		}},
		{"behind a torn line", "{", []string{
			"open ALERT", "open custom-vault", "open journal", "open HOUR", "flock HOUR exclusive",
			"write HOUR 9", "flock HOUR unlock", "fdatasync HOUR", "exit 0",
		}},
	} {
		h := install(t)
		for _, hour := range []time.Duration{0, time.Hour} { // it may change before the hook runs
			name := filepath.Join(h.journal, journal.FileName(time.Now().Add(hour)))
			must(t, os.WriteFile(name, []byte(c.lines), 0o640))
		}
		alert := alertFile(t, "{\"a\":1}\n")
		calls := &filesystemCalls{alert: alert, names: map[uint64]string{}}
		if status := trace(t, h.command(alert), calls.see); status.ExitStatus() != 0 {
			t.Errorf("%s: exit %d", c.about, status.ExitStatus())
		}
		if !slices.Equal(calls.list, c.want) {
			t.Errorf("%s: the hook did\n%s\nwant\n%s", c.about, strings.Join(calls.list, "\n"), strings.Join(c.want, "\n"))
		}
	}
}

// TestTheHookOpensNoSocketAndStartsNoProgram watches for the calls that it must never make.
func TestTheHookOpensNoSocketAndStartsNoProgram(t *testing.T) {
	t.Parallel()
	h := install(t)
	never := map[uint64]string{
		syscall.SYS_SOCKET: "socket", syscall.SYS_CONNECT: "connect", syscall.SYS_EXECVE: "execve",
	}
	for name, alert := range map[string]string{"taken": "{}\n", "refused": "no\n"} {
		status := trace(t, h.command(alertFile(t, alert)), func(c call) bool {
			if call := never[c.number]; call != "" {
				t.Errorf("%s: it called %s", name, call)
			}
			return true
		})
		if !status.Exited() {
			t.Errorf("%s: status %#x", name, status)
		}
	}
}

// TestAHookKilledAtAnyCallBreaksNoLine kills the hook before and after each of its system calls,
// from its opening the alert file to its exit.
func TestAHookKilledAtAnyCallBreaksNoLine(t *testing.T) {
	t.Parallel()
	h := install(t)
	const before, killed, after = "{\"before\":1}\n", "{\"killed\":1}\n", "{\"after\":1}\n"
	kills := 0
	for at := 1; ; at++ {
		h.run(t, alertFile(t, before)).taken(t)
		alert := alertFile(t, killed)
		stops, synced := 0, false
		status := trace(t, h.command(alert), func(c call) bool {
			if stops == 0 && c.number == syscall.SYS_OPENAT && c.path(1) == alert || stops > 0 && onFile(c) {
				stops++
			}
			synced = synced || c.ended && c.number == syscall.SYS_FDATASYNC
			return stops < at
		})
		h.run(t, alertFile(t, after)).taken(t)
		got := h.journalled(t)
		tail := got[strings.LastIndex(got, before):]
		if whole := before + killed + after; tail != whole && (synced || tail != before+after) {
			t.Errorf("killed at stop %d (after fdatasync: %v), the journal ends in %q", at, synced, tail)
		}
		if status.Exited() {
			break
		}
		kills++
	}
	if kills < 20 {
		t.Errorf("killed %d times only: not at every call", kills)
	}
}

// onFile leaves out what the runtime's other threads do (futex, nanosleep, …), at times that
// differ from run to run.
func onFile(c call) bool {
	switch c.number {
	case syscall.SYS_OPENAT, syscall.SYS_FSTAT, syscall.SYS_READ, syscall.SYS_CLOSE, syscall.SYS_READLINKAT, syscall.SYS_FLOCK,
		syscall.SYS_PREAD64, syscall.SYS_FSYNC, syscall.SYS_WRITE, syscall.SYS_FDATASYNC, syscall.SYS_EXIT_GROUP:
		return true
	}
	return false
}
