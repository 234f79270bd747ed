package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"custom-vault/internal/journal"
)

func TestHooksSideBySideKeepTheirLinesWhole(t *testing.T) {
	t.Parallel()
	h := install(t)
	const hooks, each = 16, 5
	want := map[string]bool{}
	for i := range 2 { // the hour may change. Its first line is flushed under the lock, which a busy disk makes long.
		line := fmt.Sprintf("{\"first\":%d}\n", i)
		name := journal.FileName(time.Now().Add(time.Duration(i) * time.Hour))
		must(t, os.WriteFile(filepath.Join(h.journal, name), []byte(line), 0o640))
		want[line] = true
	}
	var files [hooks][each]string
	for i := range hooks {
		for k := range each {
			line := fmt.Sprintf("{\"hook\":%d,\"alert\":%d,\"text\":%q}\n", i, k, strings.Repeat("x", 20_000))
			files[i][k] = alertFile(t, line)
			want[line] = true
		}
	}
	var group sync.WaitGroup
	for i := range hooks {
		group.Go(func() {
			for k := range each {
				h.run(t, files[i][k]).taken(t)
			}
		})
	}
	group.Wait()
	for line := range strings.Lines(h.journalled(t)) {
		if !want[line] {
			t.Fatalf("broken or repeated line %.80q", line)
		}
		delete(want, line)
	}
	if len(want) > 0 {
		t.Errorf("%d alerts are missing", len(want))
	}
}

// TestHooksKilledAtRandomLoseNothingThatWasTaken kills hooks with long alerts somewhere in the few
// milliseconds that they live.
func TestHooksKilledAtRandomLoseNothingThatWasTaken(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	h := install(t)
	written, taken := map[string]bool{}, map[string]bool{}
	longest := h.run(t, alertFile(t, "{}\n")).took
	for i := range 60 {
		line := fmt.Sprintf("{\"alert\":%d,\"text\":%q}\n", i, strings.Repeat(string(rune('a'+i%26)), 900_000))
		written[line] = true
		cmd := h.command(alertFile(t, line))
		must(t, cmd.Start())
		kill := time.AfterFunc(time.Duration(random.Int64N(int64(2*longest))), func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait() // what it says is in the state
		kill.Stop()
		if cmd.ProcessState.Success() {
			taken[line] = true
		}
	}
	h.run(t, alertFile(t, "{\"last\":1}\n")).taken(t)

	whole, torn := 0, 0
	for line := range strings.Lines(h.journalled(t)) {
		switch {
		case written[line]:
			whole++
			delete(taken, line)
		case line == "{}\n" || line == "{\"last\":1}\n":
		case isTorn(line, written):
			torn++
		default:
			t.Errorf("line %.80q is neither an alert nor the beginning of one", line)
		}
	}
	t.Logf("of %d alerts %d are there, %d lines are torn", len(written), whole, torn)
	if len(taken) > 0 {
		t.Errorf("%d alerts are missing whose hook exited 0", len(taken))
	}
}

// isTorn says whether line is the beginning of a line that was to be written, closed by the next.
func isTorn(line string, written map[string]bool) bool {
	for whole := range written {
		if strings.HasPrefix(whole, strings.TrimSuffix(line, "\n")) {
			return true
		}
	}
	return false
}
