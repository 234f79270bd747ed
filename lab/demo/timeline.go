package demo

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// Event is one line of the timeline.
type Event struct {
	At   time.Time `json:"at"`
	Kind string    `json:"kind"`
	Text string    `json:"text"`
}

// The kinds of events.
const (
	KindStage    = "stage"    // something was set up
	KindVault    = "vault"    // what somebody did at Vault, and what Vault says
	KindAlert    = "alert"    // Wazuh raised an alert
	KindIdentity = "identity" // the product says who it was
	KindDecision = "decision" // the product decided
	KindResponse = "response" // an agent was told, or reported
	KindSeal     = "seal"     // what Vault says of its seal
)

// Timeline is what build/demo/timeline.json holds. Nothing in it is computed from what ought to have happened.
type Timeline struct {
	Mode       Mode       `json:"mode"`
	SealStatus SealStatus `json:"seal_status"`
	Events     []Event    `json:"events"`
	Decision   Decision   `json:"decision"`
	Identity   Identity   `json:"identity"`
	// Alerts counts alerts by rule id.
	Alerts map[string]int `json:"alerts"`
	// TimeToSealMS is from the tenth read's audit record to the first answer of Vault's that says sealed; absent where it was not sealed.
	TimeToSealMS *int64 `json:"time_to_seal_ms,omitempty"`
}

// SealStatus holds what Vault answered to sys/seal-status, as it was.
type SealStatus struct {
	Before json.RawMessage `json:"before"`
	After  json.RawMessage `json:"after"`
}

// Decision is what the product's event about the exfiltration says.
type Decision struct {
	Action  string   `json:"action"`
	Wanted  string   `json:"wanted"`
	Rule    string   `json:"rule"`
	Reasons []string `json:"reasons"`
	Held    []string `json:"held"`
}

// Identity is what that event says of the actor.
type Identity struct {
	Name       string   `json:"name"`
	Entity     string   `json:"entity"`
	Policies   []string `json:"policies"`
	Accessor   string   `json:"accessor"`
	Confidence string   `json:"confidence"`
}

// teller writes the timeline and prints it as it goes. It may be used by several goroutines.
type teller struct {
	out    io.Writer
	colour bool
	began  time.Time

	mu       sync.Mutex
	timeline Timeline
}

func newTeller(out io.Writer, mode Mode) *teller {
	return &teller{
		out: out, colour: isTerminal(out), began: time.Now(),
		timeline: Timeline{Mode: mode, Events: []Event{}, Alerts: make(map[string]int)},
	}
}

func isTerminal(out io.Writer) bool {
	file, ok := out.(*os.File)
	if !ok || os.Getenv("NO_COLOR") != "" {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

var colours = map[string]string{
	KindStage: "90", KindVault: "37", KindAlert: "33", KindIdentity: "36", KindDecision: "35", KindResponse: "34", KindSeal: "1;31",
}

func (t *teller) tell(kind, format string, args ...any) {
	t.tellAt(time.Now(), kind, format, args...)
}

func (t *teller) tellAt(at time.Time, kind, format string, args ...any) {
	event := Event{At: at, Kind: kind, Text: fmt.Sprintf(format, args...)}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.timeline.Events = append(t.timeline.Events, event)
	label := fmt.Sprintf("%-9s", kind)
	if t.colour {
		label = "\x1b[" + colours[kind] + "m" + label + "\x1b[0m"
	}
	fmt.Fprintf(t.out, "%7.2fs  %s %s\n", at.Sub(t.began).Seconds(), label, event.Text)
}

func (t *teller) change(f func(*Timeline)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f(&t.timeline)
}

func (t *teller) write(path string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	text, err := json.MarshalIndent(t.timeline, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the timeline: %w", err)
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}
