package main

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// TestTheHookLinksTheStandardLibraryAndTheJournalOnly holds the hook to what it may import, and
// keeps out those parts of the standard library that would be paid for at every start or that let
// it do what it must not.
func TestTheHookLinksTheStandardLibraryAndTheJournalOnly(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("go", "list", "-deps", "-f", "{{.Standard}} {{.ImportPath}}", ".").CombinedOutput()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, out)
	}
	heavy := []string{"net", "net/http", "fmt", "encoding/json", "reflect", "os/exec", "os/signal", "log", "flag", "regexp", "context"}
	var own []string
	for line := range strings.Lines(string(out)) {
		standard, name, _ := strings.Cut(strings.TrimSpace(line), " ")
		if standard != "true" {
			own = append(own, name)
		} else if slices.Contains(heavy, name) {
			t.Errorf("it links %s", name)
		}
	}
	if want := []string{"custom-vault/internal/journal", "custom-vault/integrations/custom-vault"}; !slices.Equal(own, want) {
		t.Errorf("beside the standard library it links %v, want %v", own, want)
	}
}
