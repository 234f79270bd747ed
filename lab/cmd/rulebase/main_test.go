package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"custom-vault/lab/snippets"
)

const packDir = "../../../ossec-snippets"

func TestMovedRulesFireAsBefore(t *testing.T) {
	t.Parallel()
	moved := filepath.Join(t.TempDir(), "moved")
	var stderr bytes.Buffer
	if code := run([]string{"-base", "117000", packDir, moved}, &stderr); code != 0 {
		t.Fatalf("exit code %d: %s", code, &stderr)
	}
	before, after := read(t, packDir), read(t, moved)
	if len(after.Rules) != len(before.Rules) {
		t.Fatalf("%d rules, moved %d", len(before.Rules), len(after.Rules))
	}
	for i, r := range before.Rules {
		if want := movedID(r.ID); after.Rules[i].ID != want {
			t.Errorf("rule %d became %d, want %d", r.ID, after.Rules[i].ID, want)
		}
		for j, parent := range r.Parents() {
			if got := after.Rules[i].Parents()[j]; got != movedID(parent) {
				t.Errorf("rule %d: parent %d became %d", r.ID, parent, got)
			}
		}
	}
	cases, err := after.Cases()
	if err != nil {
		t.Fatal(err)
	}
	manager, err := snippets.NewManager(os.DirFS(moved))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		if wrong := manager.Check(c); wrong != "" {
			t.Errorf("%s: %s", c.Name(), wrong)
		}
	}
	if !slices.ContainsFunc(cases, func(c snippets.Case) bool { return c.Must && c.Rule == 117000 }) {
		t.Error("no case fires the first moved rule")
	}
}

func movedID(id int) int {
	if id >= 100700 && id < 100900 {
		return id - 100700 + 117000
	}
	return id
}

func read(t *testing.T, dir string) *snippets.Pack {
	t.Helper()
	p, err := snippets.ReadPack(os.DirFS(dir))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestLogsKeepTheirNumbers(t *testing.T) {
	t.Parallel()
	const test = "; rule 100701\n[one]\nlog 1 pass = {\"port\":100701}\nrule = 100701\nalert = 3\ndecoder = json\n"
	want := strings.NewReplacer("rule 100701", "rule 110701", "rule = 100701", "rule = 110701").Replace(test)
	if got := moveTest(test, 110700); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestWrongUse(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, test := range map[string]struct {
		args []string
		code int
	}{
		"no folders":        {nil, 2},
		"Wazuh's own ids":   {[]string{"-base", "5500", packDir, filepath.Join(dir, "a")}, 2},
		"seven digits":      {[]string{"-base", "999900", packDir, filepath.Join(dir, "b")}, 2},
		"over the base ids": {[]string{"-base", "100500", packDir, filepath.Join(dir, "c")}, 2},
		"target is there":   {[]string{"-base", "110000", packDir, dir}, 1},
		"no such pack":      {[]string{"-base", "110000", filepath.Join(dir, "none"), filepath.Join(dir, "d")}, 1},
	} {
		var stderr bytes.Buffer
		if code := run(test.args, &stderr); code != test.code || stderr.Len() == 0 {
			t.Errorf("%s: exit code %d, want %d; stderr %q", name, code, test.code, &stderr)
		}
	}
}
