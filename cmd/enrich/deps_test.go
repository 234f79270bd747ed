package main

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// dependency is a package that is built into another one.
type dependency struct {
	path     string
	standard bool
	imports  []string
}

func dependencies(t *testing.T, packages ...string) map[string]dependency {
	t.Helper()
	args := append([]string{"list", "-deps", "-f", `{{.ImportPath}} {{.Standard}} {{join .Imports ","}}`}, packages...)
	out, err := exec.CommandContext(t.Context(), "go", args...).Output()
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]dependency)
	for line := range strings.Lines(string(out)) {
		fields := strings.Split(strings.TrimSuffix(line, "\n"), " ")
		all[fields[0]] = dependency{fields[0], fields[1] == "true", strings.Split(fields[2], ",")}
	}
	return all
}

// The four libraries that the daemon is built on are used by its own packages, not just linked.
func TestEnrichUsesWhatItIsBuiltOn(t *testing.T) {
	t.Parallel()
	for library, user := range map[string]string{
		"github.com/go-resty/resty/v2":   "custom-vault/internal/wazuhapi",
		"github.com/tidwall/gjson":       "custom-vault/internal/alert",
		"github.com/hashicorp/vault/api": "custom-vault/internal/vaultclient",
		"github.com/sirupsen/logrus":     "custom-vault/cmd/enrich",
	} {
		all := dependencies(t, ".")
		if _, built := all[library]; !built || !slices.Contains(all[user].imports, library) {
			t.Errorf("%s is not imported by %s", library, user)
		}
	}
}

// The packages that decide can touch nothing: what they are built from opens no file, no socket and no process. (fmt
// has package os inside; nobody else may.)
func TestDecidingPackagesReachNothing(t *testing.T) {
	t.Parallel()
	all := dependencies(t, "../../internal/alert", "../../internal/identity", "../../internal/observe",
		"../../internal/incident", "../../internal/escalation", "../../internal/event")
	for _, forbidden := range []string{"net", "net/http", "os/exec", "os/signal", "database/sql", "crypto/rand", "math/rand", "math/rand/v2"} {
		if _, reached := all[forbidden]; reached {
			t.Errorf("they reach %s", forbidden)
		}
	}
	for _, d := range all {
		for _, forbidden := range []string{"os", "syscall", "golang.org/x/sys/unix", "io/fs", "path/filepath"} {
			if !d.standard && slices.Contains(d.imports, forbidden) {
				t.Errorf("%s imports %s", d.path, forbidden)
			}
		}
	}
}
