package oracle

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sort"
	"strings"
	"syscall"
	"time"

	"custom-vault/lab/execd"
	"custom-vault/lab/osseclog"
)

// execdCase is a line of execd/cases.jsonl.
type execdCase struct {
	Name     string
	ARConf   []string `json:"ar_conf"`
	Block    string   `json:"active_response_block"`
	Program  []string
	Programs map[string][]string
	Messages []execdMessage
	Runs     []recordedRun
	Log      []string
	Alive    bool `json:"execd_alive"`
}

type execdMessage struct {
	AtMS    int64 `json:"at_ms"`
	Bytes   int
	Message *string
	B64     string `json:"message_b64"`
	Head    string
	Tail    string
	Errno   string
}

// recordedRun is a run of the probe in execd's recordings.
type recordedRun struct {
	Argc          int
	Argv0         string
	Cwd           string
	UID           int
	GID           string
	SessionLeader int `json:"session_leader"`
	Environ       []string
	FDs           [][2]any
	StartedMS     int64 `json:"started_ms"`
	Events        []recordedEvent
}

type recordedEvent struct {
	TMS   int64 `json:"t_ms"`
	Event string
	Text  string
	Bytes int
	Head  string
	Tail  string
}

// text rebuilds a message. A long one is recorded by its beginning, its end and its length; between them is one character over and over.
func (m execdMessage) text() (string, error) {
	switch {
	case m.Message != nil:
		return *m.Message, nil
	case m.B64 != "":
		data, err := base64.StdEncoding.DecodeString(m.B64)
		return string(data), err
	}
	return stretch(m.Head, m.Tail, m.Bytes), nil
}

// stretch puts the last character of head between head and tail until the whole is so many bytes long.
func stretch(head, tail string, bytes int) string {
	if head == "" || len(head)+len(tail) >= bytes {
		return head + tail
	}
	return head + strings.Repeat(head[len(head)-1:], bytes-len(head)-len(tail)) + tail
}

// execdVocabulary holds words that execd itself knows, and those of the probe.
const execdVocabulary = `version origin name module API command parameters extra_args alert data add delete continue abort check_keys keys program
wazuh-execd active-response bin wazuh not-there not-exec wazuh-owned other-tool sub tool true hello world again more something active response`

func runExecd(dir string, m *Mutator, report *Report) error {
	return playTwice(report, func(v *verdicts) error {
		w, err := newWorkshop()
		if err != nil {
			return err
		}
		defer w.close()
		cases, err := readCases[execdCase](filepath.Join(dir, "cases.jsonl"), v)
		if err != nil {
			return err
		}
		pool(cases, func(c execdCase) []verdict {
			reason := c.outOfReach()
			if reason != "" {
				return []verdict{{name: c.Name, reason: reason}}
			}
			return []verdict{{name: c.Name, difference: compared(func() (string, error) { return w.execd(c, m) })}}
		}, v)
		return runRuleDriven(w, filepath.Join(dir, "rule-driven.jsonl"), m, v)
	})
}

// outOfReach says why a case cannot be compared: its program does what the probe cannot, or its configuration is of another form.
func (c execdCase) outOfReach() string {
	reason := unknownCommand(c.Program)
	for _, script := range c.Programs {
		if reason == "" {
			reason = unknownCommand(script)
		}
	}
	switch {
	case reason != "":
		return reason
	case c.Block != "" && !knownBlock.MatchString(c.Block):
		return "its <active-response> is of a form that this oracle does not know: " + c.Block
	case !c.Alive && len(c.Runs) == 0 && !c.shutDown():
		return "the recorded daemon ended without a word"
	}
	return ""
}

// shutDown says whether the recorded daemon was told to end.
func (c execdCase) shutDown() bool {
	return slices.ContainsFunc(c.Log, func(line string) bool { return strings.Contains(line, "Shutdown received") })
}

var knownBlock = regexp.MustCompile(`^\s*(<disabled>(yes|no)</disabled>\s*|<repeated_offenders>[^<]*</repeated_offenders>\s*)*$`)

