package torture

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	"custom-vault/lab/site"
	"custom-vault/lab/vault"
)

// Report is what the receivers saw.
type Report struct {
	Seed    uint64
	Kills   map[string]int // of serve, by stage
	Hooks   map[string]int // kills of the hook, by stage
	Ills    map[string]int
	Skipped []string // what could not be done here

	Alerts    int // of group vault that analysisd wrote, less those destroyed
	Seen      int // of these, how many came back as an event
	Destroyed int // by truncations, before anybody had read them
	Events    int // of ours, of all kinds
	Repeats   int
	Excused   int // repeats of events whose echo was destroyed by a truncation
	Unknown   int // enriched events about no alert, as one would be that came again under another id
	OtherIDs  int // events that tell a step of a plan again under another id
	Loops     int // events of ours in group vault

	Plans int
	PlannedTwice,
	ObeyedTwice int
	Unanswered int // decided to seal, and neither plan nor reason why not
	Unfinished int // plans whose end was not told
	Orders     int
	Seals      int // of Vault, by its own audit log
	Intruders  int
	Gaps       int
	Faults     int

	Thefts, Sealed int // at the real Vault, and how many of them were answered by a seal

	Starts int      // of the daemon
	Ended  []string // how it ended when nobody had killed it
	Lost   []string // what is lost, for people

	full bool // a whole run: each stage must have been hit
}

// What a whole run must have done at least.
const (
	leastOfStage       = 10
	wholeHooks         = 50
	wholeIntegratord   = 20
	integratordsKilled = "integratord killed"
)

func sum(counts map[string]int) int {
	n := 0
	for _, c := range counts {
		n += c
	}
	return n
}

// Problems says what is not as it was promised.
func (r Report) Problems() []string {
	var problems []string
	check := func(bad bool, format string, args ...any) {
		if bad {
			problems = append(problems, fmt.Sprintf(format, args...))
		}
	}
	check(r.Alerts == 0, "there was no alert")
	check(r.Seen != r.Alerts, "%d alerts were lost", r.Alerts-r.Seen)
	check(r.Repeats > sum(r.Kills), "%d repeats for %d kills", r.Repeats, sum(r.Kills))
	check(r.Unknown > 0, "%d events are about no alert", r.Unknown)
	check(r.OtherIDs > 0, "%d events came again under other ids", r.OtherIDs)
	check(r.Loops > 0, "%d events of ours are in group vault", r.Loops)
	check(r.PlannedTwice > 0, "%d plans were started twice", r.PlannedTwice)
	check(r.ObeyedTwice > 0, "%d orders were obeyed twice", r.ObeyedTwice)
	check(r.Unanswered > 0, "%d decisions to seal led to nothing", r.Unanswered)
	check(r.Unfinished > 0, "%d plans did not end", r.Unfinished)
	check(r.Intruders > 0, "%d times an intruder was told of, and there was none", r.Intruders)
	if r.full {
		check(sum(r.Kills) < wholeKills, "only %d kills of the daemon", sum(r.Kills))
		check(sum(r.Hooks) < wholeHooks, "only %d kills of the hook", sum(r.Hooks))
		check(r.Ills[integratordsKilled] < wholeIntegratord, "only %d kills of integratord", r.Ills[integratordsKilled])
		for _, s := range stages() {
			check(r.Kills[s.name] < leastOfStage, "only %d kills at stage %q", r.Kills[s.name], s.name)
		}
		for _, s := range hookStages() {
			check(r.Hooks[s.name] < leastOfStage, "only %d kills of the hook at stage %q", r.Hooks[s.name], s.name)
		}
	}
	return problems
}

// Print writes it; the last line is the summary.
func (r Report) Print(out io.Writer) {
	fmt.Fprintf(out, "seed %d\n", r.Seed)
	table(out, fmt.Sprintf("kills of enrich serve: %d", sum(r.Kills)), r.Kills)
	table(out, fmt.Sprintf("kills of the hook: %d", sum(r.Hooks)), r.Hooks)
	table(out, "what else happened", r.Ills)
	for _, s := range r.Skipped {
		fmt.Fprintf(out, "  NOT DONE: %s\n", s)
	}
	fmt.Fprintf(out, "the daemon was started %d times, and ended by itself %d times\n", r.Starts, len(r.Ended))
	fmt.Fprintf(out, "destroyed by truncation before anybody had read them: %d; events of ours %d; repeats where the echo was destroyed: %d\n", r.Destroyed, r.Events, r.Excused)
	fmt.Fprintf(out, "thefts %d, sealed %d\n", r.Thefts, r.Sealed)
	fmt.Fprintf(out, "plans %d, orders at the API %d, seals by Vault's audit log %d; events about gaps %d, faults %d, intruders %d\n", r.Plans, r.Orders, r.Seals, r.Gaps, r.Faults, r.Intruders)
	for _, line := range r.Lost {
		fmt.Fprintf(out, "  LOST: %s\n", line)
	}
	for _, p := range r.Problems() {
		fmt.Fprintf(out, "  FAILED: %s\n", p)
	}
	fmt.Fprintf(out, "alerts %d, seen %d, lost %d, repeats %d, responses twice %d\n", r.Alerts, r.Seen, r.Alerts-r.Seen, r.Repeats, r.PlannedTwice+r.ObeyedTwice)
}

