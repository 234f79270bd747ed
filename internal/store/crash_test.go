package store

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// The test binary is run again as a child that can be killed, or whose files may not grow. These tests do not run
// beside others: between fork and exec a child holds every lock of its parent.
const (
	childDir  = "STORE_TEST_DIR"
	childRole = "STORE_TEST_ROLE"
	childFrom = "STORE_TEST_FROM"
)

func TestMain(m *testing.M) {
	switch dir := os.Getenv(childDir); os.Getenv(childRole) {
	case "commit":
		os.Exit(report(commitForEver(dir, os.Getenv(childFrom))))
	case "full disk":
		os.Exit(report(fillDisk(dir)))
	case "open":
		_, err := Open(context.Background(), dir)
		os.Exit(report(err))
	}
	os.Exit(m.Run())
}

func report(err error) int {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func child(t *testing.T, role, dir string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childRole+"="+role, childDir+"="+dir)
	return cmd
}

// commitForEver commits one after the other, and says of each when Commit has returned.
func commitForEver(dir, from string) error {
	s, err := Open(context.Background(), dir)
	if err != nil {
		return err
	}
	i, err := strconv.Atoi(from)
	if err != nil {
		return err
	}
	for ; ; i++ {
		if err := s.Commit(context.Background(), commitOf(strconv.Itoa(i))); err != nil {
			return err
		}
		fmt.Println(i)
	}
}

// What Commit has returned for is there after a kill -9, and of what was under way all or nothing.
func TestAKillInTheMiddleOfCommitsLosesNoneAndHalvesNone(t *testing.T) {
	dir := folder(t)
	for round := range 5 {
		from := 1_000_000 * (round + 1) // further than a child comes
		cmd := child(t, "commit", dir)
		cmd.Env = append(cmd.Env, fmt.Sprintf("%s=%d", childFrom, from))
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		last, lines := -1, bufio.NewScanner(out)
		for lines.Scan() {
			if last, err = strconv.Atoi(lines.Text()); err != nil {
				t.Fatal(err)
			}
			if last == from+10+3*round {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		var exit *exec.ExitError
		if err := cmd.Wait(); !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			t.Fatalf("the child was not killed: %v", err)
		}
		checkAfterCrash(t, dir, from, last)
	}
}

func checkAfterCrash(t *testing.T, dir string, from, last int) {
	t.Helper()
	s := openIn(t, dir) // the lock of a dead process is free
	next := len(kept(t, s, strconv.Itoa(last+1)))
	if next != 0 && next != 6 {
		t.Errorf("of the commit that was under way there are %d parts of 6", next)
	}
	for i := from; i <= last; i++ {
		want := 5 // all but the bookmark, which has moved on
		if i == last && next == 0 {
			want = 6
		}
		if got := kept(t, s, strconv.Itoa(i)); len(got) != want {
			t.Errorf("of commit %d, the last that returned being %d, there is %v", i, last, got)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestASecondProcessIsRefused(t *testing.T) {
	dir := folder(t)
	openIn(t, dir)
	out, err := child(t, "open", dir).CombinedOutput()
	if err == nil || !strings.Contains(string(out), ErrLocked.Error()) {
		t.Errorf("%v: %s", err, out)
	}
}

// fillDisk lets no file grow beyond what it has, which is what a full disk does, and then lets go again.
func fillDisk(dir string) error {
	signal.Ignore(unix.SIGXFSZ)
	ctx := context.Background()
	s, err := Open(ctx, dir)
	if err != nil {
		return err
	}
	if err := s.Commit(ctx, commitOf("before")); err != nil {
		return err
	}
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	full := limit
	info, err := os.Stat(dir + "/state.db-wal")
	if err != nil {
		return err
	}
	full.Cur = uint64(info.Size())
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &full); err != nil {
		return err
	}
	for range 3 {
		if err := s.Commit(ctx, commitOf("full")); err == nil {
			return errors.New("a commit succeeded on a full disk")
		}
	}
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	if err := s.Commit(ctx, commitOf("after")); err != nil {
		return fmt.Errorf("with room again: %w", err)
	}
	return s.Close()
}

func TestAFullDiskFailsACommitWholeAndForNoLongerThanItIsFull(t *testing.T) {
	dir := folder(t)
	if out, err := child(t, "full disk", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	s := openIn(t, dir)
	for id, want := range map[string]int{"before": 5, "full": 0, "after": 6} {
		if got := kept(t, s, id); len(got) != want {
			t.Errorf("of commit %q there is %v", id, got)
		}
	}
}