// execd replays one case and gives the differences.
func (w *workshop) execd(c execdCase, m *Mutator) (string, error) {
	inputs := append(append([]string{}, c.ARConf...), c.Program...)
	for _, message := range c.Messages {
		text, err := message.text()
		if err != nil {
			return "", fmt.Errorf("decode a message: %w", err)
		}
		inputs = append(inputs, text)
	}
	change := m.For(execdVocabulary, inputs...)
	home, err := w.execdHome(c, change)
	if err != nil {
		return "", err
	}
	log := &osseclog.Memory{}
	config := execd.Config{
		Home: home, Disabled: strings.Contains(c.Block, "<disabled>yes"), Env: recordedEnv(), Credential: credential(0),
		RepeatedOffenders: offendersIn(c.Block), Log: osseclog.Logger{Program: "wazuh-execd", Debug: 2, Sink: log},
	}
	// An earlier daemon leaves its socket's file behind, as in the recordings.
	earlier, err := execd.Start(execd.Config{Home: home})
	if err != nil {
		return "", err
	}
	earlier.Stop()
	daemon, err := execd.Start(config)
	if err != nil {
		return "", err
	}
	defer daemon.Stop()
	began := time.Now()
	errnos, err := sendAll(home, c, change, began)
	if err != nil {
		return "", err
	}
	if !c.Alive {
		c.waitForShutdown(home, log, began)
		daemon.Stop()
	}
	waitForRuns(home, c, began)
	waitFor(patience, func() bool { return len(execdLog(log.Lines())) >= len(execdLog(c.Log)) })
	runs, err := probeRuns(home)
	if err != nil {
		return "", err
	}
	differences := []string{linesDiff("errno", recordedErrnos(c), errnos), compareRuns(home, c.Runs, runs, began, change)}
	var want []string
	for _, line := range c.Log {
		want = append(want, change.Text(line))
	}
	differences = append(differences, linesDiff("log line", execdLog(want), execdLog(log.Lines())))
	return joinDifferences(differences), nil
}

var offenders = regexp.MustCompile(`<repeated_offenders>([^<]*)</repeated_offenders>`)

// offendersIn are the minutes of <repeated_offenders>.
func offendersIn(block string) []int {
	found := offenders.FindStringSubmatch(block)
	if found == nil {
		return nil
	}
	return execd.Offenders(found[1])
}

func (w *workshop) execdHome(c execdCase, change Mapping) (string, error) {
	home, err := w.home()
	if err != nil {
		return "", err
	}
	var lines strings.Builder
	for _, line := range c.ARConf {
		lines.WriteString(change.Text(line) + "\n")
	}
	err = os.WriteFile(filepath.Join(home, "etc/shared/ar.conf"), []byte(lines.String()), 0o640)
	script := func(name string) []string {
		commands := c.Program
		if own, ok := c.Programs[name]; ok {
			commands = own
		}
		var changed []string
		for _, command := range commands {
			changed = append(changed, change.Text(command))
		}
		return changed
	}
	programs := map[string]os.FileMode{"vault-seal": 0o750, "other-tool": 0o750, "sub/tool": 0o750, "not-exec": 0o640, "wazuh-owned": 0o770}
	for name := range c.Programs {
		if _, known := programs[name]; !known && fileName.MatchString(name) {
			programs[name] = 0o750
		}
	}
	for name, mode := range programs {
		by := owner{}
		if name == "wazuh-owned" {
			by = owner{user: wazuhName, group: wazuhName}
		}
		err = errors.Join(err, w.putOwned(home, "active-response/bin/"+change.Text(name), mode, by, script(name)))
	}
	if err != nil {
		return "", fmt.Errorf("make a home for execd: %w", err)
	}
	return home, nil
}

// sendAll sends the messages at their time, as agentd does, and returns the errors by name.
func sendAll(home string, c execdCase, change Mapping, began time.Time) (errnos []string, err error) {
	address := &net.UnixAddr{Name: filepath.Join(home, execd.SocketPath), Net: "unixgram"}
	for _, message := range c.Messages {
		text, err := message.text()
		if err != nil {
			return nil, fmt.Errorf("decode a message: %w", err)
		}
		time.Sleep(time.Until(began.Add(time.Duration(message.AtMS) * time.Millisecond)))
		errnos = append(errnos, sendTo(address, []byte(change.Text(text))))
	}
	return errnos, nil
}