func table(out io.Writer, title string, counts map[string]int) {
	fmt.Fprintln(out, title)
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		fmt.Fprintf(out, "  %4d  %s\n", counts[name], name)
	}
}

// count fills in what the ledger, the journal, vault-seal's reports and Vault's audit log say.
func (r *Report) count(l *ledger, s *site.Site) error {
	journal, err := journalKeys(s.Journal())
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	r.countAlerts(l, journal)
	r.countEvents(l)
	r.Gaps, r.Faults, r.Intruders, r.OtherIDs = l.gaps, l.faults, l.intruder, l.otherIDs
	return r.countResponses(l, s)
}

// countEvents counts those of ours, and which of them came again.
func (r *Report) countEvents(l *ledger) {
	for id, p := range l.events {
		r.Events++
		if p.kind == "loop" {
			r.Loops++
		}
		if p.unproved {
			r.Excused += p.times - 1
		} else {
			r.Repeats += p.times - 1
		}
		if p.kind == "enriched" && l.alerts[id] == nil && !l.own[id] {
			r.Unknown++
		}
	}
}

// countAlerts: a line that a truncation took counts, too, if the journal has it whole.
func (r *Report) countAlerts(l *ledger, journal map[[sha256.Size]byte]bool) {
	for key, w := range l.byKey {
		seen := l.events[eventID(key)] != nil
		switch {
		case seen:
			r.Alerts++
			r.Seen++
		case w.destroyed && !journal[key]:
			r.Destroyed++
		default:
			r.Alerts++
			if len(r.Lost) < 20 {
				r.Lost = append(r.Lost, fmt.Sprintf("alert %s of rule %s, %d bytes, written %s, in the journal %t", w.id, w.rule, w.bytes, w.at.Format("15:04:05.000"), journal[key]))
			}
		}
	}
}

func (r *Report) countResponses(l *ledger, s *site.Site) error {
	for about, plans := range l.grounds {
		r.PlannedTwice += len(plans) - 1
		delete(l.seals, about)
	}
	for about := range l.seals {
		if !l.held[about] {
			r.Unanswered++
		}
	}
	ordered := 0
	for _, p := range l.plans {
		r.Plans++
		r.Orders += p.orders
		if p.orders > 0 {
			ordered++
		}
		if p.final == "" {
			r.Unfinished++
		}
	}
	obeyed, err := successes(filepath.Join(s.AgentHome(), "logs", "active-responses.log"))
	if err != nil {
		return err
	}
	for _, n := range obeyed {
		r.ObeyedTwice += n - 1
	}
	records, err := vault.ReadAudit(s.Story.AuditFile)
	if err != nil {
		return err
	}
	for _, record := range records {
		if record.Request.Path == "sys/seal" && record.Type == "request" {
			r.Seals++
		}
	}
	r.ObeyedTwice = max(r.ObeyedTwice, r.Seals-ordered)
	return nil
}

var success = regexp.MustCompile(`vault-seal: SUCCESS - .* plan=(\S+) node=(\S+) `)

// successes counts, for each plan and node, how often vault-seal says that it has sealed.
func successes(path string) (map[string]int, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	counts := make(map[string]int)
	for _, m := range success.FindAllSubmatch(text, -1) {
		counts[string(m[1])+" "+string(m[2])]++
	}
	return counts, nil
}

// journalKeys are the hashes of the whole lines in the journal.
func journalKeys(dir string) (map[[sha256.Size]byte]bool, error) {
	names, err := filepath.Glob(filepath.Join(dir, "*.jsonl"))
	if err != nil {
		return nil, err
	}
	keys := make(map[[sha256.Size]byte]bool)
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		lines := bufio.NewScanner(bytes.NewReader(text))
		lines.Buffer(nil, 8<<20)
		for lines.Scan() {
			keys[sha256.Sum256(lines.Bytes())] = true
		}
		if err := lines.Err(); err != nil {
			return nil, err
		}
	}
	return keys, nil
}
