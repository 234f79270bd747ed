package torture

import (
	"bytes"
	"context"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// short is a run of some seconds: everything happens, but not often.
func short(t *testing.T, seed uint64) Options {
	t.Helper()
	return Options{
		// SeenWithin is long because an echo may be, where other tests run beside this one.
		Seed: seed, Time: 12 * time.Second, Kills: 20, Hooks: 4, Share: 0.02, Rate: 15, SeenWithin: 30 * time.Second,
		Repository: filepath.Join("..", ".."), Dir: t.TempDir(),
	}
}

func TestNothingIsLostAndNothingIsDoneTwice(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
	defer cancel()
	var out bytes.Buffer
	o := short(t, rand.Uint64())
	o.Out = &out
	report, err := Run(ctx, o)
	report.Print(&out)
	if err != nil || len(report.Problems()) > 0 {
		t.Fatalf("%v\n%s", err, out.String())
	}
	if n := sum(report.Kills); n < o.Kills {
		t.Errorf("%d kills, %d were wanted", n, o.Kills)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if last := lines[len(lines)-1]; !strings.HasPrefix(last, "alerts ") || !strings.HasSuffix(last, "responses twice 0") {
		t.Errorf("the last line is %q", last)
	}
}