func sendTo(address *net.UnixAddr, message []byte) (errno string) {
	conn, err := net.DialUnix("unixgram", nil, address)
	if err != nil {
		return errnoName(err)
	}
	defer conn.Close() //nolint:errcheck // a datagram socket
	_, err = conn.Write(message)
	return errnoName(err)
}

func recordedErrnos(c execdCase) (errnos []string) {
	for _, m := range c.Messages {
		if m.Errno == "" {
			m.Errno = "ok"
		}
		errnos = append(errnos, m.Errno)
	}
	return errnos
}

// waitForShutdown waits until the daemon has done what the recorded one had done when it was told to end.
func (c execdCase) waitForShutdown(home string, log *osseclog.Memory, began time.Time) {
	const stopAfter = time.Second // when the recorded daemon was ended
	time.Sleep(time.Until(began.Add(stopAfter)))
	lines, runs := 0, 0
	for _, line := range execdLog(c.Log) {
		if strings.Contains(line, "Shutdown received") {
			break
		}
		lines++
	}
	for _, r := range c.Runs {
		if r.StartedMS < stopAfter.Milliseconds() {
			runs++
		}
	}
	waitFor(patience, func() bool {
		ran, err := probeRuns(home)
		return err == nil && len(ran) >= runs && len(execdLog(log.Lines())) >= lines
	})
}

// waitForRuns waits as long as the recording lasted, and a little longer for what should not come.
func waitForRuns(home string, c execdCase, began time.Time) {
	const after = 700 * time.Millisecond
	last := int64(0)
	for _, r := range c.Runs {
		last = max(last, r.StartedMS)
		for _, e := range r.Events {
			last = max(last, e.TMS)
		}
	}
	time.Sleep(time.Until(began.Add(time.Duration(last)*time.Millisecond + after)))
	waitFor(patience, func() bool {
		runs, err := probeRuns(home)
		if err != nil || len(runs) < len(c.Runs) {
			return false
		}
		for i, r := range c.Runs {
			if len(runs[i].Events) < len(r.Events) {
				return false
			}
		}
		return true
	})
}

// coarse is how much earlier than recorded something may happen, and late how much later: the machines differ, and one that has other work to do is
// slow. That a wait of seconds took place, or did not, is compared.
const (
	coarse = 1500 * time.Millisecond
	late   = 8 * time.Second
)

func nearby(what string, wantMS int64, got time.Duration) string {
	if d := got - time.Duration(wantMS)*time.Millisecond; d > late || d < -coarse {
		return fmt.Sprintf("%s after %v, recorded %v", what, got.Round(time.Millisecond), time.Duration(wantMS)*time.Millisecond)
	}
	return ""
}

// compareRuns compares what the probes saw. Not compared: the exact times (see coarse), the numbers of pipes, and, unless the oracle is root, uid
// and gid. The lab's home stands for /var/ossec.
func compareRuns(home string, want []recordedRun, got []probeRecord, began time.Time, change Mapping) string {
	if len(want) != len(got) {
		return fmt.Sprintf("the program ran %d times, recorded are %d", len(got), len(want))
	}
	var differences []string
	for i, r := range want {
		g := got[i]
		facts := []string{
			fmt.Sprintf("argc %d", len(g.Argv)), "argv0 " + g.Argv[0], "cwd " + strings.Replace(g.Cwd, home, recordedHome, 1),
			fmt.Sprintf("session_leader %t", g.SessionLeader), "environ " + strings.Join(g.Environ, " "), "fds " + listFDs(g.FDs),
		}
		sort.Strings(r.Environ)
		recorded := []string{
			fmt.Sprintf("argc %d", r.Argc), "argv0 " + change.Text(r.Argv0), "cwd " + r.Cwd,
			fmt.Sprintf("session_leader %t", r.SessionLeader == 1), "environ " + strings.Join(r.Environ, " "), "fds " + recordedFDs(r.FDs),
		}
		if isRoot() {
			facts = append(facts, "uid "+g.UIDs[0], "gid "+groupName(g.GIDs[0]))
			recorded = append(recorded, fmt.Sprintf("uid %d", r.UID), "gid "+r.GID)
		}
		differences = append(differences, prefix(fmt.Sprintf("run %d: ", i), linesDiff("fact", recorded, facts)),
			prefix(fmt.Sprintf("run %d: ", i), compareEvents(r, g, began, change)))
	}
	return joinDifferences(differences)
}

