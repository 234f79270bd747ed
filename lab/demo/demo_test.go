package demo

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// playFor runs the demo as make demo does, in a folder of the test's own, and returns what it left.
func playFor(t *testing.T, mode Mode) Timeline {
	t.Helper()
	dir := t.TempDir()
	var out bytes.Buffer
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
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

// KEEP=1 is for people who look for themselves: what they are told of is there, and the end of ctx, which is Ctrl-C,
// ends everything.
func TestWhatIsKeptCanBeLookedAtUntilItIsEnded(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ctx, end := context.WithTimeout(t.Context(), 10*time.Minute)
	defer end()
	kept := make(chan string, 1)
	ended := make(chan error, 1)
	go func() {
		ended <- Run(ctx, Options{Mode: Observe, Keep: true, Repository: filepath.Join("..", ".."), Dir: dir, Out: forText("Ctrl-C", kept)})
	}()
	var told string
	select {
	case told = <-kept:
	case err := <-ended:
		t.Fatalf("ended by itself: %v", err)
	}
	var timeline Timeline
	if text, err := os.ReadFile(filepath.Join(dir, "timeline.json")); err != nil || json.Unmarshal(text, &timeline) != nil || timeline.Identity.Name != "bob" {
		t.Errorf("the timeline while all is running: %v\n%s", err, text)
	}
	command := regexp.MustCompile(`curl --cacert (\S+) (https://\S+)`).FindStringSubmatch(told)
	if command == nil {
		t.Fatalf("no command to ask vault with in %q", told)
	}
	if answer, err := get(t, command[1], command[2]); err != nil || !strings.Contains(answer, `"sealed":false`) {
		t.Errorf("vault says %q, %v", answer, err)
	}
	end()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if _, err := get(t, command[1], command[2]); err == nil {
		t.Error("vault still runs")
	}
}

// forText is a writer that hands over the first text that is written with a mark in it.
func forText(mark string, found chan<- string) io.Writer {
	return writerFunc(func(p []byte) (int, error) {
		if strings.Contains(string(p), mark) {
			found <- string(p)
		}
		return len(p), nil
	})
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func get(t *testing.T, ca, url string) (string, error) {
	t.Helper()
	pem, err := os.ReadFile(ca)
	if err != nil {
		return "", err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	client := http.Client{Timeout: time.Minute, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, DisableKeepAlives: true}}
	answer, err := client.Get(url)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	return string(body), err
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
