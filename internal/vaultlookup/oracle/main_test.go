package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// unpack puts the recordings of testdata, which a real Vault wrote, into a folder.
func unpack(t *testing.T) string {
	t.Helper()
	packed, err := filepath.Glob("testdata/*.gz")
	if err != nil || len(packed) == 0 {
		t.Fatal(packed, err)
	}
	dir := t.TempDir()
	for _, path := range packed {
		file, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		content, err := gzip.NewReader(file)
		if err != nil {
			t.Fatal(err)
		}
		all, err := io.ReadAll(content)
		if err != nil {
			t.Fatal(err)
		}
		if err := file.Close(); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, strings.TrimSuffix(filepath.Base(path), ".gz")), all, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestResolverAgreesWithRecordings(t *testing.T) {
	t.Parallel()
	var out, errs bytes.Buffer
	if code := run([]string{"-v", "-cases", unpack(t)}, &out, &errs); code != 0 {
		t.Errorf("exit code %d: %s%s", code, &out, &errs)
	}
}

func TestShuffledAnswersAreNoticed(t *testing.T) {
	t.Parallel()
	var out, errs bytes.Buffer
	if code := run([]string{"-shuffle", "-cases", unpack(t)}, &out, &errs); code != 1 {
		t.Errorf("exit code %d: %s%s", code, &out, &errs)
	}
	var agreed, asked int
	if _, err := fmt.Sscanf(out.String(), "agree %d of %d", &agreed, &asked); err != nil || asked < 200 || agreed > asked/10 {
		t.Errorf("%s", &out)
	}
}

func TestNoRecordingsIsNoAgreement(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{}, {"-cases", t.TempDir()}, {"-nonsense"}} {
		if code := run(args, io.Discard, io.Discard); code != 2 {
			t.Errorf("%v: exit code %d", args, code)
		}
	}
}
