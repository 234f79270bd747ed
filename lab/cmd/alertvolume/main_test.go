package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const packDir = "../../../ossec-snippets"

func TestVolumeOfALog(t *testing.T) {
	t.Parallel()
	log := filepath.Join(t.TempDir(), "operational.log")
	const lines = "2026-11-24T15:30:56.164Z [INFO]  core: disabled audit backend: path=second/\n2026-11-24T15:30:56.283Z [INFO]  core: loaded wrapping token key\n"
	if err := os.WriteFile(log, []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	if code := run([]string{packDir, log}, &stdout, &stderr); code != 0 {
		t.Fatalf("exit code %d: %s", code, &stderr)
	}
	got := stdout.String()
	for _, want := range []string{"2 lines; alerts per 1,000: level 3+ 1000, 7+ 500.0, 10+ 500.0, 12+ 500.0\n", "     1  rule 100701, level 14: "} {
		if !strings.Contains(got, want) {
			t.Errorf("want %q in:\n%s", want, got)
		}
	}
	if strings.Contains(got, "rule 100602") {
		t.Errorf("a rule below the notable level is listed:\n%s", got)
	}
}

func TestWrongUse(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		args []string
		code int
	}{
		"no log":       {[]string{packDir}, 2},
		"unknown flag": {[]string{"-x", packDir, "a"}, 2},
		"no such log":  {[]string{packDir, filepath.Join(t.TempDir(), "none")}, 1},
		"no such pack": {[]string{filepath.Join(t.TempDir(), "none"), "a"}, 1},
	} {
		var stdout, stderr bytes.Buffer
		if code := run(test.args, &stdout, &stderr); code != test.code || stderr.Len() == 0 {
			t.Errorf("%s: exit code %d, want %d; stderr %q", name, code, test.code, &stderr)
		}
	}
}
