package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/sirupsen/logrus/hooks/test"

	"custom-vault/internal/screen"
)

func TestOurTokensAreKnownAfterARestartWithoutVault(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	log, said := test.NewNullLogger()
	before, err := loadOwnTokens(dir, false, log)
	if err != nil {
		t.Fatal(err)
	}
	before.with(screen.Self{Accessors: []string{"first"}, EntityIDs: []string{"entity"}})
	before.with(screen.Self{Accessors: []string{"second", "first"}, EntityIDs: []string{"entity"}}) // a login anew

	after, err := loadOwnTokens(dir, false, log)
	if err != nil {
		t.Fatal(err)
	}
	got := after.with(screen.Self{})
	if !slices.Equal(got.Accessors, []string{"first", "second"}) || !slices.Equal(got.EntityIDs, []string{"entity"}) {
		t.Errorf("known after the restart: %+v", got)
	}
	if info, err := os.Stat(filepath.Join(dir, "own-tokens.json")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file: %v, %v", info, err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 || len(said.AllEntries()) > 0 {
		t.Errorf("left behind: %v, %v; said %v", entries, err, said.AllEntries())
	}
}

func TestATrialWritesNothingOfOurTokens(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	log, _ := test.NewNullLogger()
	own, err := loadOwnTokens(dir, true, log)
	if err != nil {
		t.Fatal(err)
	}
	if got := own.with(screen.Self{Accessors: []string{"a"}}); !slices.Equal(got.Accessors, []string{"a"}) {
		t.Errorf("known: %+v", got)
	}
	if entries, _ := os.ReadDir(dir); len(entries) > 0 {
		t.Errorf("written: %v", entries)
	}
}

func TestTheOldestOfOurTokensAreForgotten(t *testing.T) {
	t.Parallel()
	log, _ := test.NewNullLogger()
	own, err := loadOwnTokens(t.TempDir(), true, log)
	if err != nil {
		t.Fatal(err)
	}
	for i := range maxOwnTokens + 2 {
		own.with(screen.Self{Accessors: []string{fmt.Sprint(i)}})
	}
	got := own.with(screen.Self{}).Accessors
	if len(got) != maxOwnTokens || got[0] != "2" {
		t.Errorf("%d are known, the oldest is %s", len(got), got[0])
	}
}

func TestADamagedFileOfOurTokensIsNotPassedOver(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "own-tokens.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	log, _ := test.NewNullLogger()
	if _, err := loadOwnTokens(dir, false, log); err == nil {
		t.Error("taken")
	}
}

func TestAFolderThatCannotBeWrittenIsToldAndTheTokensAreStillOurs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	log, said := test.NewNullLogger()
	own, err := loadOwnTokens(dir, false, log)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	if got := own.with(screen.Self{Accessors: []string{"a"}}); !slices.Equal(got.Accessors, []string{"a"}) {
		t.Errorf("known: %+v", got)
	}
	if len(said.AllEntries()) != 1 {
		t.Errorf("said %v", said.AllEntries())
	}
}
