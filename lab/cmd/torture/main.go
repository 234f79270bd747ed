// Command torture kills the product, breaks what it stands on, and says whether anything was lost or done twice.
package main

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"custom-vault/lab/torture"
)

// A whole run.
const (
	wholeMinutes = 10
	wholeKills   = 300
	wholeHooks   = 50
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}

func run(ctx context.Context, args []string) int {
	flags := flag.NewFlagSet("torture", flag.ContinueOnError)
	seed := flags.Uint64("seed", 0, "of all that is random; 0 draws one")
	minutes := flags.Float64("minutes", wholeMinutes, "how long; fewer than 10 make everything happen less often")
	breaking := flags.String("break", "", "dedupe, bookmark or torn: take that out of the product first, to see that it is noticed")
	seenWithin := flags.Duration("seen-within", 20*time.Second, "publish.seen_within of the configuration")
	repository := flags.String("repository", ".", "root of the checkout, with build/bin in it")
	dir := flags.String("dir", "", "folder of the run; empty: build/torture of the checkout")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	if *seed == 0 {
		*seed = rand.Uint64()
	}
	if *dir == "" {
		*dir = filepath.Join(*repository, "build", "torture")
	}
	share := *minutes / wholeMinutes
	path, err := filepath.Abs(*dir)
	if err != nil {
		fmt.Fprintln(os.Stderr, "torture:", err)
		return 2
	}
	fmt.Printf("torture: seed %d, %g minutes\n", *seed, *minutes)
	report, err := torture.Run(ctx, torture.Options{
		Seed: *seed, Time: time.Duration(*minutes * float64(time.Minute)), Kills: int(wholeKills * share), Hooks: int(wholeHooks * share), Share: share,
		Rate: 20, SeenWithin: *seenWithin, Break: *breaking, Repository: *repository, Dir: path, Full: share >= 1, Settle: 40 * time.Second, Out: os.Stdout,
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, "torture:", err)
		return 1
	}
	report.Print(os.Stdout)
	if len(report.Problems()) > 0 {
		return 1
	}
	return 0
}