func groupName(id string) string {
	if id == fmt.Sprint(wazuhID) {
		return "wazuh"
	}
	return id
}

func listFDs(fds []probeFD) string {
	var parts []string
	for _, fd := range fds {
		if fd.FD <= 2 {
			parts = append(parts, fmt.Sprintf("%d %s", fd.FD, fd.To))
		}
	}
	return strings.Join(parts, ", ")
}

func recordedFDs(fds [][2]any) string {
	var parts []string
	for _, fd := range fds {
		parts = append(parts, fmt.Sprintf("%v %v", fd[0], fd[1]))
	}
	return strings.Join(parts, ", ")
}

func compareEvents(want recordedRun, got probeRecord, began time.Time, change Mapping) string {
	differences := []string{nearby("started", want.StartedMS, got.Started.Sub(began))}
	var recorded, lab []string
	for _, e := range want.Events {
		recorded = append(recorded, eventText(e.Event, change.Text(e.Text), e.Bytes, change.Text(e.Head), change.Text(e.Tail)))
	}
	for i, e := range got.Events {
		lab = append(lab, eventText(e.Event, e.Text, e.Bytes, e.Head, e.Tail))
		if i < len(want.Events) {
			differences = append(differences, nearby(e.Event, want.Events[i].TMS, e.At.Sub(began)))
		}
	}
	return joinDifferences(append(differences, linesDiff("event", recorded, lab)))
}

func eventText(event, text string, bytes int, head, tail string) string {
	if bytes > 0 {
		return fmt.Sprintf("%s of %d bytes %s … %s", event, bytes, head, tail)
	}
	return event + " " + text
}

// execdLog takes out of a log what says nothing about responses: the lines of the daemon's start and of its other thread, whose place among the
// others differs from run to run, and process ids. Long lines are shortened as the recordings do.
func execdLog(lines []string) (kept []string) {
	const shown = 1500
	for _, line := range lines {
		if startLine.MatchString(line) {
			continue
		}
		line = processID.ReplaceAllString(line, "(pid: …)")
		if len(line) > shown && !strings.HasSuffix(line, " bytes)") {
			line = fmt.Sprintf("%s…(%d bytes)", line[:shown], len(line))
		}
		kept = append(kept, line)
	}
	return kept
}

var (
	startLine = regexp.MustCompile(`Element 'log_format' without any option|Logging module auto-initialized|Wazuh home directory|Thread stack size set|Local requests thread ready|Chrooted to directory`)
	processID = regexp.MustCompile(`\(pid: \d+\)`)
)

func prefix(text, difference string) string {
	if difference == "" {
		return ""
	}
	return text + difference
}

func joinDifferences(differences []string) string {
	var some []string
	for _, d := range differences {
		if d != "" {
			some = append(some, d)
		}
	}
	return strings.Join(some, "\n")
}

// errnoName is how the recordings name an error of a system call.
func errnoName(err error) string {
	if err == nil {
		return "ok"
	}
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return "EAGAIN"
		}
		return err.Error()
	}
	for name, number := range map[string]syscall.Errno{
		"ENOENT": syscall.ENOENT, "ECONNREFUSED": syscall.ECONNREFUSED, "ENOTCONN": syscall.ENOTCONN, "EPROTOTYPE": syscall.EPROTOTYPE,
		"EACCES": syscall.EACCES, "EMSGSIZE": syscall.EMSGSIZE, "EAGAIN": syscall.EAGAIN, "EPIPE": syscall.EPIPE,
	} {
		if errno == number {
			return name
		}
	}
	return errno.Error()
}
