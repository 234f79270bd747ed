// Command alertvolume says how many alerts a rule pack raises per 1,000 lines of Vault's logs, and
// which of its rules raise them. It runs the lab's analysisd and changes nothing.
package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"

	"custom-vault/lab/snippets"
)

const usage = `usage: alertvolume [-notable LEVEL] PACK LOG…

PACK is a folder with decoders/ and rules/, such as ossec-snippets. A LOG is an audit or operational log, as it
is or gzipped; lines of a file with "operational" in its name get a syslog header.
`

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run returns the exit code: 0 done, 1 failed, 2 wrong usage.
func run(args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("alertvolume", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() { _, _ = io.WriteString(stderr, usage) } // nobody can be told that stderr is broken
	notable := flags.Int("notable", 7, "list the rules from this `level` on")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return 2
	}
	if flags.NArg() < 2 {
		flags.Usage()
		return 2
	}
	if err := report(stdout, flags.Arg(0), flags.Args()[1:], *notable); err != nil {
		_, _ = fmt.Fprintln(stderr, "alertvolume:", err)
		return 1
	}
	return 0
}

func report(w io.Writer, pack string, logs []string, notable int) error {
	manager, err := snippets.NewManager(os.DirFS(pack))
	if err != nil {
		return err
	}
	rules, err := snippets.ReadPack(os.DirFS(pack))
	if err != nil {
		return err
	}
	var all snippets.Tally
	for _, name := range logs {
		tally, err := manager.ReplayFile(name)
		if err != nil {
			return err
		}
		all.Add(tally)
	}
	_, err = fmt.Fprintf(w, "%d lines; alerts per 1,000: level 3+ %.0f, 7+ %.1f, 10+ %.1f, 12+ %.1f\n",
		all.Lines, all.PerThousand(3), all.PerThousand(7), all.PerThousand(10), all.PerThousand(12))
	byCount := func(a, b int) int { return cmp.Or(cmp.Compare(all.ByRule[b], all.ByRule[a]), cmp.Compare(a, b)) }
	for _, id := range slices.SortedFunc(maps.Keys(all.ByRule), byCount) {
		r, _ := rules.Rule(id)
		if err == nil && r.Level >= notable {
			_, err = fmt.Fprintf(w, "%6d  rule %d, level %d: %s\n", all.ByRule[id], id, r.Level, r.Description)
		}
	}
	return err
}
