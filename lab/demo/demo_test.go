package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// playFor runs the demo as make demo does, in a folder of the test's own, and returns what it left.
func playFor(t *testing.T, mode Mode) Timeline {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "demo")
	var out bytes.Buffer
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	err := Run(ctx, Options{Mode: mode, Repository: filepath.Join("..", ".."), Dir: dir, Out: &out})
	if err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	text, err := os.ReadFile(filepath.Join(dir, "timeline.json"))
	if err != nil {
		t.Fatal(err)
	}
	var timeline Timeline
	if err := json.Unmarshal(text, &timeline); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out.String(), "\x1b") {
		t.Error("colour was written to what is no terminal")
	}
	return timeline
}

func TestBobsStoryEndsWithASealedVault(t *testing.T) {
	t.Parallel()
	timeline := playFor(t, Seal)
	if sealed(timeline.SealStatus.Before) || !sealed(timeline.SealStatus.After) {
		t.Errorf("seal status before %s, after %s", timeline.SealStatus.Before, timeline.SealStatus.After)
	}
	if timeline.TimeToSealMS == nil || *timeline.TimeToSealMS <= 0 {
		t.Errorf("time to seal %v", timeline.TimeToSealMS)
	}
	if d := timeline.Decision; d.Action != "seal" || d.Rule != "article-exfiltration" || len(d.Reasons) == 0 || len(d.Held) != 0 {
		t.Errorf("decision %+v", d)
	}
	for _, rule := range []string{"100611", "100613", "100617", "100621"} {
		if timeline.Alerts[rule] == 0 {
			t.Errorf("no alert of rule %s: %v", rule, timeline.Alerts)
		}
	}
}

func TestObserveModeDecidesAndDoesNothing(t *testing.T) {
	t.Parallel()
	timeline := playFor(t, Observe)
	if sealed(timeline.SealStatus.After) || timeline.TimeToSealMS != nil {
		t.Errorf("seal status %s, time to seal %v", timeline.SealStatus.After, timeline.TimeToSealMS)
	}
	if d := timeline.Decision; d.Action != "notify" || d.Wanted != "seal" || len(d.Held) != 1 || !strings.HasPrefix(d.Held[0], "mode: ") {
		t.Errorf("decision %+v", d)
	}
}
