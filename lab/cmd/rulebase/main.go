// Command rulebase copies the rule pack with the detections' ids (100700 to 100899) moved as a block, for
// managers where those ids are taken. The ids below stay: 100600 to 100659 are what the published
// integration and the daemon's configuration name.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// The block of ids that moves.
const (
	firstID  = 100700
	blockLen = 200
)

// The ids that a block must keep clear of: Wazuh's own, and the ones that stay.
const (
	lowestFree  = 100000
	highestFree = 999999 // analysisd reads 6 digits (rules.c:2258)
	keptFrom    = 100600
	keptTo      = 100699
)

const usage = `usage: rulebase -base ID FROM TO

Copies the folder FROM (such as ossec-snippets) to TO, which must not exist, with rule 100700 as ID, 100701 as ID+1,
and so on, in rules, in the rules that refer to them, and in tests.
`

func main() { os.Exit(run(os.Args[1:], os.Stderr)) }

// run returns the exit code: 0 done, 1 failed, 2 wrong usage.
func run(args []string, stderr io.Writer) int {
	flags := flag.NewFlagSet("rulebase", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() { _, _ = io.WriteString(stderr, usage) } // nobody can be told that stderr is broken
	base := flags.Int("base", firstID, "the `id` that 100700 becomes")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return 2
	}
	if flags.NArg() != 2 {
		flags.Usage()
		return 2
	}
	if err := checkBase(*base); err != nil {
		_, _ = fmt.Fprintln(stderr, "rulebase:", err)
		return 2
	}
	if err := move(flags.Arg(0), flags.Arg(1), *base); err != nil {
		_, _ = fmt.Fprintln(stderr, "rulebase:", err)
		return 1
	}
	return 0
}

func checkBase(base int) error {
	last := base + blockLen - 1
	if base < lowestFree || last > highestFree {
		return fmt.Errorf("ids %d to %d are not all between %d and %d", base, last, lowestFree, highestFree)
	}
	if base <= keptTo && last >= keptFrom {
		return fmt.Errorf("ids %d to %d overlap %d to %d, which stay where they are", base, last, keptFrom, keptTo)
	}
	return nil
}

// move copies the folder and rewrites what holds ids.
func move(from, to string, base int) error {
	if err := os.Mkdir(to, 0o755); err != nil {
		return fmt.Errorf("make the folder for the moved rules: %w", err)
	}
	return filepath.WalkDir(from, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || name == from {
			return err
		}
		inside, err := filepath.Rel(from, name)
		if err != nil {
			return err
		}
		target := filepath.Join(to, inside)
		if entry.IsDir() {
			return os.Mkdir(target, 0o755)
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		switch folder := filepath.Dir(inside); {
		case folder == "rules" && filepath.Ext(name) == ".xml":
			data = []byte(moveIDs(string(data), base))
		case folder == "tests" && filepath.Ext(name) == ".ini":
			data = []byte(moveTest(string(data), base))
		}
		return os.WriteFile(target, data, 0o644)
	})
}

// id is a number of the block that is no part of a longer one.
var id = regexp.MustCompile(`\b100[78]\d\d\b`)

func moveIDs(text string, base int) string {
	return id.ReplaceAllStringFunc(text, func(found string) string {
		n, err := strconv.Atoi(found)
		if err != nil {
			return found // cannot be: the pattern has digits only
		}
		return strconv.Itoa(n - firstID + base)
	})
}

// moveTest leaves logs as they are: a number in a record is no rule.
func moveTest(text string, base int) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, "rule = ") || strings.HasPrefix(line, ";") {
			lines[i] = moveIDs(line, base)
		}
	}
	return strings.Join(lines, "\n")
}
