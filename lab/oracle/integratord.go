package oracle

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"custom-vault/lab/integratord"
	"custom-vault/lab/osseclog"
	"custom-vault/lab/release"
)

// integratordCase is a line of integratord/cases.jsonl. The lines are one session: a case without a line "Started" in its log goes on with the daemon
// of the case before it.
type integratordCase struct {
	Name       string
	About      string
	Config     string
	Debug      int `json:"integrator_debug"`
	Program    string
	Raw        *recordedRaw   `json:"raw_appended"`
	AlertsJSON []recordedLine `json:"alerts_json"`
	Frames     []engineStep
	Runs       []integratordRun
	TempFiles  []string `json:"temp_files_left"`
	Log        []string
}

type recordedRaw struct {
	Text string
	B64  []byte
}

type integratordRun struct {
	Argv          []string
	Environ       []string
	Cwd, Exe      string
	Umask         string
	UID, GID      string
	Groups        string
	SigIgnored    string `json:"sig_ignored"`
	SessionLeader bool   `json:"session_leader"`
	FDs           []struct {
		FD         int
		To, Access string
	}
	Files []struct {
		ArgvIndex int `json:"argv_index"`
		Mode      string
		UID, GID  string
		Size      int64
		SHA256    string
		B64       string `json:"content_b64"`
	}
	StartedAfter float64 `json:"started_after_s"`
}

// sessions are the cases that share a daemon, in order.
func sessions(cases []integratordCase) (list [][]integratordCase) {
	for i, c := range cases {
		if c.starts() || i == 0 || c.Config != cases[i-1].Config || c.Debug != cases[i-1].Debug {
			list = append(list, nil)
		}
		list[len(list)-1] = append(list[len(list)-1], c)
	}
	return list
}

// starts says whether the case's log begins with a start of the daemon, or with its refusal to start.
func (c integratordCase) starts() bool {
	for _, line := range c.Log {
		if strings.Contains(line, "INFO: Started (pid:") || strings.Contains(line, "CRITICAL") || strings.Contains(line, "Clean exit") {
			return true
		}
	}
	return false
}

// outOfReach says why a case cannot be compared: what was done to make it is not in the recording.
func (c integratordCase) outOfReach() string {
	if reason := unknownCommand([]string{c.Program}); reason != "" {
		return reason
	}
	if word := unrecorded.FindString(c.About); word != "" {
		return "what was done by hand (" + word + ") is not in the recording"
	}
	return ""
}

// unrecorded finds in a case's text what somebody did beside sending alerts. What the oracle can do as well is done by program and replay.
var unrecorded = regexp.MustCompile(`(?i)\b(rotat\w*|truncat\w*|renam\w* alerts|moved|inode|symlink|SIGHUP|SIGTERM|SIGSTOP|reload\w*|umask|disk full|no space|/tmp (is|was)\b.*)`)

func runIntegratord(dir string, m *Mutator, report *Report) error {
	// The daemon ignores SIGHUP, and so do the programs that it starts (sig_op.c:61).
	signal.Ignore(syscall.SIGHUP)
	defer signal.Reset(syscall.SIGHUP)
	return playTwice(report, func(v *verdicts) error {
		w, err := newWorkshop()
		if err != nil {
			return err
		}
		defer w.close()
		cases, err := readCases[integratordCase](filepath.Join(dir, "cases.jsonl"), v)
		if err != nil {
			return err
		}
		pool(sessions(cases), func(session []integratordCase) []verdict { return w.integratordSession(session, m) }, v)
		return nil
	})
}

// integratordBench is a home with alerts.json in it, and the daemon on it.
type integratordBench struct {
	home   string
	alerts *os.File
	log    *osseclog.Memory
	cancel context.CancelFunc
	done   chan struct{}
}

// integratordSession replays the cases of one daemon. Once one of them could not be replayed, those behind it cannot either.
func (w *workshop) integratordSession(session []integratordCase, m *Mutator) (list []verdict) {
	b := &integratordBench{log: &osseclog.Memory{}}
	defer b.end()
	change, inputs := sessionMapping(session, m)
	reason := ""
	for i, c := range session {
		if reason == "" {
			reason = c.outOfReach()
		}
		if i == 0 && !c.starts() && c.continues() {
			reason = "it goes on with a case that this folder does not have"
		}
		difference := ""
		if reason == "" {
			difference = compared(func() (string, error) {
				if err := b.prepare(w, c, i == 0); err != nil {
					return "", err
				}
				return b.replay(c, i == 0 && c.starts(), change, inputs[i])
			})
		}
		list = append(list, verdict{c.Name, difference, reason})
	}
	return list
}

// continues says whether an alert of the case began in the case before it: a program was handed more than was appended.
func (c integratordCase) continues() bool {
	input := c.input()
	for _, r := range c.Runs {
		for _, f := range r.Files {
			content, err := base64.StdEncoding.DecodeString(f.B64)
			if err == nil && f.ArgvIndex == 1 && strings.HasPrefix(string(content), "{") && !strings.Contains(input, strings.TrimSuffix(string(content), "\n")) &&
				!strings.HasPrefix(input, "{") {
				return true
			}
		}
	}
	return false
}

