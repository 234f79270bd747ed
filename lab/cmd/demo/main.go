// Command demo plays bob's story on a real Vault with the lab's Wazuh and the real product, and proves how it ends.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"custom-vault/lab/demo"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}

func run(ctx context.Context, args []string) int {
	flags := flag.NewFlagSet("demo", flag.ContinueOnError)
	mode := flags.String("mode", string(demo.Seal), "seal: arm what the published article arms; observe: arm nothing")
	keep := flags.Bool("keep", false, "leave everything running afterwards, until Ctrl-C")
	repository := flags.String("repository", ".", "root of the checkout, with build/bin in it")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	if *mode != string(demo.Seal) && *mode != string(demo.Observe) {
		fmt.Fprintf(os.Stderr, "demo: MODE is %q, it can be %s or %s\n", *mode, demo.Seal, demo.Observe)
		return 2
	}
	err := demo.Run(ctx, demo.Options{Mode: demo.Mode(*mode), Keep: *keep, Repository: *repository, Out: os.Stdout})
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo: FAILED:", err)
		return 1
	}
	return 0
}
