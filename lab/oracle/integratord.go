package oracle

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"sort"
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
	for _, c := range cases {
		starts := false
		for _, line := range c.Log {
			starts = starts || strings.Contains(line, "INFO: Started (pid:") || strings.Contains(line, "CRITICAL")
		}
		if starts || len(list) == 0 {
			list = append(list, nil)
		}
		list[len(list)-1] = append(list[len(list)-1], c)
	}
	return list
}

func runIntegratord(dir string, m *Mutator, report *Report) error {
	w, err := newWorkshop()
	if err != nil {
		return err
	}
	defer w.close()
	// The daemon ignores SIGHUP, and so do the programs that it starts (sig_op.c:61).
	signal.Ignore(syscall.SIGHUP)
	defer signal.Reset(syscall.SIGHUP)
	var cases []integratordCase
	err = eachLine(filepath.Join(dir, "cases.jsonl"), func(line []byte) error {
		var c integratordCase
		if err := json.Unmarshal(line, &c); err != nil {
			return fmt.Errorf("read a case: %w", err)
		}
		cases = append(cases, c)
		return nil
	})
	if err != nil {
		return err
	}
	type replayed struct{ differences map[string]string }
	return pool(sessions(cases), func(session []integratordCase) (string, error) {
		outcomes := replayed{map[string]string{}}
		if err := w.integratordSession(session, m, outcomes.differences); err != nil {
			return "", err
		}
		data, err := json.Marshal(outcomes.differences)
		return string(data), err
	}, func(session []integratordCase, data string) {
		differences := map[string]string{}
		if err := json.Unmarshal([]byte(data), &differences); err != nil {
			differences[session[0].Name] = err.Error()
		}
		for _, c := range session {
			report.outcome(c.Name, differences[c.Name])
		}
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

func (w *workshop) integratordSession(session []integratordCase, m *Mutator, differences map[string]string) error {
	b := &integratordBench{log: &osseclog.Memory{}}
	home, err := w.home()
	if err != nil {
		return err
	}
	b.home = home
	if b.alerts, err = os.OpenFile(filepath.Join(home, "logs/alerts/alerts.json"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640); err != nil {
		return fmt.Errorf("make alerts.json: %w", err)
	}
	defer b.alerts.Close() //nolint:errcheck // written with each case
	defer func() {
		if b.cancel != nil {
			b.cancel()
			<-b.done
		}
	}()
	change, inputs := sessionMapping(session, m)
	for i, c := range session {
		if err := b.program(w, c); err != nil {
			return fmt.Errorf("case %s: %w", c.Name, err)
		}
		difference, err := b.replay(c, i == 0, change, inputs[i])
		if err != nil {
			return fmt.Errorf("case %s: %w", c.Name, err)
		}
		differences[c.Name] = difference
	}
	return nil
}

// program puts the case's program in place, or takes it away, as the case's text says.
func (b *integratordBench) program(w *workshop, c integratordCase) error {
	mode, missing := os.FileMode(0o750), strings.Contains(c.About, "missing when") || strings.Contains(c.About, "was removed after")
	if found := octal.FindStringSubmatch(c.About); found != nil {
		if _, err := fmt.Sscanf(found[1], "%o", &mode); err != nil {
			return fmt.Errorf("read a mode: %w", err)
		}
	}
	for _, name := range namesIn(c.Config) {
		path := "integrations/" + name
		if err := os.Remove(filepath.Join(b.home, path)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("take away the program before: %w", err)
		}
		if missing || !strings.HasPrefix(name, "custom-") {
			continue
		}
		if err := w.put(b.home, path, mode, []string{c.Program}); err != nil {
			return err
		}
	}
	return nil
}

var (
	octal       = regexp.MustCompile(`is (0[0-7]{3}) `)
	elementName = regexp.MustCompile(`<name>([^<]*)</name>`)
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
	case <-time.After(10 * time.Second):
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
		linesDiff("log line", integratordLog(log, ""), integratordLog(b.log.Lines()[logBefore:], b.home)),
	}), nil
}

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
	limit := time.Duration(last*float64(time.Second)) + 4*time.Second
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
	waitFor(3*time.Second, func() bool {
		return len(integratordLog(b.log.Lines()[logBefore:], b.home)) >= len(integratordLog(c.Log, ""))
	})
	if again, err := probeRuns(b.home); err == nil {
		runs = again
	}
	return runs
}

// compareRuns compares what programs were started with. Not compared: the seconds and the random part in the names of temp files, the exact times,
// the numbers of pipes, and, unless the oracle is root, users and groups.
func (b *integratordBench) compareRuns(c integratordCase, got []probeRecord, began time.Time, change Mapping) string {
	want := c.Runs
	if len(want) != len(got) {
		return fmt.Sprintf("programs ran %d times, recorded are %d", len(got), len(want))
	}
	var differences []string
	for i, r := range want {
		where := fmt.Sprintf("run %d: ", i)
		differences = append(differences, prefix(where, linesDiff("fact", r.facts(change, c), b.facts(got[i]))),
			prefix(where, nearby("started", int64(r.StartedAfter*1000), got[i].Started.Sub(began))))
	}
	return joinDifferences(differences)
}

// tempName masks the name of a temp file: its folder (the lab's is its own), seconds and random part.
var tempName = regexp.MustCompile(`/[\w./-]*?/?(custom-[\w.]+?)-\d+-(-?)\d+\.(alert|options)`)

func maskTemp(text string) string { return tempName.ReplaceAllString(text, "$1-….$3") }

func (r integratordRun) facts(change Mapping, c integratordCase) (list []string) {
	for i, arg := range r.Argv {
		list = append(list, fmt.Sprintf("argv[%d] %s", i, maskTemp(arg)))
	}
	sort.Strings(r.Environ)
	list = append(list, "environ "+strings.Join(r.Environ, " "), "cwd "+r.Cwd, "exe "+r.Exe, "umask "+r.Umask, "sig_ignored "+r.SigIgnored,
		fmt.Sprint("session_leader ", r.SessionLeader))
	var fds []string
	for _, fd := range r.FDs {
		fds = append(fds, fmt.Sprintf("%d %s %s", fd.FD, fd.To, fd.Access))
	}
	list = append(list, "fds "+strings.Join(fds, ", "))
	if isRoot() {
		list = append(list, "uid "+r.UID, "gid "+r.GID, "groups "+r.Groups)
	}
	for _, f := range r.Files {
		content, err := base64.StdEncoding.DecodeString(f.B64)
		if err != nil {
			return append(list, err.Error())
		}
		owner := ""
		if isRoot() {
			owner = f.UID + ":" + f.GID + " "
		}
		list = append(list, fmt.Sprintf("file %d: %s %s%d bytes", f.ArgvIndex, f.Mode, owner, f.Size), "content "+changedFile(change, string(content), c))
	}
	return list
}

func (b *integratordBench) facts(g probeRecord) (list []string) {
	for i, arg := range g.Argv {
		list = append(list, fmt.Sprintf("argv[%d] %s", i, maskTemp(arg)))
	}
	at := func(path string) string { return strings.Replace(path, b.home, recordedHome, 1) }
	list = append(list, "environ "+strings.Join(g.Environ, " "), "cwd "+at(g.Cwd), "exe "+at(g.Exe), "umask "+g.Umask,
		fmt.Sprintf("sig_ignored %016x", signalMask(g.SigIgnored)&^inheritedIgnored()),
		fmt.Sprint("session_leader ", g.SessionLeader))
	var fds []string
	for _, fd := range g.FDs {
		fds = append(fds, fmt.Sprintf("%d %s %s", fd.FD, at(fd.To), fd.Access))
	}
	list = append(list, "fds "+strings.Join(fds, ", "))
	if isRoot() {
		list = append(list, "uid "+names(g.UIDs), "gid "+names(g.GIDs), "groups "+names(g.Groups))
	}
	for _, f := range g.Files {
		owner := ""
		if isRoot() {
			owner = groupName(fmt.Sprint(f.UID)) + ":" + groupName(fmt.Sprint(f.GID)) + " "
		}
		list = append(list, fmt.Sprintf("file %d: %s %s%d bytes", f.ArgvIndex, f.Mode, owner, f.Size), "content "+string(f.Content))
	}
	return list
}

func names(ids []string) string {
	var list []string
	for _, id := range ids {
		list = append(list, groupName(id))
	}
	return strings.Join(list, " ")
}

// integratordLog takes out of a log what says nothing about alerts: lines of the daemon's start and of its other thread, and the note of each look at
// alerts.json, of which there is one a second. The order of two lines that come from the program's stdout and stderr is its own.
func integratordLog(lines []string, home string) (kept []string) {
	for _, line := range execdLog(lines) {
		if strings.Contains(line, "jqueue_next()") {
			continue
		}
		if home != "" {
			line = strings.ReplaceAll(line, home+"/tmp/", "/tmp/")
		}
		kept = append(kept, strings.TrimRight(maskTemp(line), " "))
	}
	return kept
}