// prepare makes the home at first, and puts the case's program in place. A case whose daemon was started in another folder's case finds it running.
func (b *integratordBench) prepare(w *workshop, c integratordCase, first bool) (err error) {
	if !first {
		return b.program(w, c)
	}
	if b.home, err = w.home(); err != nil {
		return err
	}
	if b.alerts, err = os.OpenFile(filepath.Join(b.home, "logs/alerts/alerts.json"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640); err != nil {
		return fmt.Errorf("make alerts.json: %w", err)
	}
	if c.starts() {
		return b.program(w, c)
	}
	for _, name := range namesIn(c.Config) {
		if err := w.put(b.home, "integrations/"+name, 0o750, []string{c.Program}); err != nil {
			return err
		}
	}
	if err := b.start(c); err != nil {
		return err
	}
	return b.program(w, c)
}

func (b *integratordBench) end() {
	if b.cancel != nil {
		b.cancel()
		<-b.done
	}
	if b.alerts != nil {
		_ = b.alerts.Close() // written with each case
	}
}

// program puts the case's program in place, or takes it away, as the case's text says.
func (b *integratordBench) program(w *workshop, c integratordCase) error {
	mode, by := os.FileMode(0o750), owner{}
	missing := strings.Contains(c.About, "missing when") || strings.Contains(c.About, "was removed after") || strings.Contains(c.About, "is not there")
	if found := octal.FindStringSubmatch(c.About); found != nil {
		if _, err := fmt.Sscanf(found[1], "%o", &mode); err != nil {
			return fmt.Errorf("read a mode: %w", err)
		}
		by = owner{found[2], found[3]}
	}
	for _, name := range namesIn(c.Config) {
		path := "integrations/" + name
		if err := os.Remove(filepath.Join(b.home, path)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("take away the program before: %w", err)
		}
		if missing || !c.had(name) {
			continue
		}
		if err := w.putOwned(b.home, path, mode, by, []string{c.Program}); err != nil {
			return err
		}
	}
	return nil
}

// had says whether the recorded daemon found a program of that name: one that is called custom-… was put there for the case, and of another the
// daemon's own word tells.
func (c integratordCase) had(name string) bool {
	if !fileName.MatchString(name) {
		return false
	}
	for _, line := range c.Log {
		if strings.Contains(line, "'"+name+"'. File not found inside") {
			return false
		}
	}
	return true
}

var (
	octal       = regexp.MustCompile(`\b(0[0-7]{3})(?: (\w+):(\w+))?`)
	elementName = regexp.MustCompile(`<name>([^<]*)</name>`)
	fileName    = regexp.MustCompile(`^[\w.-]+$`)
)

func namesIn(config string) (names []string) {
	for _, found := range elementName.FindAllStringSubmatch(config, -1) {
		names = append(names, found[1])
	}
	return names
}

// start starts the daemon with the case's configuration; it may refuse to.
func (b *integratordBench) start(c integratordCase) error {
	log := osseclog.Logger{Program: "wazuh-integratord", Debug: c.Debug, Sink: b.log}
	blocks, err := integratord.LoadConfig(c.Config, release.Latest, log)
	if errors.Is(err, integratord.ErrConfig) {
		return nil
	}
	if err != nil {
		return err
	}
	d := integratord.New(integratord.Config{
		Home: b.home, Integrations: blocks, Release: release.Latest, TmpDir: filepath.Join(b.home, "tmp"), Log: log,
		Env: recordedEnv(), Credential: credential(wazuhID),
	})
	ctx, cancel := context.WithCancel(context.Background())
	b.cancel, b.done = cancel, make(chan struct{})
	ready := make(chan struct{})
	go func() {
		defer close(b.done)
		d.Run(ctx, ready)
	}()
	select {
	case <-ready:
		return nil
	case <-time.After(patience):
		return errors.New("the lab's integratord does not become ready")
	}
}

// input is what was appended to alerts.json.
func (c integratordCase) input() string {
	if c.Raw != nil && c.Raw.B64 != nil {
		return string(c.Raw.B64)
	}
	if c.Raw != nil {
		return c.Raw.Text
	}
	var text strings.Builder
	for _, line := range c.AlertsJSON {
		text.WriteString(string(line) + "\n")
	}
	return text.String()
}

// sessionMapping changes the inputs of a session as one text, since a line may be appended in two pieces, and cuts it again: no word changes its
// length.
func sessionMapping(session []integratordCase, m *Mutator) (change Mapping, inputs []string) {
	keep, all := integratordVocabulary, ""
	for _, c := range session {
		keep, all = keep+c.Config, all+c.input()
	}
	change = m.For(keep, all)
	all = change.Text(all)
	for _, c := range session {
		n := len(c.input())
		inputs, all = append(inputs, all[:n]), all[n:]
	}
	return change, inputs
}

// changedFile changes a file that a program was handed. A word at the end of a log that was cut is changed as the beginning of the word it was.
func changedFile(change Mapping, content string, c integratordCase) string {
	fragment := cutWord.FindStringSubmatchIndex(content)
	if fragment == nil {
		return change.Text(content)
	}
	part := content[fragment[2]:fragment[3]]
	for _, word := range hexWord.FindAllString(c.input(), -1) {
		if strings.HasPrefix(word, part) {
			return change.Text(content[:fragment[2]]) + change.Text(word)[:len(part)] + change.Text(content[fragment[3]:])
		}
	}
	return change.Text(content)
}

var cutWord = regexp.MustCompile(`([0-9a-f]{6,})\.\.\.'`)

// replay runs one case. The alerts are appended as the recording has them: that analysisd makes these lines of the datagrams is compared by the kinds
// engine and vault-passes.
func (b *integratordBench) replay(c integratordCase, first bool, change Mapping, input string) (string, error) {
	before, all := "", input
	if strings.Contains(c.About, "while integratord is down") {
		// All but the last alert are written before the daemon starts.
		last := strings.LastIndexByte(strings.TrimSuffix(input, "\n"), '\n') + 1
		before, all = input[:last], input[last:]
	}
	if err := b.append(before); err != nil {
		return "", err
	}
	logBefore := len(b.log.Lines())
	if first {
		if err := b.start(c); err != nil {
			return "", err
		}
	}
	runsBefore, err := probeRuns(b.home)
	if err != nil {
		return "", err
	}
	began := time.Now()
	if err := b.append(all); err != nil {
		return "", err
	}
	runs := b.wait(c, began, len(runsBefore), logBefore)
	if len(runs) < len(runsBefore) {
		return "", errors.New("read what the probe saw")
	}
	left, err := os.ReadDir(filepath.Join(b.home, "tmp"))
	if err != nil {
		return "", fmt.Errorf("look for files that are left: %w", err)
	}
	var leftNames []string
	for _, entry := range left {
		leftNames = append(leftNames, entry.Name())
	}
	var log []string
	for _, line := range c.Log {
		log = append(log, change.Text(line))
	}
	return joinDifferences([]string{
		b.compareRuns(c, runs[len(runsBefore):], began, change),
		linesDiff("file left", c.TempFiles, leftNames),
		linesDiff("log line", c.comparedLog(integratordLog(log, "")), c.comparedLog(integratordLog(b.log.Lines()[logBefore:], b.home))),
	}), nil
}

// comparedLog leaves out of a log what the program wrote, where the recording does not say what that was: the many lines of manylines. Of a program
// that fails without a word the daemon quotes a buffer that nobody has filled (integrator.c:449, 461). The line of a fault in the configuration counts
// from the beginning of a file that the recording has a piece of.
func (c integratordCase) comparedLog(lines []string) (kept []string) {
	command, _, _ := strings.Cut(c.Program, " ")
	for _, line := range lines {
		if command == "manylines" && strings.Contains(line, "integrator.c:451 at") {
			continue
		}
		if before, _, found := strings.Cut(line, " -> integrations. Output:"); found && command != "out" {
			line = before + " -> integrations. Output:"
		}
		kept = append(kept, xmlLine.ReplaceAllString(line, "(line …)"))
	}
	return kept
}

var xmlLine = regexp.MustCompile(`\(line \d+\)`)

// integratordVocabulary holds words that integratord looks for, or that name the programs.
const integratordVocabulary = ` rule level description id firedtimes mail groups vault vaults vaultx agent manager name full_log decoder data location timestamp custom wazuh-manager 100611 100617 100618 65535 65536 65537 `

func (b *integratordBench) append(text string) error {
	if _, err := b.alerts.WriteString(text); err != nil {
		return fmt.Errorf("append to alerts.json: %w", err)
	}
	return nil
}

// wait waits until as many programs have started as were recorded, and then until the daemon has come to rest.
func (b *integratordBench) wait(c integratordCase, began time.Time, runsBefore, logBefore int) []probeRecord {
	last := 0.0
	for _, r := range c.Runs {
		last = max(last, r.StartedAfter)
	}
	limit := time.Duration(last*float64(time.Second)) + patience
	var runs []probeRecord
	waitFor(time.Until(began.Add(limit)), func() bool {
		var err error
		runs, err = probeRuns(b.home)
		return err == nil && len(runs) >= runsBefore+len(c.Runs)
	})
	// What the program does goes on after it has started; and a moment more shows whether one too many starts.
	pause, _ := sizeIn(c.Program)
	if !strings.HasPrefix(c.Program, "hang") && !strings.HasPrefix(c.Program, "grandchild") {
		pause = 0
	}
	time.Sleep(time.Duration(pause)*time.Second + 1500*time.Millisecond)
	waitFor(patience, func() bool {
		return len(integratordLog(b.log.Lines()[logBefore:], b.home)) >= len(integratordLog(c.Log, ""))
	})
	if again, err := probeRuns(b.home); err == nil {
		runs = again
	}
	return runs
}
