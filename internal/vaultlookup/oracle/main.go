// Command oracle holds the resolver to recorded audit logs of which it is known who really acted. The resolver gets
// each record as an alert, and a fake Vault that knows the tokens of the recording; only the comparer reads who it
// was. It prints "agree N of M" and, with -v, each record on which they differ.
//
//	oracle -cases DIR    reads NAME.*.log with NAME.truth.json
//	oracle -cases DIR -shuffle    the fake answers about each token with what another is: agreement must be lost on
//	                              all records in which Vault's answers tell of somebody, and only these are counted
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run returns 0 when all agree, 1 when not, 2 when it cannot be told.
func run(args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("oracle", flag.ContinueOnError)
	flags.SetOutput(stderr)
	cases := flags.String("cases", "", "folder of recordings")
	shuffle := flags.Bool("shuffle", false, "answer about each token with what another one is")
	verbose := flags.Bool("v", false, "show each record on which they differ")
	if flags.Parse(args) != nil {
		return 2
	}
	truths, err := filepath.Glob(filepath.Join(*cases, "*.truth.json"))
	if err != nil || len(truths) == 0 || *cases == "" {
		_, _ = fmt.Fprintf(stderr, "oracle: no NAME.truth.json in %q\n", *cases)
		return 2
	}
	var sum score
	for _, path := range truths {
		found, err := judge(context.Background(), path, *shuffle)
		if err != nil {
			_, _ = fmt.Fprintf(stderr, "oracle: %v\n", err)
			return 2
		}
		name := strings.TrimSuffix(filepath.Base(path), ".truth.json")
		if *verbose {
			_, _ = fmt.Fprintf(stdout, "%-28s agree %d of %d\n", name, found.agreed, found.asked)
			for _, difference := range found.differences {
				_, _ = fmt.Fprintf(stdout, "  %s\n", difference)
			}
		}
		sum.agreed += found.agreed
		sum.asked += found.asked
		sum.recorded += found.recorded
	}
	if *shuffle {
		// Nobody is nobody whatever Vault answers, and of batch tokens the record alone tells.
		sum.agreed, sum.asked = sum.agreed-sum.recorded, sum.asked-sum.recorded
	}
	_, _ = fmt.Fprintf(stdout, "agree %d of %d\n", sum.agreed, sum.asked)
	if sum.agreed != sum.asked || sum.asked == 0 {
		return 1
	}
	return 0
}
