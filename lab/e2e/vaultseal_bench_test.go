package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// BenchmarkSeal measures from exec to exit, with a real Vault sealed in between: the product's vault-seal, and beside
// it, alternating with it, a bare Go program that does one PUT and one GET. Vault's own part is in both.
func BenchmarkSeal(b *testing.B) {
	h := newSealHost(b)
	bare := filepath.Join(b.TempDir(), "bareseal")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", bare, "./testdata/bareseal")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, output)
	}
	product := vaultSealBinary(b)
	var ours, theirs time.Duration
	for round := 1; b.Loop(); round++ {
		// A plan of its own for each round: one that was obeyed before is not obeyed again.
		order := strings.Replace(sealOrder, "%s", fmt.Sprintf("plan-%d", round), 1)
		ours += h.timed(b, order, product, "-config", h.config)
		theirs += h.timed(b, "", bare, h.vault.Address(), h.vault.CAFile(), filepath.Join(h.home, "token"))
	}
	n := time.Duration(b.N)
	b.ReportMetric(0, "ns/op") // of both together: means nothing
	b.ReportMetric(float64((ours/n).Microseconds())/1000, "ms/vault-seal")
	b.ReportMetric(float64((theirs/n).Microseconds())/1000, "ms/bare")
	b.ReportMetric(float64(ours)/float64(theirs), "ratio")
}

// timed runs a program that seals the Vault, and unseals it again.
func (h *sealHost) timed(b *testing.B, input, program string, args ...string) time.Duration {
	b.Helper()
	cmd := exec.CommandContext(b.Context(), program, args...)
	cmd.Dir, cmd.Env, cmd.Stdin = h.home, []string{}, strings.NewReader(input)
	start := time.Now()
	if err := cmd.Run(); err != nil {
		b.Fatalf("%s: %v", program, err)
	}
	took := time.Since(start)
	h.wantSealed(b, true)
	fatalIf(b, h.vault.Unseal(b.Context()))
	fatalIf(b, h.vault.WaitActive(b.Context()))
	return took
}
