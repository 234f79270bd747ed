package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"custom-vault/lab/testbed"
)

func TestTellsWhereEverythingIsAndEndsWithItsContext(t *testing.T) {
	t.Parallel()
	home, rules := testbed.Home(t), t.TempDir()
	for path, text := range map[string]string{
		"decoders/a.xml": `<decoder name="unused"><program_name>^unused$</program_name></decoder>`,
		"rules/a.xml":    `<group name="x,"><rule id="200000" level="0"><decoded_as>unused</decoded_as><description>x</description></rule></group>`,
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(rules, path)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(rules, path), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	var stderr bytes.Buffer
	stdout := lines(make(chan string, 20))
	done := make(chan int)
	go func() {
		done <- run(ctx, []string{"-home", home, "-rules", rules, "-api", "127.0.0.1:0"}, stdout, &stderr)
	}()
	select {
	case first := <-stdout:
		if !strings.Contains(first, "https://localhost:") {
			t.Errorf("said %q", first)
		}
	case code := <-done:
		t.Fatalf("ended with %d: %s", code, stderr.String())
	}
	cancel()
	if code := <-done; code != 0 {
		t.Errorf("ended with %d: %s", code, stderr.String())
	}
}

// lines is a writer that hands on what is written.
type lines chan string

func (l lines) Write(p []byte) (int, error) {
	l <- string(p)
	return len(p), nil
}

func TestWrongUsageIsTwo(t *testing.T) {
	t.Parallel()
	var out, err bytes.Buffer
	if code := run(t.Context(), []string{"-home", t.TempDir()}, &out, &err); code != 2 || !strings.Contains(err.String(), "-rules") {
		t.Errorf("%d: %s", code, err.String())
	}
}
