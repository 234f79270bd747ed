package agent_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"custom-vault/lab/agent"
	"custom-vault/lab/osseclog"
	"custom-vault/lab/testbed"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// watched is an agent that watches one file, and what it sent.
type watched struct {
	*agent.Agent
	file string
	log  *osseclog.Memory

	mu   sync.Mutex
	sent []string
}

func start(t *testing.T, change func(*agent.Config)) *watched {
	t.Helper()
	home := testbed.Home(t)
	w := &watched{file: filepath.Join(home, "app.log"), log: &osseclog.Memory{}}
	must(t, os.WriteFile(w.file, []byte("from before\n"), 0o640))
	cfg := agent.Config{ID: "007", Name: "vault-7", Home: home, Poll: time.Hour, Log: w.log, Debug: 2, Files: []agent.File{{Path: w.file, Location: "/var/log/app.log"}},
		Send: func(frame []byte) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.sent = append(w.sent, string(frame))
		}}
	if change != nil {
		change(&cfg)
	}
	var err error
	w.Agent, err = agent.Start(cfg)
	must(t, err)
	t.Cleanup(w.Stop)
	return w
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (w *watched) append(t *testing.T, text string) {
	t.Helper()
	f, err := os.OpenFile(w.file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o640)
	must(t, err)
	_, err = f.WriteString(text)
	must(t, errors.Join(err, f.Close()))
}

// collect lets the agent read and returns the text of what it sent, without header and NUL.
func (w *watched) collect(t *testing.T) (lines []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testbed.Patience)
	defer cancel()
	must(t, w.Collect(ctx))
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, frame := range w.sent {
		const header = "1:[007] (vault-7) any->/var/log/app.log:"
		if !strings.HasPrefix(frame, header) || !strings.HasSuffix(frame, "\x00") {
			t.Errorf("frame %q", frame)
		}
		lines = append(lines, strings.TrimSuffix(strings.TrimPrefix(frame, header), "\x00"))
	}
	w.sent = nil
	return lines
}

func TestOnlyWholeNewLinesAreSent(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	w.append(t, "one\n\ntwo\r\nhal")
	if got := w.collect(t); !slices.Equal(got, []string{"one", "", "two\r"}) {
		t.Errorf("sent %q", got)
	}
	w.append(t, "f\nnul\x00inside\n")
	if got := w.collect(t); !slices.Equal(got, []string{"half"}) {
		t.Errorf("sent %q", got)
	}
}

func TestLongLinesAreCutTo65278(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	w.append(t, strings.Repeat("a", 65278)+"\n"+strings.Repeat("b", 200000)+"\nnext\n")
	got := w.collect(t)
	if len(got) != 3 || len(got[0]) != 65278 || len(got[1]) != 65278 || got[2] != "next" {
		t.Fatalf("sent %d lines", len(got))
	}
	if log := strings.Join(w.log.Lines(), "\n"); !strings.Contains(log, "Large message size from file '/var/log/app.log' (length = 65279): '"+strings.Repeat("b", 64)+"'...") {
		t.Errorf("logged %.300s", log)
	}
}

func TestJSONIsPrintedAnewAndTheRestDropped(t *testing.T) {
	t.Parallel()
	w := start(t, func(cfg *agent.Config) { cfg.Files[0].Format = "json" })
	w.append(t, "{\"b\": 1, \"a\": [ 1.0 ]}\n[vault audit] {}\n[1]\n")
	if got := w.collect(t); !slices.Equal(got, []string{`{"b":1,"a":[1]}`}) {
		t.Errorf("sent %q", got)
	}
}

func TestOutFormatDressesTheLine(t *testing.T) {
	t.Parallel()
	w := start(t, func(cfg *agent.Config) {
		cfg.Files[0].OutFormat = "$(timestamp) $(hostname) vault: $(log)"
		cfg.Now = func() time.Time { return time.Date(2026, time.November, 4, 5, 6, 7, 0, time.UTC) }
	})
	w.append(t, "text\n")
	if got := w.collect(t); !slices.Equal(got, []string{"Nov 04 05:06:07 vault-7 vault: text"}) {
		t.Errorf("sent %q", got)
	}
}

func TestARotatedFileIsFollowed(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	w.append(t, "old\n")
	must(t, os.Rename(w.file, w.file+".1"))
	w.append(t, "new\n")
	if got := w.collect(t); !slices.Equal(got, []string{"old", "new"}) {
		t.Errorf("sent %q", got)
	}
	must(t, os.Truncate(w.file, 0))
	w.collect(t)
	w.append(t, "again\n")
	if got := w.collect(t); !slices.Equal(got, []string{"again"}) {
		t.Errorf("after the file was cut back: %q", got)
	}
}

func TestDisorderLosesNothingAndIsTheSameForASeed(t *testing.T) {
	t.Parallel()
	const lines = 40
	order := func(seed uint64) (got []string) {
		w := start(t, func(cfg *agent.Config) { cfg.Disorder = seed })
		for i := range lines {
			w.append(t, fmt.Sprintf("%02d\n", i))
		}
		return w.collect(t)
	}
	first := order(5)
	if slices.IsSorted(first) {
		t.Error("nothing is out of order")
	}
	if again := order(5); !slices.Equal(first, again) {
		t.Error("the same seed gives another order")
	}
	slices.Sort(first)
	if len(slices.Compact(first)) != lines {
		t.Errorf("%d of %d lines arrived", len(first), lines)
	}
	if got := order(0); !slices.IsSorted(got) {
		t.Error("out of order without a seed")
	}
}

func TestWhatIsSentWhileAgentdIsDownIsLost(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	w.StopAgentd()
	w.append(t, "lost\n")
	w.collect(t)
	w.StartAgentd()
	w.append(t, "kept\n")
	if got := w.collect(t); !slices.Equal(got, []string{"kept"}) {
		t.Errorf("sent %q", got)
	}
}

func TestASuspendedAgentdHoldsEverythingBack(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	w.SuspendAgentd()
	w.append(t, "held\n")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := w.Collect(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("collected: %v", err)
	}
	if connected, _ := w.Connected(); !connected {
		t.Error("the manager already knows")
	}
	w.ContinueAgentd()
	if got := w.collect(t); !slices.Equal(got, []string{"held"}) {
		t.Errorf("sent %q", got)
	}
}

func TestResponsesAreLostAfterExecdIsRestartedAlone(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	must(t, w.RestartExecd())
	message := []byte(`{"version":1,"command":"!absent","parameters":{}}`)
	w.Receive(t.Context(), message)
	if disabled, err := w.ResponsesDisabled(t.Context()); err != nil || disabled {
		t.Errorf("asked, it says %v, %v: nobody notices", disabled, err)
	}
	w.RestartAgentd()
	w.Receive(t.Context(), message)
	ran := func() int { return len(w.Runs()) }
	testbed.Until(t, "a run after agentd's restart", func() bool { return ran() > 0 })
	if n := ran(); n != 1 {
		t.Errorf("%d ran, want only the second", n)
	}
	if log := strings.Join(w.log.Lines(), "\n"); !strings.Contains(log, "Error communicating with execd") {
		t.Errorf("logged %q", log)
	}
}
