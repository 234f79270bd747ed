package main

import (
	"os"
	"os/exec"
	"strconv"
	"testing"
)

// through is the hook started by a line of shell, which has it as "$0" "$@".
func (h home) through(t *testing.T, script, alert string) *exec.Cmd {
	t.Helper()
	cmd := h.command(alertFile(t, alert))
	cmd.Args = append([]string{"sh", "-c", script, h.hook}, cmd.Args[1:]...)
	cmd.Path = shell(t)
	return cmd
}

func TestTheHookNeedsNoOpenDescriptors(t *testing.T) {
	t.Parallel()
	h := install(t)
	const closed = `exec "$0" "$@" <&- >&- 2>&-`
	run1(t, h.through(t, closed, "{\"a\":1}\n")).taken(t)
	if o := run1(t, h.through(t, closed, "no alert\n")); o.code != 1 {
		t.Errorf("exit %d, want 1", o.code)
	}
	if got := h.journalled(t); got != "{\"a\":1}\n" {
		t.Errorf("the journal holds %q", got)
	}
}

func TestTheHookSaysByItsExitCodeWhatNobodyReads(t *testing.T) {
	t.Parallel()
	h := install(t)
	read, write, err := os.Pipe()
	must(t, err)
	must(t, read.Close())
	for alert, want := range map[string]int{"{}\n": 0, "no alert\n": 1} {
		cmd := h.command(alertFile(t, alert))
		cmd.Stdout, cmd.Stderr = write, write
		must(t, cmd.Start())
		_ = cmd.Wait() // what it says is in the state
		if got := cmd.ProcessState; got.ExitCode() != want {
			t.Errorf("%q: %v, want exit %d", alert, got, want)
		}
	}
	must(t, write.Close())
}

func TestAHookThatMayOpenFewFilesTakesItAllOrNothing(t *testing.T) {
	t.Parallel()
	taken, refused := 0, 0
	for most := 3; most <= 10; most++ {
		h := install(t)
		o := run1(t, h.through(t, "ulimit -n "+strconv.Itoa(most)+` && exec "$0" "$@"`, "{\"a\":1}\n"))
		want := ""
		if o.code == 0 {
			o.taken(t)
			taken++
			want = "{\"a\":1}\n"
		} else {
			o.refused(t, "too many open files")
			refused++
		}
		if got := h.journalled(t); got != want {
			t.Errorf("%d files: exit %d, the journal holds %q", most, o.code, got)
		}
	}
	if taken == 0 || refused == 0 {
		t.Errorf("%d were taken, %d refused", taken, refused)
	}
}
