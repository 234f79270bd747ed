// Package oracle holds the lab to recordings of real Wazuh daemons. It replays what was sent to a
// daemon against the lab's stand-in for it and compares what came out, whole lines at a time,
// except for fields that each kind lists and justifies.
//
// It imports the lab's packages and nothing of the product. It must not know any answer: what a
// recording expects is read from the recording only, and a Mutator changes inputs and
// expectations alike to show that.
package oracle

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Kind is one kind of recording: a folder of that name, and how to replay it.
type Kind struct {
	Name string
	// Run replays the recordings in dir. Differences go to the report; an error is what kept
	// it from comparing at all. A nil Mutator changes nothing.
	Run func(dir string, m *Mutator, report *Report) error
}

// Options says what to replay.
type Options struct {
	// Cases is the folder of recordings, with a folder for each kind.
	Cases string
	// Vault holds the audit logs that vault-passes refer to; empty for ../vault beside Cases or, if
	// that is not there, vault within.
	Vault string
	// Mutate changes inputs and expectations with MutateSeed.
	Mutate     bool
	MutateSeed int64
}

// Kinds lists all kinds of recordings, in the order in which they run.
func Kinds(opt Options) []Kind {
	vault := opt.Vault
	if vault == "" {
		vault = filepath.Join(opt.Cases, "..", "vault")
		if _, err := os.Stat(vault); errors.Is(err, fs.ErrNotExist) {
			vault = filepath.Join(opt.Cases, "vault")
		}
	}
	return []Kind{
		{Name: "engine", Run: runEngine},
		{Name: "vault-passes", Run: vaultPasses(vault)},
		{Name: "integratord", Run: runIntegratord},
		{Name: "execd", Run: runExecd},
		{Name: "queue", Run: runQueue},
		{Name: "api", Run: runAPI},
	}
}

// Run replays every kind that the folder has and writes differences and counts to w. It reports
// whether everything agreed.
func Run(opt Options, w io.Writer) (agreed bool, err error) {
	var m *Mutator
	if opt.Mutate {
		m = NewMutator(opt.MutateSeed)
	}
	total := Report{}
	seen := false
	var failures []error
	for _, kind := range Kinds(opt) {
		dir := filepath.Join(opt.Cases, kind.Name)
		if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		seen = true
		report := &Report{out: w, kind: kind.Name}
		// What cannot be read ends this kind only. What it compared before counts.
		if err := kind.Run(dir, m, report); err != nil {
			failures = append(failures, fmt.Errorf("replay %s: %w", dir, err))
			fmt.Fprintf(w, "%s could not be replayed to its end: %v\n", kind.Name, err)
		}
		fmt.Fprintf(w, "%s: agree %d of %d\n", kind.Name, report.agree, report.agree+report.differ)
		total.agree += report.agree
		total.differ += report.differ
		total.uncompared = append(total.uncompared, report.uncompared...)
	}
	if !seen {
		return false, fmt.Errorf("no recordings in %s: it has none of the folders engine, vault-passes, integratord, execd, queue, api", opt.Cases)
	}
	if len(total.uncompared) > 0 {
		fmt.Fprintf(w, "not compared: %d\n", len(total.uncompared))
		for _, line := range total.uncompared {
			fmt.Fprintf(w, "  %s\n", line)
		}
	}
	fmt.Fprintf(w, "agree %d of %d\n", total.agree, total.agree+total.differ)
	return total.differ == 0 && len(failures) == 0, errors.Join(failures...)
}

// Report counts cases and prints differences.
type Report struct {
	out           io.Writer
	kind          string
	agree, differ int
	uncompared    []string
}

// Agree counts a case whose outcome is the recorded one.
func (r *Report) Agree(string) { r.agree++ }

// Differ counts a case that comes out otherwise, and prints how.
func (r *Report) Differ(name, difference string) {
	r.differ++
	fmt.Fprintf(r.out, "%s %s differs:\n%s\n", r.kind, name, indent(difference))
}

// Uncompared names a case that cannot be compared, with the reason. It counts neither way.
func (r *Report) Uncompared(name, reason string) {
	r.uncompared = append(r.uncompared, fmt.Sprintf("%s %s: %s", r.kind, name, reason))
}

// settle counts a case by its difference, or names it if there is a reason not to compare.
func (r *Report) settle(name, difference, reason string) {
	switch {
	case reason != "":
		r.Uncompared(name, reason)
	case difference != "":
		r.Differ(name, difference)
	default:
		r.Agree(name)
	}
}
