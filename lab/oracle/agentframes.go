package oracle

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"custom-vault/lab/agent"
	"custom-vault/lab/osseclog"
)

// frameCase is a line of queue/agent-frames.jsonl: a line in a file that an agent watches, and the datagrams that came of it.
type frameCase struct {
	Name      string
	Line      *string
	LineB64   []byte `json:"line_b64"`
	LineBytes int    `json:"line_bytes"`
	Datagrams int
	Frames    []recordedFrame
	Log       []string
}

type recordedFrame struct {
	Frame    *string
	B64      []byte `json:"frame_b64"`
	Bytes    int
	Head     string
	LogBytes int `json:"log_bytes"`
}

// watched is the file that the recorded agent watched.
const watched = "/var/log/vault_audit.log"

// watcher is an agent that watches one file, and what it sent.
type watcher struct {
	*agent.Agent
	path string
	log  *osseclog.Memory
	mu   sync.Mutex
	sent []string
}

func (w *workshop) watcher(change func(*agent.Config)) (*watcher, error) {
	home, err := w.home()
	if err != nil {
		return nil, err
	}
	out := &watcher{path: filepath.Join(home, "audit.log"), log: &osseclog.Memory{}}
	if err := os.WriteFile(out.path, nil, 0o640); err != nil {
		return nil, fmt.Errorf("make a file to watch: %w", err)
	}
	cfg := agent.Config{ID: "001", Name: "vault-1", Home: home, Files: []agent.File{{Path: out.path, Location: watched}}, Log: out.log, Poll: time.Hour,
		Send: func(frame []byte) {
			out.mu.Lock()
			defer out.mu.Unlock()
			out.sent = append(out.sent, string(frame))
		}}
	if change != nil {
		change(&cfg)
	}
	out.Agent, err = agent.Start(cfg)
	return out, err
}

func (w *watcher) write(text string) error {
	f, err := os.OpenFile(w.path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("write to the watched file: %w", err)
	}
	_, err = f.WriteString(text)
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write to the watched file: %w", err)
	}
	return nil
}

func (w *watcher) frames() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string(nil), w.sent...)
}

func runAgentFrames(w *workshop, path string, m *Mutator, v *verdicts) error {
	cases, err := readCases[frameCase](path, v)
	if err != nil || len(cases) == 0 {
		return err
	}
	a, err := w.watcher(nil)
	if err != nil {
		return err
	}
	defer a.Stop()
	for _, c := range cases {
		if c.Line == nil && c.LineB64 == nil && c.LineBytes > 0 && (len(c.Frames) == 0 || c.Frames[0].Head == "") {
			v.settle(c.Name, "", "the line itself is not in the recording")
			continue
		}
		v.settle(c.Name, compared(func() (string, error) { return a.replay(c, m) }), "")
	}
	return nil
}

func (w *watcher) replay(c frameCase, m *Mutator) (string, error) {
	line := ""
	switch {
	case c.Line != nil:
		line = *c.Line
	case c.LineB64 != nil:
		line = string(c.LineB64)
	case len(c.Frames) > 0 && c.Frames[0].Head != "":
		line = strings.Repeat(c.Frames[0].Head[len(c.Frames[0].Head)-1:], c.LineBytes)
	}
	var change Mapping
	if c.Line != nil || c.LineB64 != nil { // else it is one letter over and over
		change = m.For(reserved+"vault audit vault-1", line)
	}
	framesBefore, logBefore := len(w.frames()), len(w.log.Lines())
	if err := w.write(change.Text(line) + "\n"); err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := w.Collect(ctx); err != nil {
		return "", fmt.Errorf("let the agent read: %w", err)
	}
	var want, got []string
	for _, f := range c.Frames {
		switch {
		case f.Frame != nil:
			want = append(want, change.Text(*f.Frame))
		case f.B64 != nil:
			want = append(want, change.Text(string(f.B64)))
		default:
			want = append(want, fmt.Sprintf("%d bytes, %d of log, %s", f.Bytes, f.LogBytes, f.Head))
		}
	}
	for i, f := range w.frames()[framesBefore:] {
		if i < len(c.Frames) && c.Frames[i].Head != "" {
			_, log, _ := strings.Cut(f, watched+":")
			f = fmt.Sprintf("%d bytes, %d of log, %s", len(f), len(log), f[:min(len(f), len(c.Frames[i].Head))])
		}
		got = append(got, f)
	}
	return joinDifferences([]string{linesDiff("datagram", want, got), linesDiff("log line", c.Log, w.log.Lines()[logBefore:])}), nil
}

// orderCase is a line of queue/agent-order.jsonl: numbered lines, and the order in which their alerts came.
type orderCase struct {
	Name          string
	Lines         int
	GapMS         float64 `json:"gap_ms"`
	Alerts        int
	StepsBackward int `json:"steps_backward"`
}

// runAgentOrder compares that every line arrives once, and that the way does not keep the order: by one step backward at least, and by three at most
// (six for more than one batch). The order itself was different in every recording.
func runAgentOrder(w *workshop, path string, v *verdicts) error {
	cases, err := readCases[orderCase](path, v)
	if err != nil {
		return err
	}
	for i, c := range cases {
		v.settle(c.Name, compared(func() (string, error) { return w.order(c, uint64(i)+1) }), "")
	}
	return nil
}

func (w *workshop) order(c orderCase, seed uint64) (string, error) {
	const batch = 2 * time.Second // logcollector.loop_timeout
	a, err := w.watcher(func(cfg *agent.Config) { cfg.Disorder = seed })
	if err != nil {
		return "", err
	}
	defer a.Stop()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	gap, sinceBatch, batches := time.Duration(c.GapMS*float64(time.Millisecond)), time.Duration(0), 1
	for i := range c.Lines {
		if err := a.write(fmt.Sprintf("%d\n", i)); err != nil {
			return "", err
		}
		// The recorded lines were so far apart; what matters is which of them are in one batch.
		if sinceBatch += gap; sinceBatch >= batch {
			sinceBatch = 0
			batches++
			if err := a.Collect(ctx); err != nil {
				return "", fmt.Errorf("let the agent read: %w", err)
			}
		}
	}
	if err := a.Collect(ctx); err != nil {
		return "", fmt.Errorf("let the agent read: %w", err)
	}
	seen, backward, last := map[int]bool{}, 0, -1
	for _, frame := range a.frames() {
		var n int
		_, text, _ := strings.Cut(frame, watched+":")
		if _, err := fmt.Sscan(strings.TrimRight(text, "\x00"), &n); err != nil {
			return "", fmt.Errorf("read a frame: %w", err)
		}
		if seen[n] = true; n < last {
			backward++
		}
		last = n
	}
	const most = 3
	want := []string{fmt.Sprint(c.Alerts, " alerts"), fmt.Sprint("out of order ", c.StepsBackward > 0)}
	got := []string{fmt.Sprint(len(seen), " alerts"), fmt.Sprint("out of order ", backward > 0)}
	if backward > most*batches {
		got = append(got, fmt.Sprintf("%d steps backward", backward))
	}
	return linesDiff("order", want, got), nil
}
