// Command oracle replays recordings of real Wazuh daemons against the lab and says where the two
// agree. It exits with 0 if all compared cases agree, with 1 if some differ, with 2 if it could
// not compare.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"

	"custom-vault/lab/oracle"
)

func main() {
	// The lab's daemons start this very program as the probe that the recordings speak of.
	if code, isProbe := oracle.Probe(os.Args); isProbe {
		os.Exit(code)
	}
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

func run(args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("oracle", flag.ContinueOnError)
	flags.SetOutput(stderr)
	var opt oracle.Options
	flags.StringVar(&opt.Cases, "cases", "", "folder of recordings, with engine/, vault-passes/ and so on")
	flags.StringVar(&opt.Vault, "vault", "", "folder of Vault's audit logs (default: ../vault beside the recordings)")
	flags.Func("mutate", "seed for changes to inputs and expectations alike", func(s string) error {
		opt.Mutate = true
		_, err := fmt.Sscanf(s, "%d", &opt.MutateSeed)
		return err
	})
	if err := flags.Parse(args); err != nil {
		return 2
	}
	if opt.Cases == "" {
		fmt.Fprintln(stderr, "oracle: -cases is missing: name the folder of recordings")
		return 2
	}
	agreed, err := oracle.Run(opt, stdout)
	switch {
	case err != nil:
		fmt.Fprintln(stderr, "oracle:", err)
		return 2
	case !agreed:
		return 1
	}
	return 0
}
